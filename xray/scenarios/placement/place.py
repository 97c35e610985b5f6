"""Place an object: scale, flip, turn and move it in one motion, and record what was done."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from xray.core.errors import Rejected
from xray.core.types import Photo
from xray.scenarios.placement.geometry import Floats, Motion, Outline, outline_of, rotation, visible_share
from xray.scenarios.placement.positions import Spot, choose_spot
from xray.scenarios.placement.settings import Direction, Position, Size
from xray.scenarios.placement.warp import move_object

_ALREADY = 0.02
"""Relative difference of sizes that is too small to be worth an interpolation."""
_FLIP = np.diag([-1.0, 1.0])


@dataclass(frozen=True)
class Placement:
    """A placed object.

    Args:
        photo: the photograph with its object moved. Only the mask and the pixels under it count: around an object that
            has moved, the image is black. `removed` is the original photo's.
        sampled: what was done, as plain JSON values:
            `scale`, the factor of lengths (where stretched, the geometric mean of both); `angle` in degrees,
            counter-clockwise; `flip`; `shift` [x, y] of the bounding box's centre, in pixels;
            `rate_before` and `rate`, shares of the frame that the object covers; `visible`, share of the moved object
            that is in the frame; `cut_sides`, where the frame cuts the object in the original photo; `parts`, number
            of its components; `centre` [x, y] of the moved bounding box, where [0, 0] is the frame's top left and
            [1, 1] its bottom right corner; `distance_to_centre` of the frame, 0 … 1 in the corners; with a position
            also `where`, such as `random`, `top_left` or `cell_0_2`.
        notes: `already_there`: the object is as and where it was; `object_cut`: a part of it is outside of the frame.
    """

    photo: Photo
    sampled: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def place(
    photo: Photo,
    *,
    size: Size | None = None,
    position: Position | None = None,
    direction: Direction | None = None,
    flip: bool = False,
    seed: int = 0,
) -> Placement:
    """Return the photo with its object placed: scaled, flipped, turned and moved, in this order.

    Args:
        photo: the photograph and its mask; never written to.
        size: how large the object is; None: as it was.
        position: where it is; None: where size and direction leave it.
        direction: how it is turned; None: not at all.
        flip: mirror it left to right, about the centre of its bounding box.
        seed: decides position and angle, independently of each other; 0 … 2^63 - 1.

    Raises:
        Rejected: mask_empty, object_does_not_fit, object_leaves_frame.

    >>> image = np.zeros((100, 100, 3), np.uint8)
    >>> mask = np.zeros((100, 100), bool)
    >>> mask[:40, :10] = True
    >>> placement = place(Photo(image, mask), size=Size(rate=0.01), position=Position(where="corner"))
    >>> placement.sampled["rate_before"], placement.sampled["rate"], placement.sampled["where"]
    (0.04, 0.01, 'top_left')
    """
    if not cv2.countNonZero(photo.inside):
        raise Rejected("mask_empty", "there is no object to be placed")
    outline = outline_of(photo)
    if not (size or position or direction or flip):
        return Placement(photo, dict(_unmoved(outline)))
    angle = direction.draw(seed) if direction else 0.0
    turn = rotation(angle) @ _FLIP if flip else rotation(angle)
    scales = _scales(outline, size, turn)
    motion = _motion(outline, size, direction, turn, scales)
    spot = None
    if position:
        motion, spot = _move(motion, outline, position, seed)
    elif size and size.keep_inside:
        motion = motion.then_shift(motion.box(outline).shift_inside(outline.frame))
    if motion.exact:
        motion = _whole_pixels(motion, outline)

    visible = _visible(photo, outline, motion, [edit.min_visible for edit in (size, direction) if edit])
    placed, notes = photo, ("object_cut",) if visible < 1 else ()
    if not _is_identity(motion):
        image, mask = move_object(photo, outline, motion, scales)
        if not np.count_nonzero(mask):
            raise Rejected("mask_empty", f"its {outline.pixels} pixels vanish at {scales[0]:.3f} of their size")
        placed = Photo(image, mask, photo.removed)
    else:
        notes = ("already_there",)
    sampled = {"scale": round(math.sqrt(math.prod(scales)), 6), "angle": angle, "flip": flip}
    sampled |= _record(outline, motion, int(np.count_nonzero(placed.mask)), visible, spot)
    return Placement(placed, sampled, notes)


def _scales(outline: Outline, size: Size | None, turn: Floats) -> tuple[float, float]:
    """Return the factors across and down the photograph.

    Raises:
        Rejected: object_does_not_fit.
    """
    if size is None:
        return 1.0, 1.0
    if size.stretch:
        across, down = np.divide(outline.frame, outline.box.size).tolist()
    elif size.rate == "fit":
        turned = Motion(turn).box(outline)
        across = down = float(np.divide(outline.frame, turned.size).min())
    else:
        across = down = math.sqrt(size.rate / outline.rate)
    if abs(1 / (across * down) - 1) < _ALREADY and across == down:
        return 1.0, 1.0
    if across * down > 1 and not size.enlarge:
        detail = f"the object covers {outline.rate:.4f} of the image, `rate` is {size.rate} and `enlarge` false"
        raise Rejected("object_does_not_fit", detail)
    return across, down


def _motion(
    outline: Outline, size: Size | None, direction: Direction | None, turn: Floats, scales: tuple[float, float]
) -> Motion:
    """Return the motion that scales and turns, each about its own centre."""
    centre = outline.centroid if size and size.about == "centroid" else outline.box.centre
    motion = Motion() if scales == (1, 1) else Motion().then(np.diag(scales), about=centre)
    about = motion.box(outline).centre
    if direction and direction.about == "image":
        about = np.divide(outline.frame, 2)
    return motion.then(turn, about)


def _move(motion: Motion, outline: Outline, position: Position, seed: int) -> tuple[Motion, Spot]:
    """Return the motion to a position that the seed decides, and that position.

    The bounding box is rounded up to whole pixels and moved by whole pixels, so that the same object has the same
    pixels in every position.

    Raises:
        Rejected: object_does_not_fit.
    """
    box = motion.box(outline)
    width, height = (math.ceil(length - 1e-6) for length in box.size)
    spot = choose_spot(position, (width, height), outline, motion, seed)
    target = np.array([spot.left + width / 2, spot.top + height / 2])
    return motion.then_shift(target - box.centre), spot


def _whole_pixels(motion: Motion, outline: Outline) -> Motion:
    """Return the motion with its shift rounded to whole pixels."""
    box = motion.box(outline)
    corner = np.array([box.left, box.top])
    return motion.then_shift(np.floor(corner + 0.5) - corner)


def _visible(photo: Photo, outline: Outline, motion: Motion, min_visible: Sequence[float]) -> float:
    """Return the share of the object that the motion leaves in the frame.

    Raises:
        Rejected: object_leaves_frame.
    """
    if motion.box(outline).inside(outline.frame):
        return 1.0
    visible, limit = visible_share(photo.mask, motion, outline.frame), max(min_visible, default=0.0)
    if visible < limit:
        width, height = motion.box(outline).size
        sizes = f"{width:.0f} × {height:.0f} pixels in {outline.frame[0]} × {outline.frame[1]}"
        raise Rejected("object_leaves_frame", f"{visible:.1%} of it would be inside, less than {limit:.0%}: {sizes}")
    return visible


def _is_identity(motion: Motion) -> bool:
    return bool((motion.linear == np.eye(2)).all() and (motion.shift.round(3) == 0).all())


@functools.lru_cache(maxsize=1)
def _unmoved(outline: Outline) -> Mapping[str, Any]:
    """Return what is recorded of an object that stays as and where it is: the same for every world around it."""
    return {"scale": 1.0, "angle": 0.0, "flip": False} | _record(outline, Motion(), outline.pixels, 1.0, None)


def _record(outline: Outline, motion: Motion, pixels: int, visible: float, spot: Spot | None) -> dict[str, Any]:
    """Return what is recorded of an object that has been moved; `pixels`: its number of pixels in the frame."""
    centre, frame = motion.box(outline).centre, np.array(outline.frame)
    record = {
        "shift": ((centre - outline.box.centre).round(3) + 0.0).tolist(),
        "rate_before": round(outline.rate, 6),
        "rate": round(pixels / math.prod(outline.frame), 6),
        "visible": round(visible, 6),
        "cut_sides": list(outline.cut_sides),
        "parts": outline.parts,
        "centre": (centre / frame).round(6).tolist(),
        "distance_to_centre": round(math.hypot(*(centre - frame / 2)) / math.hypot(*(frame / 2)), 6),
    }
    return record | ({"where": spot.name} if spot else {})
