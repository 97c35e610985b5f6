"""Outlines of objects: polygons and run lengths (RLE), as COCO writes them, filled into masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, NonNegativeInt, PositiveInt, ValidationError

from xray.core.errors import extra
from xray.masks.base import Mask
from xray.masks.mask_files import first_problem

Outline = list[list[float]] | dict[str, Any]
"""Polygons, each x, y, x, y, … in pixels, or run lengths: `{"size": [height, width], "counts": … }`."""

_MIN_COORDINATES = 6
_ELLIPSE_CORNERS = 72


class _Rle(BaseModel):
    size: tuple[PositiveInt, PositiveInt]
    counts: list[NonNegativeInt] | str


def outline_of(segmentation: Any) -> Outline | None:
    """Return a COCO `segmentation` as polygons or run lengths; None if it is empty.

    Raises:
        ValueError: it is neither.

    >>> outline_of([1, 2, 3, 4, 5, 6]), outline_of({}), outline_of([[[1, 2], [3, 4], [5, 6]]])
    ([[1, 2, 3, 4, 5, 6]], None, [[1, 2, 3, 4, 5, 6]])
    """
    if not segmentation:
        return None
    if isinstance(segmentation, dict):
        if not {"size", "counts"} <= segmentation.keys():
            raise ValueError(f"run lengths need `size` and `counts`, not {', '.join(map(str, segmentation))}")
        return segmentation
    if not isinstance(segmentation, list):
        raise ValueError(f"a segmentation that is neither polygons nor run lengths: {segmentation!r:.40}")
    polygons = [segmentation] if _is_number(segmentation[0]) else segmentation
    if not all(isinstance(polygon, list) for polygon in polygons):
        raise ValueError(f"a polygon that is no list: {segmentation!r:.40}")
    return [
        [value for point in polygon for value in point] if all(isinstance(one, list) for one in polygon) else polygon
        for polygon in polygons
    ]


def fill(outline: Any, height: int, width: int) -> tuple[Mask, list[str]]:
    """Fill an outline; return the mask, shape (height, width), and what is wrong with parts that are left out.

    Raises:
        ValueError: nothing of the outline can be read.
    """
    if isinstance(outline, dict):
        return fill_runs(outline, height, width), []
    if not isinstance(outline, list):
        raise ValueError(f"an outline that is neither polygons nor run lengths: {outline!r:.40}")
    good, problems, unreadable = [], list[str](), False
    for polygon in outline:
        if not isinstance(polygon, list) or len(polygon) % 2 or not all(_is_finite(value) for value in polygon):
            problems.append(f"a polygon that is no even number of finite coordinates: {polygon!r:.60}")
            unreadable = True
        elif len(polygon) < _MIN_COORDINATES:
            problems.append(f"a polygon of {len(polygon) // 2} points")
        else:
            good.append(polygon)
    if unreadable and not good:
        raise ValueError(problems[0])
    return (_fill_polygons(good, height, width) if good else np.zeros((height, width), bool)), problems


def fill_runs(runs: dict[str, Any], height: int, width: int) -> Mask:
    """Return the mask of COCO run lengths, shape (height, width); ValueError if they are damaged."""
    try:
        rle = _Rle.model_validate(runs)
    except ValidationError as error:
        raise ValueError(f"run lengths: {first_problem(error)}") from error
    counts = decode_counts(rle.counts) if isinstance(rle.counts, str) else rle.counts
    if rle.size != (height, width) or min(counts, default=0) < 0 or sum(counts) != height * width:
        raise ValueError(f"run lengths of {sum(counts)} pixels, size {rle.size}, in an image of {width}×{height}")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T


def decode_counts(text: str) -> list[int]:
    """Decode the run lengths in COCO's compressed string: six bits per character, differences from the third number on.

    pycocotools reads past the end of a damaged string; this decoder raises ValueError.

    >>> decode_counts("52203")
    [5, 2, 2, 2, 5]
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"invalid character {character!r} in RLE counts")
        value |= (bits & 31) << shift
        shift += 5
        if shift > 60:
            raise ValueError("a run length of more than 60 bits in RLE counts")
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("truncated RLE counts")
    return counts


def encode_runs(mask: Mask) -> dict[str, Any]:
    """Return the run lengths of a mask, shape (H, W); the inverse of `fill_runs`."""
    with extra("formats"):
        from pycocotools import mask as coco
    rle = coco.encode(np.asfortranarray(mask.view(np.uint8)))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode()}


def ellipse(x: float, y: float, radius_x: float, radius_y: float, degrees: float = 0) -> list[float]:
    """Return an ellipse around a point as a polygon, turned clockwise.

    >>> len(ellipse(10, 10, 5, 3))
    144
    """
    angles = np.linspace(0, 2 * math.pi, _ELLIPSE_CORNERS, endpoint=False)
    corners = np.stack([radius_x * np.cos(angles), radius_y * np.sin(angles)], axis=1)
    return _turn(corners, degrees, (x, y))


def rectangle(box: Sequence[float], degrees: float, pivot: tuple[float, float]) -> list[float]:
    """Return a box, x0, y0, x1, y1, turned clockwise around a point, as a polygon of four corners."""
    x0, y0, x1, y1 = box
    return _turn(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]) - pivot, degrees, pivot)


def box_around(polygon: Sequence[float]) -> tuple[float, float, float, float]:
    """Return the upright box around a polygon.

    >>> box_around([0, 2, 4, 0, 2, 5])
    (0, 0, 4, 5)
    """
    return min(polygon[::2]), min(polygon[1::2]), max(polygon[::2]), max(polygon[1::2])


def _turn(offsets: NDArray[Any], degrees: float, pivot: tuple[float, float]) -> list[float]:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    points = offsets @ np.array([(cosine, sine), (-sine, cosine)]) + pivot
    return [round(value, 3) for value in points.ravel().tolist()]


def _fill_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> Mask:
    with extra("formats"):
        from pycocotools import mask as coco
    # pycocotools allocates memory by the polygon's length: cut it to the neighbourhood of the image.
    cut = [_cut(_cut(np.reshape(polygon, (-1, 2)), 0, width), 1, height).ravel().tolist() for polygon in polygons]
    if not (inside := [polygon for polygon in cut if len(polygon) >= _MIN_COORDINATES]):
        return np.zeros((height, width), bool)
    union = coco.merge(coco.frPyObjects(inside, height, width))
    return fill_runs({"size": union["size"], "counts": union["counts"].decode()}, height, width)


def _cut(points: NDArray[Any], axis: int, length: int) -> NDArray[Any]:
    """Cut a polygon, shape (points, 2), where it is more than a length before or after an image of this length.

    >>> _cut(np.array([(0, 0), (30, 30), (0, 30)]), 0, 10).tolist()
    [[0.0, 0.0], [20.0, 20.0], [20.0, 30.0], [0.0, 30.0]]
    """
    for bound, sign in ((-length, 1), (2 * length, -1)):
        inside = sign * (points[:, axis] - bound) >= 0
        if inside.all():
            continue
        corners = list[NDArray[Any]]()
        for index, point in enumerate(points):
            before = points[index - 1]
            if inside[index] != inside[index - 1]:
                share = (bound - before[axis]) / (point[axis] - before[axis])
                corners.append(before + share * (point - before))
                corners[-1][axis] = bound
            if inside[index]:
                corners.append(point)
        points = np.reshape(corners, (-1, 2))
    return points


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return _is_number(value) and bool(abs(value) <= 1e300)
