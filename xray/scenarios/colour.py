"""Colour changed in a region: one hue, shifted hues, grey."""

from __future__ import annotations

import random
from typing import ClassVar, Literal

import cv2
import numpy as np

from xray.core.compositing import draw_below, rest_of, restore
from xray.core.plugins import settings
from xray.core.types import Photo, Picture, Pixels, Presets, Region
from xray.scenarios.base import Scenario

HUES = 180
"""OpenCV's 8-bit hues: 0–179, in steps of two degrees."""


@settings
class _InRegion(Scenario):
    """Base of the scenarios that change the colour of a region."""

    region: Region = "background"

    @property
    def keeps(self) -> Region | None:
        """What is outside the region."""
        return rest_of(self.region)


@settings
class _OneColour(_InRegion):
    """Base of `image_r`, `image_g` and `image_b`.

    Args:
        region: where the colour changes.
        mode: `hue` sets the hue of every pixel to one hue drawn for the image and keeps saturation and value, so
            that grey stays grey; `channel` keeps the values of the one colour channel and sets the others to 0.
    """

    mode: Literal["hue", "channel"] = "hue"

    channel: ClassVar[int]
    """Index of the colour in RGB."""
    hues: ClassVar[tuple[int, ...]]
    """The hues that count as the colour; each is as likely as any other."""
    presets: ClassVar[Presets] = {"ximagenet12": {}}

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """The photo in one colour; the hue is recorded as drawn."""
        if self.mode == "channel":
            return Picture(restore(_only_channel(photo.image, self.channel), photo, self.keeps), photo.mask)
        hue = self.hues[draw_below(random.Random(seed), len(self.hues))]
        hsv = photo.hsv.copy()
        hsv[..., 0] = hue
        return Picture(restore(_rgb(hsv), photo, self.keeps), photo.mask, {"hue": hue})


@settings
class ImageR(_OneColour):
    """Red: hues 0–29 and 150–179.

    The published code draws up to 180, which shows as 0 does.
    """

    name: ClassVar[str] = "image_r"
    summary: ClassVar[str] = "background in one red hue"
    channel = 0
    hues = (*range(30), *range(150, 180))


@settings
class ImageG(_OneColour):
    """Green: hues 30–89."""

    name: ClassVar[str] = "image_g"
    summary: ClassVar[str] = "background in one green hue"
    channel = 1
    hues = tuple(range(30, 90))


@settings
class ImageB(_OneColour):
    """Blue: hues 90–149."""

    name: ClassVar[str] = "image_b"
    summary: ClassVar[str] = "background in one blue hue"
    channel = 2
    hues = tuple(range(90, 150))


@settings
class ImageRainbow(_InRegion):
    """All hues of a region shifted by one number drawn for the image, 0–90 of 180, saturation and value kept.

    Args:
        region: where the colours change.
    """

    name: ClassVar[str] = "image_rainbow"
    summary: ClassVar[str] = "hues of the background shifted by a random angle up to 180 degrees"
    presets: ClassVar[Presets] = {"ximagenet12": {}}

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """The photo with shifted hues; the shift is recorded as drawn."""
        shift = draw_below(random.Random(seed), 91)
        shifted = ((np.arange(256) + shift) % HUES).astype(np.uint8)
        hsv = photo.hsv.copy()
        hsv[..., 0] = cv2.LUT(cv2.extractChannel(hsv, 0), shifted)
        return Picture(restore(_rgb(hsv), photo, self.keeps), photo.mask, {"shift": shift})


@settings
class ImageGrey(_InRegion):
    """A region in grey: luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), rounded.

    Args:
        region: where colour is taken away.
    """

    name: ClassVar[str] = "image_grey"
    summary: ClassVar[str] = "the whole image in grey"
    region: Region = "image"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """The photo without colour."""
        luma = cv2.cvtColor(photo.image, cv2.COLOR_RGB2GRAY)
        grey: Pixels = cv2.cvtColor(luma, cv2.COLOR_GRAY2RGB)  # type: ignore[assignment]
        return Picture(restore(grey, photo, self.keeps), photo.mask)


def _rgb(hsv: Pixels) -> Pixels:
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)  # type: ignore[return-value]


def _only_channel(image: Pixels, channel: int) -> Pixels:
    made = np.zeros(image.shape, np.uint8)
    made[..., channel] = image[..., channel]
    return made
