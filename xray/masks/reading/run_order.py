"""Whether run lengths go down the columns of an image, as COCO says, or along its rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import field, replace
from typing import Any, Literal

import numpy as np

from xray.core.errors import MALFORMED, ConfigError
from xray.core.plugins import settings
from xray.masks.base import Mask
from xray.masks.quality import box_of
from xray.masks.reading.boxes import overlap_of
from xray.masks.reading.objects import Drawing, Object
from xray.masks.reading.outlines import encode_runs, fill_runs
from xray.sources.base import Box, join_names

RunOrder = Literal["columns", "rows"]

_LOOKED_AT = 256
"""Run lengths of a set that are decoded to decide."""
_MAX_PIXELS, _MAX_MASK = 3_000_000_000, 100_000_000
"""Pixels of all that are decoded, and of one."""
_SMOOTHER = 0.5
"""Outline of the right mask, at most, as a share of the outline of the wrong one."""
_AGREES, _DISAGREES = 0.8, 0.5
_MIN_SHARE = 0.8
_NOWHERE: Box = (0, 0, 0, 0)
_SHOWN = 3


@settings
class RunSettings:
    """The setting of formats whose files may have run lengths.

    Args:
        runs: direction of the run lengths: `columns`, as COCO and pycocotools have them, or `rows`. None: columns, and
            refused if the masks are whole only along rows.
    """

    runs: RunOrder | None = field(default=None, kw_only=True)


def along_rows(drawing: Drawing) -> Drawing:
    """Return a drawing whose run lengths go along rows, with run lengths that go down columns."""
    return replace(drawing, objects=tuple(map(_turned, drawing.objects)))


def _turned(one: Object) -> Object:
    masks = _both(one.outline)
    return one if masks is None else replace(one, outline=encode_runs(masks["rows"]))


def _both(outline: Any, size: tuple[int, int] | None = None) -> dict[RunOrder, Mask] | None:
    """Return the mask in each direction; None if it is no run lengths, of another size, or cannot be read."""
    if not isinstance(outline, dict) or "counts" not in outline:
        return None
    try:
        height, width = map(int, outline["size"])
        if size is not None and size != (width, height):
            return None
        columns = fill_runs(outline, height, width)
    except MALFORMED:
        return None
    return {"columns": columns, "rows": np.ascontiguousarray(columns.T).reshape(height, width)}


class RunOrders:
    """The directions that run lengths seem to have, of the first of a set."""

    def __init__(self) -> None:
        self._looked = self._pixels = 0
        self._votes = Counter[RunOrder]()
        self._rows = list[str]()

    def watch(self, name: str, drawing: Drawing) -> None:
        """Look at the run lengths of a photograph."""
        for one in drawing.objects:
            if self._looked == _LOOKED_AT or self._pixels > _MAX_PIXELS:
                return
            if drawing.size is None or drawing.size[0] * drawing.size[1] > _MAX_MASK:
                return
            masks = _both(one.outline, drawing.size)
            if masks is None:
                continue
            self._looked += 1
            self._pixels += masks["columns"].size
            order = _order(masks, one.box)
            if order is not None:
                self._votes[order] += 1
            if order == "rows":
                self._rows.append(name)

    def check(self, kind: str) -> list[str]:
        """Return a note on single masks that are whole only along rows.

        Raises:
            ConfigError: nearly all masks are whole only along rows.
        """
        rows = self._votes["rows"]
        if not rows:
            return []
        text = (
            f"{rows:,} of {self._looked:,} run lengths that were looked at give a whole mask, or one in its box, "
            f"only if they go along rows, and {kind} has columns: {join_names(self._rows, _SHOWN)}"
        )
        if rows >= _MIN_SHARE * self._votes.total():
            raise ConfigError(f"{text}. Write `runs: rows` (or `runs: columns` to read them as they are)", ("masks",))
        return [f"masks may be wrong: {text}"]


def _order(masks: dict[RunOrder, Mask], box: Box | None) -> RunOrder | None:
    """Return the direction in which a mask is whole, else in which it agrees with its box; None if neither tells."""
    columns, rows = (max(1, _changes(masks[order])) for order in ("columns", "rows"))
    if min(columns, rows) <= _SMOOTHER * max(columns, rows):
        return "rows" if rows < columns else "columns"
    if box is None:
        return None
    overlaps = {order: overlap_of(box_of(mask) or _NOWHERE, box) for order, mask in masks.items()}
    if overlaps["columns"] <= _DISAGREES and overlaps["rows"] >= _AGREES:
        return "rows"
    return "columns" if overlaps["columns"] >= _AGREES else None


def _changes(mask: Mask) -> int:
    """Return the number of neighbours of which one is on the object: the length of its outline."""
    return int(np.count_nonzero(mask[1:] != mask[:-1]) + np.count_nonzero(mask[:, 1:] != mask[:, :-1]))
