"""Boxes and points of an annotation in pixels of the upright photograph, whatever they were drawn on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xray.core.errors import Rejected
from xray.core.images import FLIPS, Header
from xray.sources.base import Box, Point

_ASPECT_TOLERANCE = 0.02


def fit_to_photo(
    boxes: Sequence[Box], points: Sequence[Point], drawn_on: tuple[int, int] | None, header: Header
) -> tuple[list[Box], list[Point]]:
    """Convert boxes and points to pixels of the upright photograph.

    Args:
        boxes: x0, y0, x1, y1, exclusive ends.
        points: x, y, and True on the object.
        drawn_on: width and height of the image that they were drawn on, as their file says; None: the upright photo.
        header: of the photograph.

    Raises:
        Rejected: mask_wrong_size, if that image has another shape.
    """
    if drawn_on is None:
        return list(boxes), list(points)
    place = _placing(drawn_on, header)
    placed = [(*place(x0, y0), *place(x1, y1)) for x0, y0, x1, y1 in boxes]
    upright = [(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)) for x0, y0, x1, y1 in placed]
    return upright, [(*place(x, y), inside) for x, y, inside in points]


def _placing(drawn_on: tuple[int, int], header: Header) -> Callable[[float, float], tuple[float, float]]:
    """Return the function from drawn to upright coordinates."""
    width, height = drawn_on
    photo = (header.width, header.height)
    if _same_shape(drawn_on, photo):
        return lambda x, y: (x * photo[0] / width, y * photo[1] / height)
    if header.orientation >= 5 and _same_shape((height, width), photo):
        flips = FLIPS[header.orientation]

        def turn(x: float, y: float) -> tuple[float, float]:
            x, y = y * photo[0] / height, x * photo[1] / width
            return photo[0] - x if 1 in flips else x, photo[1] - y if 0 in flips else y

        return turn
    raise Rejected("mask_wrong_size", f"drawn on {width}×{height}, image {photo[0]}×{photo[1]}")


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two sizes have the same aspect ratio, up to rounding."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= _ASPECT_TOLERANCE
