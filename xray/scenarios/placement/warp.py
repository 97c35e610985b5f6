"""Move an object's pixels: exactly where the motion allows it, otherwise interpolated without any background."""

from __future__ import annotations

import math

import cv2
import numpy as np
from cv2.typing import MatLike

from xray.core.types import Mask, Photo, Pixels
from xray.scenarios.placement.geometry import Motion, Outline

_NEGLIGIBLE = 0.2
"""Below this σ, neighbours get less than 4e-6 of a Gaussian's weight: nothing in 8 bits."""


def move_object(photo: Photo, outline: Outline, motion: Motion, scales: tuple[float, float]) -> tuple[Pixels, Mask]:
    """Return the moved object on black, and where it is; both have the photo's size.

    Args:
        photo: the photograph; its pixels outside of the mask have no influence.
        outline: of the photo's object.
        motion: how it moves. Where it only flips, turns by multiples of 90° and shifts by whole pixels, every pixel
            stays as it is.
        scales: the factors along the photograph's rows and columns that `motion` contains.
    """
    move = _rearrange if motion.exact else _interpolate
    colours, inside, left, top = move(photo, outline, motion, scales)
    height, width = photo.mask.shape
    image, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
    rows, columns = slice(max(top, 0), top + inside.shape[0]), slice(max(left, 0), left + inside.shape[1])
    target = mask[rows, columns]
    shown = np.s_[max(-top, 0) :, max(-left, 0) :]
    inside, colours = (part[shown][: target.shape[0], : target.shape[1]] for part in (inside, colours))
    np.not_equal(inside, 0, out=target)
    cv2.copyTo(colours, inside, image[rows, columns])
    return image, mask


def _rearrange(
    photo: Photo, outline: Outline, motion: Motion, _: tuple[float, float]
) -> tuple[Pixels, Pixels, int, int]:
    """Return the object's bounding box, flipped and turned, its mask (255 inside), and its left and top edge."""
    box, moved = outline.box, motion.box(outline)
    source = np.s_[int(box.top) : int(box.bottom), int(box.left) : int(box.right)]
    parts = [photo.image[source], photo.inside[source]]
    if motion.linear[0, 0] == 0:
        parts = [part.swapaxes(0, 1) for part in parts]
    flips = np.s_[:: int(motion.linear[1].sum()), :: int(motion.linear[0].sum())]
    colours, inside = (np.ascontiguousarray(part[flips]) for part in parts)
    return colours, inside, round(moved.left), round(moved.top)


def _interpolate(
    photo: Photo, outline: Outline, motion: Motion, scales: tuple[float, float]
) -> tuple[Pixels, Pixels, int, int]:
    """Return the object's pixels after a linear interpolation, its mask (255 inside), and their left and top edge.

    Each pixel is the weighted mean of the object's pixels alone (normalised convolution, Knutsson & Westin 1993), as if
    the object's colours continued beyond its edge: no colour of the old background is in it.
    """
    sigmas = [0.3 * max(1 / scale - 1, 0) for scale in scales]
    margin = 2 + math.ceil(3 * max(sigmas))
    box, moved, (width, height) = outline.box, motion.box(outline), outline.frame
    x, y = max(int(box.left) - margin, 0), max(int(box.top) - margin, 0)
    source = np.s_[y : int(box.bottom) + margin, x : int(box.right) + margin]
    left, top = max(math.floor(moved.left) - 1, -1), max(math.floor(moved.top) - 1, -1)
    size = (min(math.ceil(moved.right), width) + 1 - left, min(math.ceil(moved.bottom), height) + 1 - top)

    linear = np.linalg.inv(motion.linear)
    # From the centres of the window's pixels to those of the source's. Rounded, so that the last bits of a whole shift
    # cannot show in the pixels.
    shift = linear @ (np.array([left, top]) + 0.5 - motion.shift) - 0.5 - (x, y)
    inverse = np.column_stack((linear, shift)).round(9)

    def warp(image: MatLike) -> MatLike:
        return cv2.warpAffine(image, inverse, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)

    inside = photo.inside[source]
    rgba = cv2.cvtColor(cv2.copyTo(photo.image[source], inside), cv2.COLOR_RGB2RGBA)
    object_alone = cv2.insertChannel(inside, rgba, 3).astype(np.float32)
    blurred = max(sigmas) >= _NEGLIGIBLE
    # All four channels at once: three alone take OpenCV more than twice as long.
    warped = warp(_blur(object_alone, sigmas) if blurred else object_alone)
    weights = cv2.extractChannel(warped, 3)
    rgba = cv2.divide(warped, cv2.cvtColor(weights, cv2.COLOR_GRAY2RGBA), scale=255, dtype=cv2.CV_8U)
    colours = cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB)
    share = warp(inside) if blurred else weights
    return colours, cv2.compare(share, 127.5, cv2.CMP_GE), left, top  # type: ignore[call-overload,return-value]


def _blur(image: MatLike, sigmas: list[float]) -> MatLike:
    """Smooth an image before it is made smaller, so that fine texture does not turn into coarse patterns."""
    across, down = (
        cv2.getGaussianKernel(2 * math.ceil(3 * sigma) + 1, max(sigma, 1e-3), cv2.CV_32F) for sigma in sigmas
    )
    return cv2.sepFilter2D(image, cv2.CV_32F, across, down, borderType=cv2.BORDER_CONSTANT)
