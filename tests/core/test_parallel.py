from __future__ import annotations

from collections.abc import Iterator

import pytest

from xray.core.parallel import map_ahead


def test_results_are_in_order_and_few_items_are_taken_ahead() -> None:
    taken = list[int]()

    def items() -> Iterator[int]:
        for item in range(1, 1001):
            taken.append(item)
            yield item

    results = map_ahead(lambda item: 2 * item, items(), threads=2)
    assert [next(results) for _ in range(3)] == [2, 4, 6]
    assert len(taken) < 25
    assert list(results) == [2 * item for item in range(4, 1001)]


def test_an_error_is_raised_where_its_result_would_be() -> None:
    results = map_ahead(lambda item: 1 // item, [1, 0, 1], threads=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
