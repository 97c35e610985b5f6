from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa

from xray.report.caveats import _saturated, _undetected

SOURCE = pd.DataFrame({"image_id": list("abcd"), "category": ["fox", "fox", "crane", "crane"]})


def data(kind: str, *reasons: str) -> Any:
    status = ["rejected" if reason else "ok" for reason in reasons]
    masks = pd.DataFrame({"image_id": list("abcd"), "status": status, "reason": reasons})
    recipe = {"masks": {"annotations": {"kind": kind}}}
    return SimpleNamespace(recipe=recipe, photos=SimpleNamespace(source=SOURCE, masks=masks))


def test_losses_are_counted_by_category_and_reason() -> None:
    (caveat,) = _undetected(data("text", "nothing_detected", "", "several_objects", "nothing_detected"))
    assert "3 of 4" in caveat
    assert caveat.index("crane 2 of 2") < caveat.index("fox 1 of 2 (nothing_detected 1)")


def test_nothing_is_said_without_losses_or_without_words() -> None:
    assert _undetected(data("text", "", "", "", "")) == []
    assert _undetected(data("png", "missing_mask", "", "", "")) == []


def test_white_that_brightening_leaves_is_a_caveat() -> None:
    shares = {"bright": (0.4, 0.6), "dim": (0.0, 0.1), "earlier": (None,)}
    rows = [
        {"scenario": name, "provenance": json.dumps({} if share is None else {"measured": {"saturated": share}})}
        for name, values in shares.items()
        for share in values
    ]
    recipe = {
        "scenarios": {name: {"kind": "bright_background"} for name in shares} | {"original": {"kind": "original"}}
    }
    run = SimpleNamespace(table=lambda *_: pa.Table.from_pylist(rows))
    (caveat,) = _saturated(SimpleNamespace(recipe=recipe, run=run))  # type: ignore[arg-type]
    assert caveat.startswith("bright ")
    assert "50%" in caveat
    assert "2 images" in caveat
    assert _saturated(SimpleNamespace(recipe={"scenarios": {}}, run=run)) == []  # type: ignore[arg-type]
