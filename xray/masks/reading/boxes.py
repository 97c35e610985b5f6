"""Boxes as four numbers: which four, and whether those of a whole set are what their format says."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import ConfigError
from xray.core.plugins import settings
from xray.masks.reading.objects import Drawing
from xray.sources.base import RELATIVE, Box

BoxLayout = Literal["xyxy", "xywh", "cxcywh", "yxyx"]
"""`xyxy`: two corners; `xywh`: the upper left corner, width and height; `cxcywh`: the centre, width and height; `yxyx`:
two corners, y first."""

_LAYOUTS: tuple[BoxLayout, ...] = ("xyxy", "xywh", "cxcywh", "yxyx")
_MARGIN, _MARGIN_PIXELS = 0.02, 1.5
"""How far right boxes may leave their images, as a share of the side and in pixels."""
_MAX = 1e9
"""Of coordinates, in pixels: sums of larger ones would overflow."""
_MIN_MISFITS, _MIN_SHARE, _MAX_RIVAL_SHARE = 2, 0.1, 0.02


def numbers_of(values: Any) -> Box | None:
    """Return four numbers, none of them huge; None if they are something else.

    >>> numbers_of(["1", 2, 3, 4.5]), numbers_of([1, 2]), numbers_of(None)
    ((1.0, 2.0, 3.0, 4.5), None, None)
    """
    try:
        a, b, c, d = map(float, values)
    except (TypeError, ValueError, OverflowError):
        return None
    return (a, b, c, d) if all(abs(number) <= _MAX for number in (a, b, c, d)) else None


def finite(value: Any) -> float:
    """Return a number; ValueError for huge ones, and for infinities and NaN, which files may spell.

    >>> finite("1.5")
    1.5
    """
    number = float(value)
    if not abs(number) <= _MAX:
        raise ValueError(f"a coordinate that is {number}")
    return number


def corners_of(numbers: Sequence[Any], layout: BoxLayout) -> tuple[Any, Any, Any, Any]:
    """Return the corners of a box, x0, y0, x1, y1; of many boxes, if the numbers are arrays.

    >>> corners_of((10, 20, 4, 8), "xywh"), corners_of((10, 20, 4, 8), "cxcywh")
    ((10, 20, 14, 28), (8.0, 16.0, 12.0, 24.0))
    """
    a, b, c, d = numbers
    if layout == "xywh":
        return a, b, a + c, b + d
    if layout == "cxcywh":
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return (b, a, d, c) if layout == "yxyx" else (a, b, c, d)


def overlap_of(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes of corners, 0–1.

    >>> overlap_of((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared) if shared else 0.0


@settings
class BoxSettings:
    """The setting of formats whose files have boxes of four numbers.

    Args:
        boxes: what the four numbers of a box are, where files do not follow their format: `xyxy` (two corners), `xywh`
            (upper left corner, width and height), `cxcywh` (centre, width and height) or `yxyx` (two corners, y first).
            None: as the format says, and refused if most boxes cannot be that.
    """

    box_layout: ClassVar[BoxLayout]
    """What the format says."""

    boxes: BoxLayout | None = field(default=None, kw_only=True)

    @property
    def layout(self) -> BoxLayout:
        """How to read the numbers."""
        return self.boxes or self.box_layout


class Layouts:
    """The boxes of all annotations, as written.

    Args:
        documented: what the format says that the four numbers are.
    """

    def __init__(self, documented: BoxLayout) -> None:
        self._documented = documented
        self._values = array("d")
        self._names, self._alone = list[str](), list[bool]()

    def watch(self, name: str, drawing: Drawing) -> None:
        """Remember the boxes of a photograph."""
        width, height = drawing.size or (math.inf, math.inf)
        for one in drawing.objects:
            if one.numbers is not None:
                self._values.extend((*one.numbers, width, height))
                self._names.append(name)
                self._alone.append(one.outline is None)

    def check(self, kind: str) -> list[str]:
        """Compare how many boxes fit their images as the format says, and as another layout.

        Returns:
            A note instead of the error, if the only box does not fit, or objects have outlines as well.

        Raises:
            ConfigError: at least two boxes and a tenth of all do not fit, and (nearly) all would as another layout.
        """
        boxes = np.asarray(self._values).reshape(-1, 6).T
        misfits = {layout: ~_fits(boxes, layout) for layout in _LAYOUTS}
        wrong = int(misfits[self._documented].sum())
        if wrong < max(1, _MIN_SHARE * boxes.shape[1]):
            return []
        other = min((one for one in _LAYOUTS if one != self._documented), key=lambda one: int(misfits[one].sum()))
        others = int(misfits[other].sum())
        if others > _MAX_RIVAL_SHARE * boxes.shape[1]:
            return []
        first = int(np.flatnonzero(misfits[self._documented])[0])
        text = (
            f"{wrong:,} of {boxes.shape[1]:,} boxes leave their images or have no area if their numbers are "
            f"{self._documented}, as {kind} has them, such as {self._shown(first)}; {boxes.shape[1] - others:,} fit as "
            f"{other}: write `boxes: {other}` (or `boxes: {self._documented}` to read them as they are)"
        )
        if np.count_nonzero(misfits[self._documented] & np.array(self._alone)) < _MIN_MISFITS:
            return [text]
        raise ConfigError(text, ("masks",))

    def _shown(self, index: int) -> str:
        *numbers, width, height = self._values[6 * index : 6 * index + 6]
        listed = f"{', '.join(f'{number:g}' for number in numbers)} of {self._names[index]}"
        is_size = math.isfinite(width) and (width, height) != RELATIVE
        return f"{listed} in an image of {width:g}×{height:g}" if is_size else listed


def _fits(boxes: NDArray[np.float64], layout: BoxLayout) -> NDArray[np.bool_]:
    """Return which boxes have their corners in order and inside of their images, but for a margin."""
    x0, y0, x1, y1 = corners_of(tuple(boxes[:4]), layout)
    fits = np.ones(boxes.shape[1], bool)
    for low, high, side in ((x0, x1, boxes[4]), (y0, y1, boxes[5])):
        margin = _MARGIN * np.where(np.isfinite(side), side, 0) + np.where(side > 1, _MARGIN_PIXELS, 0)
        fits &= (low <= high) & (low >= -margin) & (high <= side + margin)
    return fits
