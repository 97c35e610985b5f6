"""Outlines of objects: polygons and run lengths (RLE), as COCO writes them, filled into masks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, NonNegativeInt, PositiveInt, ValidationError

from xray.core.errors import MALFORMED, extra, problem_of
from xray.masks.base import Mask
from xray.masks.mask_files import first_problem

Outline = list[list[float]] | dict[str, Any]
"""Polygons, each x, y, x, y, … in pixels, or run lengths: `{"size": [height, width], "counts": … }`."""

_MIN_POINTS = 3
_MAX_PIXELS = 1 << 28
_MAX_LENGTH = 4_000_000
"""Pixels of all outlines of a photograph together: more than 500 objects around a photograph of 4,000 pixels."""
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
    return fill_all([outline], height, width)


def fill_all(outlines: Sequence[Any], height: int, width: int) -> tuple[Mask, list[str]]:
    """Fill the union of outlines, whose runs are united before the mask is made: many take hardly longer than one.

    Args:
        outlines: polygons or run lengths.
        height: of the mask, in pixels.
        width: of the mask, in pixels.

    Returns:
        The mask, shape (height, width), and what is wrong with parts that are left out.

    Raises:
        ValueError: none of the outlines can be read, or the mask would be too large.
    """
    if height * width > _MAX_PIXELS:
        raise ValueError(f"outlines in an image of {width}×{height}, more than {_MAX_PIXELS:,} pixels")
    runs, problems, polygons, unreadable = [np.empty((0, 2), np.int64)], list[str](), list[list[float]](), 0
    for outline in outlines:
        try:
            if isinstance(outline, dict):
                runs.append(_runs(read_counts(outline, height, width)))
            else:
                good, wrong = _readable(outline)
                polygons += good
                problems += wrong
        except MALFORMED as error:
            problems.append(problem_of(error))
            unreadable += 1
    if unreadable == len(outlines) > 0:
        raise ValueError(problems[0])
    runs += [_runs(counts) for counts in _counts_of(polygons, height, width)]
    return _paint(np.concatenate(runs), height, width), problems


def _readable(outline: Any) -> tuple[list[list[float]], list[str]]:
    """Return the polygons of an outline that can be filled, and what is wrong with the others.

    Raises:
        ValueError: none can be read.
    """
    if not isinstance(outline, list):
        raise ValueError(f"an outline that is neither polygons nor run lengths: {outline!r:.40}")
    good, problems, unreadable = [], list[str](), False
    for polygon in outline:
        if not isinstance(polygon, list) or len(polygon) % 2 or not all(map(_is_finite, polygon)):
            problems.append(f"a polygon that is no even number of finite coordinates: {str(polygon)[:60]}")
            unreadable = True
        elif len(polygon) < 2 * _MIN_POINTS:
            problems.append(f"a polygon of {len(polygon) // 2} points")
        else:
            good.append(polygon)
    if unreadable and not good:
        raise ValueError(problems[0])
    return good, problems


def fill_runs(runs: dict[str, Any], height: int, width: int) -> Mask:
    """Return the mask of COCO run lengths, shape (height, width); ValueError if they are damaged."""
    return _paint(_runs(read_counts(runs, height, width)), height, width)


def read_counts(runs: dict[str, Any], height: int, width: int) -> list[int]:
    """Return the lengths of COCO's runs, of the background first; ValueError if they are damaged."""
    try:
        rle = _Rle.model_validate(runs)
    except ValidationError as error:
        raise ValueError(f"run lengths: {first_problem(error)}") from error
    counts = decode_counts(rle.counts) if isinstance(rle.counts, str) else rle.counts
    if rle.size != (height, width) or min(counts, default=0) < 0 or sum(counts) != height * width:
        raise ValueError(f"run lengths of {sum(counts):.12g} pixels, size {rle.size}, in an image of {width}×{height}")
    if height * width > _MAX_PIXELS:
        raise ValueError(f"run lengths in an image of {width}×{height}, more than {_MAX_PIXELS:,} pixels")
    return counts


def _runs(counts: Sequence[int]) -> NDArray[np.int64]:
    """Return where the runs of the object start and end, shape (runs, 2), from the lengths of all runs."""
    edges = np.cumsum(np.asarray(counts, np.int64))[: len(counts) // 2 * 2]
    return edges.reshape(-1, 2)


def _paint(runs: NDArray[np.int64], height: int, width: int) -> Mask:
    """Return the mask, shape (height, width), of runs in any order that go down its columns and may overlap."""
    runs = runs[runs[:, 0] < runs[:, 1]]
    runs = runs[np.argsort(runs[:, 0], kind="stable")]
    ends = np.maximum.accumulate(runs[:, 1])
    first = np.ones(len(runs), bool)
    first[1:] = runs[1:, 0] > ends[:-1]
    edges = np.stack([runs[first, 0], ends[np.append(first[1:], True)[: len(runs)]]], axis=1).ravel()
    counts = np.diff(edges, prepend=0, append=height * width)
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T


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


def _counts_of(polygons: Sequence[Sequence[float]], height: int, width: int) -> Iterator[list[int]]:
    """Yield the run lengths of each polygon.

    Raises:
        ValueError: the outlines are so long that filling them would take much memory and time.
    """
    owner = np.repeat(np.arange(len(polygons)), [len(one) // 2 for one in polygons])
    points = np.fromiter(chain.from_iterable(polygons), np.float64, 2 * len(owner)).reshape(-1, 2)
    for axis, length in ((0, width), (1, height)):  # pycocotools allocates memory by the length of an outline
        points, owner = _cut(points, owner, axis, length)
    total = float(np.abs(points - points[_previous(owner)]).max(axis=1).sum()) if len(points) else 0.0
    if total > _MAX_LENGTH:
        raise ValueError(f"outlines of {total:,.0f} pixels together, at most {_MAX_LENGTH:,}")
    flat, edges = points.ravel().tolist(), np.append(_starts(owner), len(owner)) * 2
    cut = [flat[start:end] for start, end in pairwise(edges.tolist()) if end - start >= 2 * _MIN_POINTS]
    if not cut:
        return
    with extra("formats"):
        from pycocotools import mask as coco
    for rle in coco.frPyObjects(cut, height, width):
        yield decode_counts(rle["counts"].decode())


def _starts(owner: NDArray[Any]) -> NDArray[Any]:
    """Return the index of the first point of each polygon."""
    return np.flatnonzero(np.diff(owner, prepend=-1))


def _previous(owner: NDArray[Any]) -> NDArray[Any]:
    """Return the index of the point before each, which of a polygon's first point is its last."""
    previous, starts = np.arange(len(owner)) - 1, _starts(owner)
    previous[starts] = np.append(starts[1:], len(owner)) - 1
    return previous


def _cut(points: NDArray[Any], owner: NDArray[Any], axis: int, length: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cut polygons where they are more than a length before or after an image of this length.

    Args:
        points: of all polygons, shape (points, 2).
        owner: number of the polygon of each, ascending.
        axis: 0: x, 1: y.
        length: width or height of the image.

    >>> _cut(np.array([(0, 0), (30, 30), (0, 30)]), np.zeros(3, int), 0, 10)[0].tolist()
    [[0.0, 0.0], [20.0, 20.0], [20.0, 30.0], [0.0, 30.0]]
    """
    for bound, sign in ((-length, 1), (2 * length, -1)):
        inside = sign * (points[:, axis] - bound) >= 0
        if inside.all():
            continue
        previous = _previous(owner)
        crossing = np.flatnonzero(inside != inside[previous])
        before, after = points[previous[crossing]], points[crossing]
        share = (bound - before[:, axis]) / (after[:, axis] - before[:, axis])
        corners = before + share[:, None] * (after - before)
        corners[:, axis] = bound
        kept = np.flatnonzero(inside)
        order = np.argsort(np.concatenate([2 * crossing, 2 * kept + 1]), kind="stable")  # a corner before its point
        points = np.concatenate([corners, points[kept]])[order]
        owner = owner[np.concatenate([crossing, kept])[order]]
    return points, owner


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return _is_number(value) and bool(abs(value) <= 1e300)
