from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd

from xray.report.caveats import _undetected

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
