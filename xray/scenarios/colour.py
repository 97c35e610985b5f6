"""Changed colours in a region: one hue, shifted hues, or grey."""

from __future__ import annotations

import random
from typing import ClassVar, Literal

import cv2
import numpy as np

from xray.core.compositing import complement, random_below, restore
from xray.core.plugins import settings
from xray.core.types import Photo, Picture, Pixels, Presets, Region
from xray.scenarios.base import Scenario

HUES = 180
"""Number of OpenCV's 8-bit hues: 0–179, in steps of two degrees."""


@settings
class _InRegion(Scenario):
    """The base class of scenarios that change the colours of a region.

    Args:
        region: the region that is changed.
    """

    region: Region = "background"

    @property
    def needs_mask(self) -> bool:
        """Whether a part of the image is changed, not the whole."""
        return self.region != "image"

    @property
    def keeps(self) -> Region | None:
        """The complement of `region`; nothing if that is the whole image."""
        return complement(self.region)


@settings
class _OneColour(_InRegion):
    """The base class of `image_r`, `image_g` and `image_b`.

    Args:
        mode: `hue` sets the hue of every pixel to one hue sampled per image and keeps saturation and value, so that
            grey stays grey; `channel` keeps the values of one colour channel and sets the others to 0.
    """

    mode: Literal["hue", "channel"] = "hue"

    channel: ClassVar[int]
    """Index of the colour channel in RGB."""
    hues: ClassVar[tuple[int, ...]]
    """The hues of the colour, equally likely."""
    presets: ClassVar[Presets] = {"ximagenet12": {}}

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the photo in one colour. Records `hue` in mode `hue`."""
        if self.mode == "channel":
            image = np.zeros_like(photo.image, order="C")
            image[..., self.channel] = photo.image[..., self.channel]
            return Picture(restore(image, photo, self.keeps), photo.mask)
        hue = self.hues[random_below(random.Random(seed), len(self.hues))]
        hsv = photo.hsv.copy()
        hsv[..., 0] = hue
        return Picture(restore(_rgb(hsv), photo, self.keeps), photo.mask, {"hue": hue})


@settings
class ImageR(_OneColour):
    """Red: hues 0–29 and 150–179.

    The published code samples up to 180, which is displayed as 0.
    """

    name: ClassVar[str] = "image_r"
    summary: ClassVar[str] = "background in one red hue"
    phrase: ClassVar[str] = "{region} is tinted red"
    channel = 0
    hues = (*range(30), *range(150, 180))


@settings
class ImageG(_OneColour):
    """Green: hues 30–89."""

    name: ClassVar[str] = "image_g"
    summary: ClassVar[str] = "background in one green hue"
    phrase: ClassVar[str] = "{region} is tinted green"
    channel = 1
    hues = tuple(range(30, 90))


@settings
class ImageB(_OneColour):
    """Blue: hues 90–149."""

    name: ClassVar[str] = "image_b"
    summary: ClassVar[str] = "background in one blue hue"
    phrase: ClassVar[str] = "{region} is tinted blue"
    channel = 2
    hues = tuple(range(90, 150))


@settings
class ImageRainbow(_InRegion):
    """All hues of a region shifted by one number sampled per image, 0–90 of 180; saturation and value stay."""

    name: ClassVar[str] = "image_rainbow"
    summary: ClassVar[str] = "hues of the background shifted by a random angle up to 180 degrees"
    phrase: ClassVar[str] = "the hues of {region} are shifted"
    presets: ClassVar[Presets] = {"ximagenet12": {}}

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the photo with shifted hues. Records `shift`."""
        shift = random_below(random.Random(seed), 91)
        lookup = ((np.arange(256) + shift) % HUES).astype(np.uint8)
        hsv = photo.hsv.copy()
        hsv[..., 0] = cv2.LUT(cv2.extractChannel(hsv, 0), lookup)
        return Picture(restore(_rgb(hsv), photo, self.keeps), photo.mask, {"shift": shift})


@settings
class ImageGrey(_InRegion):
    """A region in greyscale: luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), rounded."""

    name: ClassVar[str] = "image_grey"
    summary: ClassVar[str] = "the whole image in grey"
    phrase: ClassVar[str] = "{region} has lost its colour"
    region: Region = "image"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the photo with the region in greyscale."""
        luma = cv2.cvtColor(photo.image, cv2.COLOR_RGB2GRAY)
        grey: Pixels = cv2.cvtColor(luma, cv2.COLOR_GRAY2RGB)  # type: ignore[assignment]
        return Picture(restore(grey, photo, self.keeps), photo.mask)


def _rgb(hsv: Pixels) -> Pixels:
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)  # type: ignore[return-value]
