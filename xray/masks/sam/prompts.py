"""From what a source tells of its objects to the boxes and points that SAM is asked with.

SAM hardly moves on a mask alone, so that a coarse mask is taken apart into objects, each with a box and points. What
fills the box around it is taken for a drawn box: it says where the object is, but not on which pixels.
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
    """What is asked for one object.

    Args:
        box: around it: x0, y0, x1, y1 in upright pixels, inside the image.
        points: on it and beside it.
        coarse: where it roughly is, shape (H, W), if more than a box is known.
    """

    box: Box | None
    points: tuple[Point, ...]
    coarse: Mask | None


@dataclass(frozen=True)
class Prompting:
    """How prompts are derived.

    Args:
        points: points that a coarse mask gives an object.
        margin: by which share of its sides a box around a coarse mask grows at each end, 0–1.
        min_part: share of the image above which a connected part of a coarse mask is an object, 0–1.
        max_objects: such parts at most, the largest ones.
    """

    points: int
    margin: float
    min_part: float
    max_objects: int

    def derive(self, hint: Hint, height: int, width: int) -> list[Prompt]:
        """A prompt for each object of an image of this size.

        Each given box is an object; without one, each large connected part of the mask is. A point belongs to the
        smallest box that it lies in; those on the object but in no box are together one more object. An object
        without a point on it gets some from the mask, where there is one that does not just fill its box.

        Raises:
            Rejected: missing_hint: nothing is given, or something that lies outside of the image.
        """
        given = [_inside(box, height, width) for box in hint.boxes]
        points = [_on_image(point, height, width) for point in hint.points]
        mask = hint.mask if hint.mask is not None and hint.mask.any() else None
        coarse: Sequence[Mask | None]
        if given or mask is None:
            boxes, coarse = given, [_cut(mask, box) for box in given]
        else:
            coarse = parts(mask, self.min_part, self.max_objects)
            boxes = [self._around(part) for part in coarse]
        prompts = []
        for index, (box, part) in enumerate(zip(boxes, coarse, strict=True)):
            own = tuple(point for point in points if _smallest_around(point, boxes) == index)
            if part is not None and fills_box(part):
                part = None
            if part is not None and not any(on for _, _, on in own):
                own = (*deepest(part, self.points), *own)
            prompts.append(Prompt(box, own, part))
        astray = tuple(point for point in points if _smallest_around(point, boxes) is None)
        if any(on for _, _, on in astray):
            prompts.append(Prompt(None, astray, None))
        if not prompts:
            raise Rejected("missing_hint", "no box, no point on the object, no mask")
        return prompts

    def _around(self, part: Mask) -> Box:
        """The box around a part, grown by the margin; a drawn box stays as it is, as given ones do."""
        box = box_of(part)
        assert box is not None
        if fills_box(part):
            return box
        x0, y0, x1, y1 = box
        grow_x, grow_y = self.margin * (x1 - x0), self.margin * (y1 - y0)
        return _inside((x0 - grow_x, y0 - grow_y, x1 + grow_x, y1 + grow_y), *part.shape)


def parts(mask: Mask, min_part: float, most: int) -> list[Mask]:
    """The 8-connected parts of a mask, the largest first: those of more than `min_part` of the image, at least one.

    >>> row = np.array([[True, False, True, True, False, True]])
    >>> [part.astype(int).tolist() for part in parts(row, 0.2, 8)]
    [[[0, 0, 1, 1, 0, 0]]]
    """
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    areas = statistics[1:, cv2.CC_STAT_AREA]
    order = np.argsort(-areas, kind="stable")
    large = [index for index in order[:most].tolist() if areas[index] > min_part * mask.size]
    return [labels == index + 1 for index in large or order[:1].tolist()]


def deepest(mask: Mask, count: int) -> tuple[Point, ...]:
    """Points inside a mask: each the pixel that is farthest from its edge and from the points before it.

    Returns:
        At most `count`, fewer where the mask has fewer pixels; ties go to the first in reading order.

    >>> square = np.zeros((9, 9), bool)
    >>> square[2:7, 2:7] = True
    >>> deepest(square, 1)
    ((4.0, 4.0, True),)
    """
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    room = np.pad(mask[top : top + height, left : left + width].astype(np.uint8), 1)  # the image's edge is an edge
    points: list[Point] = []
    for _ in range(count):
        depth = cv2.distanceTransform(room, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        y, x = divmod(int(depth.argmax()), room.shape[1])
        if not room[y, x]:
            break
        points.append((float(left + x - 1), float(top + y - 1), True))
        room[y, x] = 0
    return tuple(points)


def _inside(box: Box, height: int, width: int) -> Box:
    """The part of a box that lies in the image."""
    if not np.isfinite(box).all():
        raise Rejected("missing_hint", f"box {box} is not finite")
    x0, x1 = (float(min(max(x, 0), width)) for x in (box[0], box[2]))
    y0, y1 = (float(min(max(y, 0), height)) for y in (box[1], box[3]))
    if x1 <= x0 or y1 <= y0:
        raise Rejected("missing_hint", f"box {box} holds nothing of the image of {width}×{height}")
    return x0, y0, x1, y1


def _on_image(point: Point, height: int, width: int) -> Point:
    x, y, on = point
    if not (0 <= x <= width and 0 <= y <= height):  # nor where it is not a number
        raise Rejected("missing_hint", f"point ({x}, {y}) lies outside of the image of {width}×{height}")
    return float(x), float(y), bool(on)


def _cut(mask: Mask | None, box: Box) -> Mask | None:
    """What of a mask lies in a box, if anything does."""
    if mask is None:
        return None
    x0, y0 = (int(start) for start in box[:2])
    x1, y1 = (int(np.ceil(end)) for end in box[2:])
    cut = np.zeros_like(mask)
    cut[y0:y1, x0:x1] = mask[y0:y1, x0:x1]
    return cut if cut.any() else None


def _smallest_around(point: Point, boxes: Iterable[Box]) -> int | None:
    """Which of the boxes that a point lies in is the smallest, if it lies in any."""
    x, y, _ = point
    around = [
        ((x1 - x0) * (y1 - y0), index)
        for index, (x0, y0, x1, y1) in enumerate(boxes)
        if x0 <= x <= x1 and y0 <= y <= y1
    ]
    return min(around)[1] if around else None
