"""Work that one task spreads over others."""

from __future__ import annotations

import pytest

from xray.cluster.spread import spread
from xray.core.errors import ResourceError

pytestmark = pytest.mark.usefixtures("ray_session")


def test_results_come_in_the_order_of_the_items() -> None:
    assert spread(abs, [-3, 2, -1]) == [3, 2, 1]


@pytest.mark.parametrize("error", [ResourceError("pip install x"), MemoryError("no room"), ValueError("a mistake")])
def test_an_error_is_raised_as_if_the_function_had_been_called_here(error: Exception) -> None:
    def fail(item: int) -> int:
        raise error

    with pytest.raises(type(error)) as raised:
        spread(fail, [1])
    assert type(raised.value) is type(error)
    assert str(raised.value) == str(error)
