"""Compositing: fill, crop and combine regions of photographs."""

from __future__ import annotations

import math
import random
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.core.types import Mask, Photo, Pixels, Region

Fill = Literal["black", "white", "mean", "noise"]


def complement(region: Region) -> Region | None:
    """Return the region outside of a region; None if that is empty.

    >>> complement("background"), complement("image")
    ('object', None)
    """
    complements: dict[Region, Region | None] = {"object": "background", "background": "object", "image": None}
    return complements[region]


def restore(image: Pixels, photo: Photo, keeps: Region | None) -> Pixels:
    """Copy a region of the photo (None: nothing) into a C-contiguous image of its size, in place, and return it."""
    if keeps is not None:
        # Copying under a mask in OpenCV takes 0.02 ms for 500×375 pixels, `np.where` 1 ms, boolean indexing 1.3 ms.
        cv2.copyTo(photo.image, photo.region(keeps), image)
    return image


def fill_rest(photo: Photo, keeps: Literal["object", "background"], fill: Fill, seed: int) -> Pixels:
    """Return a copy of the photo with everything outside the kept region replaced by a plain colour or noise.

    `mean` is the mean colour of the kept pixels (black if there are none), so it contains nothing of the removed
    pixels; `noise` is uniformly random bytes, which the seed decides.
    """
    if fill == "noise":
        result = noise(photo.image.shape, seed)
    else:
        height, width = photo.mask.shape
        row = np.tile(_colour(photo, keeps, fill), (width, 1))
        result = np.tile(row, (height, 1, 1))  # by rows: ten times as fast as by pixels
    return restore(result, photo, keeps)


def box_of(mask: Mask) -> Mask:
    """Return the bounding box of a mask as a mask; empty for an empty one.

    >>> box_of(np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0]], bool)).astype(int).tolist()
    [[0, 0, 0], [1, 1, 0], [1, 1, 0]]
    """
    result = np.zeros_like(mask)
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    result[y : y + height, x : x + width] = True
    return result


def _colour(photo: Photo, keeps: Region, fill: Fill) -> NDArray[Any]:
    if fill == "mean":
        return np.rint(cv2.mean(photo.image, mask=photo.region(keeps))[:3]).astype(np.uint8)
    return np.full(3, {"black": 0, "white": 255}[fill], np.uint8)


def noise(shape: tuple[int, ...], seed: int) -> Pixels:
    """Return uniformly random bytes, the same with every version of numpy and on every machine.

    They are the raw stream of PCG64, little-endian, which numpy guarantees.

    >>> noise((1, 2, 3), seed=7)
    array([[[139,  74, 229],
            [241, 169,  65]]], dtype=uint8)
    """
    size = math.prod(shape)
    words = np.random.PCG64(seed).random_raw(-(-size // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[:size].reshape(shape)


def crop_to_size(donor: Pixels, width: int, height: int, seed: int) -> tuple[Pixels, tuple[int, int, int, int]]:
    """Crop and scale a donor of any size, keeping its aspect ratio; return it and the window (x, y, width, height).

    The largest window of the target's aspect ratio is cropped first, and only the window is scaled: a very long or very
    large donor needs no more memory than its window. The seed decides its position, uniformly.
    """
    donor_height, donor_width = donor.shape[:2]
    scale = max(width / donor_width, height / donor_height)
    crop_width = min(donor_width, max(1, round(width / scale)))
    crop_height = min(donor_height, max(1, round(height / scale)))
    rng = random.Random(seed)
    x = random_below(rng, donor_width - crop_width + 1)
    y = random_below(rng, donor_height - crop_height + 1)
    window = donor[y : y + crop_height, x : x + crop_width]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(window, (width, height), interpolation=method)
    return scaled, (x, y, crop_width, crop_height)  # type: ignore[return-value]


def random_below(rng: random.Random, end: int) -> int:
    """Return a uniformly random integer of [0, end), the same with every version of Python.

    It uses `random()`, the only method whose values Python guarantees across versions.

    >>> random_below(random.Random(1), 90)
    12
    """
    return int(rng.random() * end)


def stretch_object(photo: Photo, width: int, height: int) -> tuple[Pixels, Mask]:
    """Scale the object on black, and its mask, to a size; the aspect ratio is not kept."""
    segmented = fill_rest(photo, "object", "black", seed=0)
    image = cv2.resize(segmented, (width, height), interpolation=cv2.INTER_LINEAR)
    mask = cv2.resize(photo.inside, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return image, mask > 0  # type: ignore[return-value]
