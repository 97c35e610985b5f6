"""A brightened background or object."""

from __future__ import annotations

from typing import Annotated, ClassVar

import cv2
from pydantic import Field

from xray.core.compositing import restore
from xray.core.plugins import settings
from xray.core.types import Mask, Photo, Picture, Pixels, Presets, Region
from xray.scenarios.base import Scenario


def brighten(image: Pixels, gain: float) -> Pixels:
    """Compute gain · (1.5·I + 0.9·mean9(I)) + 1.9, rounded and clipped to 0–255.

    `mean9` is the mean of 9×9 pixels, rounded to 8 bits; borders are mirrored about the outermost pixels. It is taken
    over the whole image, as published: near the edge of a region it includes pixels of the other side.
    """
    mean9 = cv2.blur(image, (9, 9))
    return cv2.addWeighted(image, 1.5 * gain, mean9, 0.9 * gain, 1.9)  # type: ignore[return-value]


def saturated_share(image: Pixels, region: Mask) -> float:
    """Return the share of a region's pixels that are white (255 in all channels), 0–1: their structure is lost.

    >>> import numpy as np
    >>> image = np.array([[[255, 255, 255], [255, 255, 254], [255, 255, 255]]], np.uint8)
    >>> saturated_share(image, np.array([[True, True, False]]))
    0.5
    """
    return round(float((image.min(axis=2) == 255)[region].mean()), 4) if region.any() else 0.0


@settings
class _Bright(Scenario):
    """The base class of the brightened scenarios.

    Args:
        gain: factor of the published weights 1.5 and 0.9, above 0, up to 10; the offset 1.9 stays. 1 is as published:
            2.4 times the intensity in even areas. 1/2.4 ≈ 0.417 leaves even areas unchanged.
    """

    gain: Annotated[float, Field(gt=0, le=10)] = 1.0

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the photo with one region brightened; it measures `saturated`, see `saturated_share`."""
        image = restore(brighten(photo.image, self.gain), photo, self.keeps)
        brightened = photo.mask if self.keeps == "background" else ~photo.mask
        return Picture(image, photo.mask, measured={"saturated": saturated_share(image, brightened)})


@settings
class BrightBackground(_Bright):
    """The background brightened."""

    name: ClassVar[str] = "bright_background"
    summary: ClassVar[str] = "background brightened"
    phrase: ClassVar[str] = "the background is brightened"
    keeps: ClassVar[Region] = "object"
    presets: ClassVar[Presets] = {"ximagenet12": {}}


@settings
class BrightObject(_Bright):
    """The object brightened."""

    name: ClassVar[str] = "bright_object"
    summary: ClassVar[str] = "object brightened"
    phrase: ClassVar[str] = "the object is brightened"
    keeps: ClassVar[Region] = "background"
