"""Putting regions of pictures together."""

from __future__ import annotations

import math
import random
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.core.types import Mask, Photo, Pixels, Region

Fill = Literal["black", "white", "mean", "noise"]


def rest_of(region: Region) -> Region | None:
    """The region that stays when `region` is written; None if nothing does.

    >>> rest_of("background"), rest_of("image")
    ('object', None)
    """
    rests: dict[Region, Region | None] = {"object": "background", "background": "object", "image": None}
    return rests[region]


def restore(made: Pixels, photo: Photo, keeps: Region | None) -> Pixels:
    """Put the photo's own pixels back where they are to be kept.

    Args:
        made: RGB, shape (H, W, 3), contiguous; written to.
        photo: where the kept pixels come from.
        keeps: the region to put back; None: nothing.

    Returns:
        `made`.
    """
    if keeps is not None:
        # Copying under a mask in OpenCV takes 0.02 ms for 500×375 pixels, `np.where` 1 ms, boolean indexing 1.3 ms.
        cv2.copyTo(photo.image, photo.region(keeps), made)
    return made


def fill_rest(photo: Photo, keeps: Literal["object", "background"], fill: Fill, seed: int) -> Pixels:
    """The kept region on a plain colour or noise.

    Args:
        photo: the photograph and its mask.
        keeps: the region that stays.
        fill: what takes the place of the rest. `mean` is the mean colour of the pixels that stay (black if none
            do), so that nothing of the removed pixels is left in it; `noise` is uniform bytes.
        seed: decides the noise.
    """
    if fill == "noise":
        made = noise(photo.image.shape, seed)
    else:
        height, width = photo.mask.shape
        row = np.tile(_colour(photo, keeps, fill), (width, 1))
        made = np.tile(row, (height, 1, 1))  # row by row: ten times as fast as pixel by pixel
    return restore(made, photo, keeps)


def _colour(photo: Photo, keeps: Region, fill: Fill) -> NDArray[Any]:
    if fill == "mean":
        return np.rint(cv2.mean(photo.image, mask=photo.region(keeps))[:3]).astype(np.uint8)
    return np.full(3, {"black": 0, "white": 255}[fill], np.uint8)


def noise(shape: tuple[int, ...], seed: int) -> Pixels:
    """Uniform bytes: the raw stream of PCG64, which numpy keeps the same over its versions, little-endian.

    >>> noise((1, 2, 3), seed=7)
    array([[[139,  74, 229],
            [241, 169,  65]]], dtype=uint8)
    """
    size = math.prod(shape)
    words = np.random.PCG64(seed).random_raw(-(-size // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[:size].reshape(shape)


def cover(donor: Pixels, width: int, height: int, seed: int) -> tuple[Pixels, tuple[int, int, int, int]]:
    """A donor cut and scaled to a size; its aspect is kept.

    The largest window of the wanted aspect is cut first, at a place that the seed decides, and only the window is
    scaled: a very long or very large donor costs no more memory than its window.

    Args:
        donor: RGB, any size.
        width: wanted, pixels.
        height: wanted, pixels.
        seed: decides where the window lies, uniformly over all places.

    Returns:
        RGB of shape (height, width, 3), a new array, and the window (x, y, width, height) in the donor's pixels.
    """
    donor_height, donor_width = donor.shape[:2]
    scale = max(width / donor_width, height / donor_height)
    cut_width = min(donor_width, max(1, round(width / scale)))
    cut_height = min(donor_height, max(1, round(height / scale)))
    draw = random.Random(seed)
    x = draw_below(draw, donor_width - cut_width + 1)
    y = draw_below(draw, donor_height - cut_height + 1)
    window = donor[y : y + cut_height, x : x + cut_width]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    fitted = cv2.resize(window, (width, height), interpolation=method)
    return fitted, (x, y, cut_width, cut_height)  # type: ignore[return-value]


def draw_below(draw: random.Random, end: int) -> int:
    """A uniform integer of [0, end).

    From `random()`, the only method whose values Python promises to keep over its versions.

    >>> draw_below(random.Random(1), 90)
    12
    """
    return int(draw.random() * end)


def stretch(photo: Photo, width: int, height: int) -> tuple[Pixels, Mask]:
    """The object on black and its mask, stretched to a size; the aspect is not kept."""
    segmented = fill_rest(photo, "object", "black", seed=0)
    image = cv2.resize(segmented, (width, height), interpolation=cv2.INTER_LINEAR)
    mask = cv2.resize(photo.inside, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return image, mask > 0  # type: ignore[return-value]
