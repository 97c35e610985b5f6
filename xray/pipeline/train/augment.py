"""Random augmentation, seeded by hashes: the same on every machine and after a restart."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.core.hashing import Hashes, digest, mix

Pixels = NDArray[np.uint8]
_MIN_AREA = 0.35
_MAX_RATIO = 4 / 3


def augment(
    kind: str, images_NHWC: Pixels, masks_NHW: Pixels | None, hash_N: Hashes, seed: int, epoch: int
) -> tuple[Pixels, Pixels | None]:
    """Augment images, and their masks alike.

    `kind`: `none`, `flip` (left and right, with probability ½) or `crop` (35 to 100 % of the area with sides of 3:4 to
    4:3, enlarged to the square; then flip). An image's hash, the trial's seed and the epoch decide.
    """
    if kind == "none":
        return images_NHWC, masks_NHW
    images_NHWC = images_NHWC.copy()
    masks_NHW = None if masks_NHW is None else masks_NHW.copy()
    seed_N = mix(hash_N ^ np.uint64(digest(seed, "augment", epoch, bits=64)))
    for index, image_seed in enumerate(seed_N.tolist()):
        generator = np.random.Generator(np.random.PCG64(image_seed))
        window = _sample_window(generator, images_NHWC.shape[1]) if kind == "crop" else None
        flip = generator.random() < 0.5
        images_NHWC[index] = _transform(images_NHWC[index], window, flip, cv2.INTER_LINEAR)
        if masks_NHW is not None:
            masks_NHW[index] = _transform(masks_NHW[index], window, flip, cv2.INTER_NEAREST)
    return images_NHWC, masks_NHW


def _sample_window(generator: np.random.Generator, side: int) -> tuple[slice, slice]:
    area = generator.uniform(_MIN_AREA, 1.0) * side**2
    ratio = np.exp(generator.uniform(-np.log(_MAX_RATIO), np.log(_MAX_RATIO)))
    height, width = (max(1, min(side, round(length))) for length in (np.sqrt(area / ratio), np.sqrt(area * ratio)))
    top, left = generator.integers(0, side - height + 1), generator.integers(0, side - width + 1)
    return slice(top, top + height), slice(left, left + width)


def _transform(image: Pixels, window: tuple[slice, slice] | None, flip: bool, interpolation: int) -> Pixels:
    side = image.shape[0]
    if window is not None:
        image = np.asarray(cv2.resize(image[window], (side, side), interpolation=interpolation), np.uint8)
    return image[:, ::-1] if flip else image
