"""Prompts for SAM (boxes and points), derived from boxes, points and coarse masks.

SAM hardly improves a mask prompt alone, so a coarse mask is split into objects, each with a box and points. A part that
fills its bounding box is taken for a drawn box: it gives the location of the object, but not its pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from xray.core.errors import Rejected
from xray.masks.base import Hint, Mask
from xray.masks.quality import box_of, fills_box
from xray.sources.base import Box, Point


@dataclass(frozen=True)
class Prompt:
    """A prompt for one object, with its coarse mask, shape (H, W), if more than a box is known."""

    box: Box | None
    points: tuple[Point, ...]
    coarse: Mask | None


@dataclass(frozen=True)
class Prompter:
    """A rule that derives prompts from hints; the settings are those of `Sam`."""

    points: int
    margin: float
    min_part: float
    max_objects: int

    def derive(self, hint: Hint, height: int, width: int) -> list[Prompt]:
        """Derive a prompt for each object of an image of this size.

        Each given box is an object; without boxes, each large connected part of the mask is one. A point belongs to
        the smallest box that contains it. Points in no box form one more object if one of them is on the object. An
        object without a point on it gets points from its part of the mask, unless that part fills its box.

        Raises:
            Rejected: missing_hint: no hint, or a hint outside the image.
        """
        given = [_clip_box(box, height, width) for box in hint.boxes]
        points = [_check_point(point, height, width) for point in hint.points]
        mask = hint.mask if hint.mask is not None and hint.mask.any() else None
        coarse: Sequence[Mask | None]
        if given or mask is None:
            boxes, coarse = given, [_crop(mask, box) for box in given]
        else:
            coarse = parts(mask, self.min_part, self.max_objects)
            boxes = [self._box_around(part) for part in coarse]
        prompts = []
        for index, (box, part) in enumerate(zip(boxes, coarse, strict=True)):
            own = tuple(point for point in points if _smallest_box_around(point, boxes) == index)
            if part is not None and fills_box(part):
                part = None
            if part is not None and not any(on for _, _, on in own):
                own = (*deepest_points(part, self.points), *own)
            prompts.append(Prompt(box, own, part))
        outside = tuple(point for point in points if _smallest_box_around(point, boxes) is None)
        if any(on for _, _, on in outside):
            prompts.append(Prompt(None, outside, None))
        if not prompts:
            raise Rejected("missing_hint", hint.looked_in or "no box, no point on the object, no mask")
        return prompts

    def _box_around(self, part: Mask) -> Box:
        """Return the box around a part, grown by the margin; a drawn box does not grow."""
        box = box_of(part)
        assert box is not None
        if fills_box(part):
            return box
        x0, y0, x1, y1 = box
        grow_x, grow_y = self.margin * (x1 - x0), self.margin * (y1 - y0)
        return _clip_box((x0 - grow_x, y0 - grow_y, x1 + grow_x, y1 + grow_y), *part.shape)


def parts(mask: Mask, min_part: float, limit: int) -> list[Mask]:
    """Return the 8-connected parts of a mask larger than `min_part`, or else the largest part, in descending order.

    >>> row = np.array([[True, False, True, True, False, True]])
    >>> [part.astype(int).tolist() for part in parts(row, 0.2, 8)]
    [[[0, 0, 1, 1, 0, 0]]]
    """
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    areas = statistics[1:, cv2.CC_STAT_AREA]
    order = np.argsort(-areas, kind="stable")
    large = [index for index in order[:limit].tolist() if areas[index] > min_part * mask.size]
    return [labels == index + 1 for index in large or order[:1].tolist()]


def deepest_points(mask: Mask, count: int) -> tuple[Point, ...]:
    """Return points inside a mask: each is the pixel farthest from the edge and from the previous points.

    A mask with fewer pixels gives fewer points; the first in reading order wins ties.

    >>> square = np.zeros((9, 9), bool)
    >>> square[2:7, 2:7] = True
    >>> deepest_points(square, 1)
    ((4.0, 4.0, True),)
    """
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    inner = np.pad(mask[top : top + height, left : left + width].astype(np.uint8), 1)  # the image border is an edge
    points: list[Point] = []
    for _ in range(count):
        depth = cv2.distanceTransform(inner, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        y, x = divmod(int(depth.argmax()), inner.shape[1])
        if not inner[y, x]:
            break
        points.append((float(left + x - 1), float(top + y - 1), True))
        inner[y, x] = 0
    return tuple(points)


def _clip_box(box: Box, height: int, width: int) -> Box:
    if not np.isfinite(box).all():
        raise Rejected("missing_hint", f"box {box} is not finite")
    x0, y0, x1, y1 = np.clip(np.array(box, np.float64), 0, (width, height, width, height)).tolist()
    if x1 <= x0 or y1 <= y0:
        raise Rejected("missing_hint", f"box {box} is outside of the image of {width}×{height}")
    return x0, y0, x1, y1


def _check_point(point: Point, height: int, width: int) -> Point:
    x, y, on = point
    if not (0 <= x <= width and 0 <= y <= height):  # also rejects NaN
        raise Rejected("missing_hint", f"point ({x}, {y}) is outside of the image of {width}×{height}")
    return float(x), float(y), bool(on)


def _crop(mask: Mask | None, box: Box) -> Mask | None:
    """Return the part of a mask inside a box, or None if it is empty."""
    if mask is None:
        return None
    x0, y0 = (int(start) for start in box[:2])
    x1, y1 = (int(np.ceil(end)) for end in box[2:])
    cropped = np.zeros_like(mask)
    cropped[y0:y1, x0:x1] = mask[y0:y1, x0:x1]
    return cropped if cropped.any() else None


def _smallest_box_around(point: Point, boxes: Iterable[Box]) -> int | None:
    """Return the index of the smallest box that contains a point, or None."""
    x, y, _ = point
    containing = [
        ((x1 - x0) * (y1 - y0), index)
        for index, (x0, y0, x1, y1) in enumerate(boxes)
        if x0 <= x <= x1 and y0 <= y <= y1
    ]
    return min(containing)[1] if containing else None
