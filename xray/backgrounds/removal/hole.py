"""The area that a remover fills, and the one function that puts its filling into the photograph."""

from __future__ import annotations

import cv2
import numpy as np

from xray.core.errors import Rejected
from xray.core.types import Mask, Photo, Pixels

MIN_BACKGROUND = 0.05
"""Share of the photograph that must be left outside of the filled area, so that there is something to fill it from."""


def dilated(mask: Mask, pixels: int) -> Mask:
    """Return a mask, shape (H, W), that is larger by a Euclidean distance in pixels.

    >>> dilated(np.array([[False, False, True]]), 1)
    array([[False,  True,  True]])
    """
    if not pixels or not mask.any():
        return mask
    distance = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    grown: Mask = distance <= pixels
    return grown


def object_hole(photo: Photo, dilate: int) -> Mask:
    """Return the area to fill, shape (H, W): the object, larger by `dilate` pixels.

    Raises:
        Rejected: mask_empty; background_too_small, see `check_background`.
    """
    if not photo.mask.any():
        raise Rejected("mask_empty", "there is no object to remove")
    return check_background(dilated(photo.mask, dilate))


def object_box(photo: Photo) -> tuple[int, int, int, int]:
    """Return the bounding box of the object: left, top, right, bottom, in pixels; right and bottom are excluded.

    Raises:
        Rejected: mask_empty.
    """
    x, y, width, height = cv2.boundingRect(photo.inside)
    if not width:
        raise Rejected("mask_empty", "there is no object to remove")
    return x, y, x + width, y + height


def box_mask(shape: tuple[int, ...], box: tuple[int, int, int, int]) -> Mask:
    """Return True in a box of `object_box`, for a photograph of a shape (H, W)."""
    left, top, right, bottom = box
    mask: Mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


def check_background(hole: Mask) -> Mask:
    """Return the area to fill if enough of the photograph is left around it.

    Raises:
        Rejected: background_too_small: less than `MIN_BACKGROUND` of the photograph.
    """
    left = 1 - float(np.count_nonzero(hole)) / hole.size
    if left < MIN_BACKGROUND:
        raise Rejected("background_too_small", f"{left:.2%} of the photograph is left, at least {MIN_BACKGROUND:.0%}")
    return hole


def fill_hole(photo: Photo, hole: Mask, filling: Pixels, feather: int = 0) -> Pixels:
    """Return the photograph with its hole replaced by a filling; every other pixel is the photograph's own.

    A photograph whose three channels are equal stays grey, whatever colours the filling has.

    Args:
        photo: the photograph; never written to.
        hole: True where the filling replaces the photograph, shape (H, W).
        filling: RGB, uint8, of the photograph's size; only its pixels in the hole count.
        feather: width of the rim, in pixels and inside the hole, in which the photograph is blended into the filling:
            at distance d from the photograph's own pixels the filling weighs d / (feather + 1), at most 1. No wider
            than the dilation of the object: otherwise the object shines through.
    """
    inside = hole.view(np.uint8)
    if feather:
        distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        weight = np.minimum(distance / np.float32(feather + 1), np.float32(1))[:, :, None]
        blended = photo.image + weight * (filling.astype(np.float32) - photo.image)
        filling = np.rint(blended).astype(np.uint8)
    if is_grey(photo.image):
        filling = cv2.cvtColor(cv2.cvtColor(filling, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # type: ignore[assignment]
    result = photo.image.copy()
    cv2.copyTo(filling, inside, result)
    return result


def is_grey(image: Pixels) -> bool:
    """Return True if the three channels of an image, shape (H, W, 3), are equal."""
    red, green, blue = cv2.split(image)
    return np.array_equal(red, green) and np.array_equal(green, blue)
