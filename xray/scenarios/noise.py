"""Gaussian noise on the object or on the background."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xray.core.compositing import complement, restore
from xray.core.plugins import settings
from xray.core.types import Photo, Picture, Pixels, Region
from xray.scenarios.base import Scenario


@settings
class Noise(Scenario):
    """Gaussian noise in one region: with both regions, relative foreground sensitivity (Moayeri et al. 2022, CVPR).

    Args:
        region: the region that gets noise.
        sigma: standard deviation, as a share of the range of a pixel, above 0, up to 2; 0.25 as published.
    """

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = "Gaussian noise on the object, the background or everywhere"
    phrase: ClassVar[str] = "{region} is noisy"
    by_default: ClassVar[bool] = False

    region: Region = "background"
    sigma: Annotated[float, Field(gt=0, le=2)] = 0.25

    @property
    def needs_mask(self) -> bool:
        """Whether a part of the image gets noise, not the whole."""
        return self.region != "image"

    @property
    def keeps(self) -> Region | None:
        """The complement of `region`; nothing if that is the whole image."""
        return complement(self.region)

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the photo with independent noise in every pixel and channel, clipped to 0–255."""
        noisy = photo.image + 255 * self.sigma * gaussian(photo.image.shape, seed)
        image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        return Picture(restore(image, photo, self.keeps), photo.mask)


def gaussian(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Return standard normal values by the method of Box and Muller from the raw stream of PCG64.

    numpy guarantees that stream, but not the values of its own normal distribution, across versions.

    >>> [round(float(value), 3) for value in gaussian((2,), seed=7)]
    [0.912, -0.329]
    """
    pairs = -(-math.prod(shape) // 2)
    words = np.random.PCG64(seed).random_raw(pairs)
    # Two uniform values of 32 bits per word, the first in (0, 1]; in double precision, whose last bit may differ
    # between processors without changing a pixel.
    radius = np.sqrt(-2 * np.log(((words >> np.uint64(32)).astype(np.float64) + 1) * 2**-32))
    angle = (words & np.uint64(2**32 - 1)).astype(np.float64) * (2 * math.pi * 2**-32)
    values = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return values.astype(np.float32).reshape(-1)[: math.prod(shape)].reshape(shape)
