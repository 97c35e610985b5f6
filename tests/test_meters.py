from __future__ import annotations

import pytest

from xray.meters import Meters, _ascii
from xray.tally import Progressed

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.mark.parametrize("name", ["röd", "as taken, 100 %", "犬\n\\x"])
def test_names_may_be_anything(name: str) -> None:
    meters = Meters(f"file:///{name}", "generate", 2)
    meters.committed(Progressed({name: {"ok": 2}}, bytes=10, seconds=0.5, shards=1))
    meters.done()


def test_different_names_stay_different() -> None:
    assert [_ascii(name) for name in ("as taken", "röd", "rød")] == ["as taken", r"r\xf6d", r"r\xf8d"]
