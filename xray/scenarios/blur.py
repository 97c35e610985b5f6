"""Gaussian blur of the background or of the object."""

from __future__ import annotations

from typing import Annotated, ClassVar

import cv2
from cv2.typing import MatLike
from pydantic import AfterValidator, Field

from xray.core.compositing import restore
from xray.core.plugins import settings
from xray.core.types import Photo, Picture, Pixels, Presets, Region
from xray.scenarios.base import Scenario


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError("the kernel size must be odd")
    return size


Kernel = Annotated[int, Field(ge=1, le=255), AfterValidator(_odd)]
Sigma = Annotated[float, Field(ge=0.1, le=100)]


def gaussian_blur(image: Pixels, kernel: int, sigma: float) -> Pixels:
    """Convolve with a truncated Gaussian, within half a level of the exact convolution.

    Borders are mirrored about the outermost pixels (reflect 101).
    """
    return _weighted_sum(image, kernel, sigma, cv2.CV_8U)  # type: ignore[return-value]


def blur_outside(photo: Photo, kernel: int, sigma: float) -> Pixels:
    """Blur the background alone, by normalised convolution with the background as certainty.

    Each pixel is the Gaussian mean of the background pixels around it, Σ g·I·b / Σ g·b with b = 1 on the background
    and 0 on the object, so that no object colour reaches the background (Knutsson & Westin, "Normalized and
    differential convolution", CVPR 1993).

    Returns:
        uint8, same shape; on the background within half a level of the exact quotient, on the object undefined.
    """
    background = cv2.bitwise_and(photo.image, photo.image, mask=photo.outside)
    certainty = _weighted_sum(photo.outside, kernel, sigma, cv2.CV_32F)
    sums = (_weighted_sum(channel, kernel, sigma, cv2.CV_32F) for channel in cv2.split(background))
    means = [cv2.divide(channel, certainty, scale=255, dtype=cv2.CV_8U) for channel in sums]
    return cv2.merge(means)  # type: ignore[return-value]


def _weighted_sum(image: MatLike, kernel: int, sigma: float, depth: int) -> MatLike:
    # `cv2.GaussianBlur` is slower on 8 bits and, with its fixed-point weights, off by more than a grey level.
    weights = cv2.getGaussianKernel(kernel, sigma, cv2.CV_32F)
    return cv2.sepFilter2D(image, depth, weights, weights)


@settings
class _Blur(Scenario):
    """The base class of the blurred scenarios.

    Args:
        kernel: side length of the Gaussian kernel in pixels, odd, 1–255.
        sigma: standard deviation of the Gaussian in pixels, 0.1–100.
    """

    kernel: Kernel = 15
    sigma: Sigma = 3.0

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the photo with one region blurred."""
        return Picture(restore(self._blurred(photo), photo, self.keeps), photo.mask)

    def _blurred(self, photo: Photo) -> Pixels:
        return gaussian_blur(photo.image, self.kernel, self.sigma)


@settings
class BlurBackground(_Blur):
    """The background blurred, the object sharp.

    Args:
        bleed: blur the whole image and put the sharp object back, as the published code does, which leaves a halo of
            object colour around the object. Default: the background is blurred alone.
    """

    name: ClassVar[str] = "blur_background"
    summary: ClassVar[str] = "background blurred, no object colour in it"
    phrase: ClassVar[str] = "the background is blurred"
    keeps: ClassVar[Region] = "object"
    presets: ClassVar[Presets] = {"ximagenet12": {"bleed": True}}

    bleed: bool = False

    def _blurred(self, photo: Photo) -> Pixels:
        return super()._blurred(photo) if self.bleed else blur_outside(photo, self.kernel, self.sigma)


@settings
class BlurObject(_Blur):
    """The object blurred: the whole image is blurred and the sharp background put back."""

    name: ClassVar[str] = "blur_object"
    summary: ClassVar[str] = "object blurred, background sharp"
    phrase: ClassVar[str] = "the object is blurred"
    keeps: ClassVar[Region] = "background"
    presets: ClassVar[Presets] = {"ximagenet12": {}}
