from __future__ import annotations

import pyarrow as pa

from xray.core.schema import SOURCE
from xray.pipeline.plan.understood import summarize, totals
from xray.sources.categories import load_categories


def row(category: str, sha256: str, **more: object) -> dict[str, object]:
    empty = dict.fromkeys(SOURCE.names)
    return {**empty, "category": category, "sha256": sha256, "boxes": [], "points": [], "status": "ok", **more}


def test_numbers_by_category() -> None:
    categories = load_categories({"red fox": [277], "cello": [486], "dog": list(range(151, 269))})
    rows = [
        row("cello", "a", mask_uri="file:///1.png"),
        row("cello", "a", boxes=[[0, 0, 1, 1]]),
        row("cello", "", status="rejected"),
        row("red fox", "", status="rejected"),
    ]
    found = summarize(pa.Table.from_pylist(rows, schema=SOURCE), categories)
    assert [(one.category, one.photographs, one.annotated, one.refused, one.copies) for one in found] == [
        ("red fox", 1, 0, 1, 0),
        ("cello", 3, 2, 1, 1),
        ("dog", 0, 0, 0, 0),
    ]
    assert [one.classes for one in found][:2] == ["277 red fox", "486 cello"]
    assert "118" in found[2].classes
    assert (totals(found).photographs, totals(found).refused) == (4, 2)
