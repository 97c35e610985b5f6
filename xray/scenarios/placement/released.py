"""Placements as the released code of ImageNet-E makes them, artefacts included, so that their effect can be measured.

Written from a description of what that code does (Li et al. 2023, CVPR): everything happens at 256 × 256 pixels, one
component of the object decides how large it is, and objects near the edge leave the frame.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image

from xray.core.compositing import random_below
from xray.core.errors import Rejected
from xray.core.types import Mask, Photo, Pixels
from xray.scenarios.placement.geometry import Floats, outline_of
from xray.scenarios.placement.place import Placement
from xray.scenarios.placement.settings import Direction, Position, Size, rng_of

SIDE = 256
"""Width and height of every picture; the aspect ratio is not kept."""
INVALID = "object_does_not_fit"
"""The note of an object that could not get its size: the picture is the photograph as it was."""
_TOLERANCE = 0.015
_ROUNDS = 50

Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


def squashed(photo: Photo) -> Photo:
    """Return the photo at 256 × 256 pixels.

    >>> squashed(Photo(np.zeros((10, 30, 3), np.uint8), np.ones((10, 30), bool))).mask.shape
    (256, 256)
    """
    mask = cv2.resize(photo.inside, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST_EXACT)
    return Photo(_resized(photo.image), mask > 0, None if photo.removed is None else _resized(photo.removed))


def place_as_released(
    photo: Photo, *, size: Size | None, position: Position | None, direction: Direction | None, seed: int
) -> Placement:
    """Return a squashed photo with its object resized, turned and moved as in the released code.

    Only `size.rate`, the angles of `direction`, and a random position are looked at. Records `rate_before`, `rate`,
    `scale`, `angle`, `parts`, `cut_sides` and `centre` as `Placement` does, and `released`: `edited`; `unchanged`,
    where an object within 0.015 of the rate keeps its size; or `invalid_size`.

    Args:
        photo: of `squashed`.
        size: a component's share of the frame, reached by zooming about its centre until it is within 0.015; `fit`
            stretches the component's bounding box to the frame. Other components stay only where it is not `fit`.
        position: the component with the largest bounding box, anywhere in the frame; other components vanish.
        direction: in whole degrees, about the centre of the image; corners that leave the frame are cut.
        seed: decides position and angle.

    Raises:
        Rejected: mask_empty, object_leaves_frame.
    """
    if not photo.mask.any():
        raise Rejected("mask_empty", f"nothing is left of the object at {SIDE} × {SIDE} pixels")
    outline, moved, scale, angle = outline_of(photo), photo, 1.0, 0.0
    if size is not None:
        resized = _fitted(photo) if size.rate == "fit" else _zoomed(photo, size.rate)
        if resized is None:
            return Placement(photo, {"released": "invalid_size", "rate_before": round(outline.rate, 6)}, (INVALID,))
        moved, scale = resized
    if direction is not None:
        angle = _whole_degrees(direction, seed)
        moved = _turned(moved, angle)
    if position is not None:
        moved = _moved(moved, seed)
    if not moved.mask.any():
        raise Rejected("object_leaves_frame", "nothing of the object is left in the frame")
    after, unchanged = outline_of(moved), moved is photo
    sampled = {
        "released": "unchanged" if unchanged else "edited",
        "scale": round(scale, 6),
        "angle": angle,
        "flip": False,
        "rate_before": round(outline.rate, 6),
        "rate": round(after.rate, 6),
        "cut_sides": list(outline.cut_sides),
        "parts": outline.parts,
        "centre": (after.box.centre / SIDE).round(6).tolist(),
    }
    where = {"where": "random"} if position else {}
    return Placement(moved, sampled | where, ("already_there",) if unchanged and size else ())


def _zoomed(photo: Photo, rate: float) -> tuple[Photo, float] | None:
    """Zoom the photograph until a component has the rate; return it and the factor, or None if that is not reached."""
    total = 1.0
    for _ in range(_ROUNDS + 1):
        box = _largest_component(photo.mask)
        if box is None:
            return None
        left, top, width, height = box
        present = float(photo.mask[top : top + height, left : left + width].sum()) / SIDE**2
        if math.floor(100 * present) == round(100 * rate, 9) or abs(present - rate) <= _TOLERANCE:
            return photo, total
        scale = math.sqrt(rate / present)
        centre = np.array([left + (width - 1) / 2, top + (height - 1) / 2])
        photo, total = _zoom(photo, scale, centre), total * scale
    return None


def _zoom(photo: Photo, scale: float, centre: Floats) -> Photo:
    """Zoom about a point; what leaves the frame is lost, what enters it is black."""
    motion = np.column_stack((scale * np.eye(2), (1 - scale) * centre))
    image = cv2.warpAffine(photo.image, motion, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    mask = cv2.warpAffine(photo.inside, motion, (SIDE, SIDE), flags=cv2.INTER_NEAREST)
    return Photo(image, mask > 0, photo.removed)  # type: ignore[arg-type]


def _fitted(photo: Photo) -> tuple[Photo, float]:
    """Stretch the bounding box of a component to the whole frame; return that, and the mean factor."""
    box = _largest_component(photo.mask)
    assert box is not None, "an object that is not empty has a component"
    left, top, width, height = box
    window = np.s_[top : top + height, left : left + width]
    mask = cv2.resize(photo.inside[window], (SIDE, SIDE), interpolation=cv2.INTER_NEAREST_EXACT)
    stretched = Photo(_resized(photo.image[window]), mask > 0, photo.removed)
    return stretched, SIDE / math.sqrt(width * height)


def _turned(photo: Photo, angle: float) -> Photo:
    """Turn the photograph about its centre, by the nearest pixel."""
    image, mask = (
        np.asarray(Image.fromarray(array).rotate(angle, Image.Resampling.NEAREST))
        for array in (photo.image, photo.inside)
    )
    return Photo(image, mask > 0, photo.removed)


def _moved(photo: Photo, seed: int) -> Photo:
    """Move the component with the largest bounding box to a random place in the frame."""
    box = _largest_component(photo.mask)
    if box is None:
        return photo
    left, top, width, height = box
    rng = rng_of(seed, "position")
    x, y = random_below(rng, SIDE - width + 1), random_below(rng, SIDE - height + 1)
    image, mask = np.zeros_like(photo.image), np.zeros_like(photo.mask)
    source, target = np.s_[top : top + height, left : left + width], np.s_[y : y + height, x : x + width]
    image[target], mask[target] = photo.image[source], photo.mask[source]
    return Photo(image, mask, photo.removed)


def _largest_component(mask: Mask) -> Box | None:
    """Return the bounding box, the largest of all components; None for an empty mask."""
    _, _, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    boxes = [(int(left), int(top), int(width), int(height)) for left, top, width, height, _ in statistics[1:]]
    return max(boxes, key=lambda box: box[2] * box[3], default=None)


def _whole_degrees(direction: Direction, seed: int) -> float:
    if not isinstance(direction.angle, tuple):
        return direction.draw(seed)
    low, high = math.ceil(direction.angle[0]), math.floor(direction.angle[1])
    return float(low + random_below(rng_of(seed, "angle"), max(high - low, 0) + 1))


def _resized(image: Pixels) -> Pixels:
    return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]
