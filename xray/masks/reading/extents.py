"""Whether the coordinates of annotations fit the size of the image that they say they were drawn on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from xray.masks.reading.objects import Drawing, Object
from xray.sources.base import RELATIVE, Candidate, join_names

_FAR = 1.25
"""Coordinates above this multiple of width or height are of an image of another size; a few may be careless."""
_MIN_FAR = 0.1
_SHOWN = 3


class Extents:
    """The coordinates of all chosen annotations, each compared with the size in its file."""

    def __init__(self) -> None:
        self._count = 0
        self._far = list[str]()

    def problem_of(self, candidate: Candidate, drawing: Drawing, chosen: Sequence[Object]) -> str:
        """Return why the coordinates of a photograph's annotation cannot be pixels, with its reason; empty if they can.

        >>> one = Object("fox", [[0.2, 0.2, 0.8, 0.2, 0.5, 0.9]])
        >>> Extents().problem_of(Candidate("1.jpg", "", "fox"), Drawing((640, 480), (one,)), [one])
        'mask_wrong_size: coordinates up to 0.8, 0.9 in an image of 640×480 pixels: shares of width and height?'
        """
        numbers = list(chain.from_iterable(map(_coordinates, chosen)))
        if not numbers or drawing.size in (None, RELATIVE):
            return ""
        assert drawing.size is not None
        width, height = drawing.size
        right, below = max(numbers[::2]), max(numbers[1::2])
        self._count += 1
        if max(right, below) <= 1 and min(width, height) > 2:
            seen = f"coordinates up to {right:g}, {below:g} in an image of {width}×{height} pixels"
            return f"mask_wrong_size: {seen}: shares of width and height?"
        if right > _FAR * width or below > _FAR * height:
            self._far.append(f"{candidate.key} (up to {right:g}, {below:g} in {width}×{height})")
        return ""

    def notes(self) -> list[str]:
        """Return a note if many annotations reach far beyond their images."""
        if len(self._far) <= _MIN_FAR * self._count:
            return []
        return [
            f"annotations may be wrong: {len(self._far):,} of {self._count:,} reach far beyond the size in their file, "
            f"as if drawn on a larger image: {join_names(self._far, _SHOWN)}"
        ]


def _coordinates(one: Object) -> Iterator[float]:
    """Yield x, y, x, y, … of an object's points, and polygons or labelme shape; of its box if it has no outline."""
    if one.outline is None:
        yield from one.box or ()
    yield from chain.from_iterable((x, y) for x, y, _ in one.points)
    parts: Any = one.outline
    if isinstance(parts, dict):  # a labelme shape, or run lengths, which have their own size
        parts = [list(chain.from_iterable(parts.get("points", ())))]
    yield from chain.from_iterable(part for part in parts or () if _is_polygon(part))


def _is_polygon(part: Any) -> bool:
    return isinstance(part, list) and len(part) % 2 == 0 and _are_finite(part)


def _are_finite(values: Iterable[Any]) -> bool:
    return all(isinstance(value, int | float) and abs(value) < 1e300 for value in values)
