"""Changing training images at random, by hashes: the same on every machine and after a restart."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.core.hashing import Hashes, digest, mix

Pixels = NDArray[np.uint8]
_LEAST_AREA = 0.35
_RATIO = 4 / 3


def augmented(
    how: str, images_NHWC: Pixels, masks_NHW: Pixels | None, hash_N: Hashes, seed: int, epoch: int
) -> tuple[Pixels, Pixels | None]:
    """Images, and masks alike, changed.

    Args:
        how: `none`, `flip` (left and right, every other one) or `crop` (a part of 35 to 100 % of the area with sides of
            3:4 to 4:3, enlarged to the square; then flip).
        images_NHWC: shape (N, side, side, 3).
        masks_NHW: shape (N, side, side), or None.
        hash_N: a number of each image.
        seed: of the trial.
        epoch: 0 …
    """
    if how == "none":
        return images_NHWC, masks_NHW
    images_NHWC = images_NHWC.copy()
    masks_NHW = None if masks_NHW is None else masks_NHW.copy()
    numbers = mix(hash_N ^ np.uint64(digest(seed, "augment", epoch, bits=64)))
    for place, number in enumerate(numbers.tolist()):
        draw = np.random.Generator(np.random.PCG64(number))
        part = _part(draw, images_NHWC.shape[1]) if how == "crop" else None
        flip = draw.random() < 0.5
        images_NHWC[place] = _changed(images_NHWC[place], part, flip, cv2.INTER_LINEAR)
        if masks_NHW is not None:
            masks_NHW[place] = _changed(masks_NHW[place], part, flip, cv2.INTER_NEAREST)
    return images_NHWC, masks_NHW


def _part(draw: np.random.Generator, side: int) -> tuple[slice, slice]:
    area = draw.uniform(_LEAST_AREA, 1.0) * side**2
    ratio = np.exp(draw.uniform(-np.log(_RATIO), np.log(_RATIO)))
    height, width = (max(1, min(side, round(length))) for length in (np.sqrt(area / ratio), np.sqrt(area * ratio)))
    top, left = draw.integers(0, side - height + 1), draw.integers(0, side - width + 1)
    return slice(top, top + height), slice(left, left + width)


def _changed(image: Pixels, part: tuple[slice, slice] | None, flip: bool, interpolation: int) -> Pixels:
    side = image.shape[0]
    if part is not None:
        image = np.asarray(cv2.resize(image[part], (side, side), interpolation=interpolation), np.uint8)
    return image[:, ::-1] if flip else image
