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
        raise ValueError("a kernel has an odd size")
    return size


Kernel = Annotated[int, Field(ge=1, le=255), AfterValidator(_odd)]
Sigma = Annotated[float, Field(ge=0.1, le=100)]


def gaussian_blur(image: Pixels, kernel: int, sigma: float) -> Pixels:
    """Blur by a truncated Gaussian, with the image mirrored about its outermost pixels (reflect 101).

    Args:
        image: RGB, shape (H, W, 3).
        kernel: side of the kernel in pixels, odd.
        sigma: standard deviation, pixels.

    Returns:
        Within half a grey level of the exact convolution.
    """
    return _weighted_sum(image, kernel, sigma, cv2.CV_8U)  # type: ignore[return-value]


def blur_outside(photo: Photo, kernel: int, sigma: float) -> Pixels:
    """Blur the background by itself: normalised convolution with the background as certainty.

    Each pixel is the Gaussian mean of the background pixels around it, Σ g·I·b / Σ g·b with b = 1 on the background
    and 0 on the object, so that no object colour reaches the background (Knutsson & Westin, "Normalized and
    differential convolution", CVPR 1993).

    Args:
        photo: the photograph and its mask.
        kernel: side of the kernel in pixels, odd.
        sigma: standard deviation, pixels.

    Returns:
        On the background within half a grey level of the exact quotient; on the object it has no meaning.
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
class BlurBackground(Scenario):
    """The background blurred, the object sharp.

    Args:
        kernel: side of the Gaussian kernel, pixels, odd, 1–255.
        sigma: of the Gaussian, pixels, 0.1–100.
        bleed: blur the whole image and put the sharp object back, as the published code does: a halo of object
            colour lies around the object. Default: the background is blurred by itself.
    """

    name: ClassVar[str] = "blur_background"
    summary: ClassVar[str] = "background blurred, no object colour in it"
    presets: ClassVar[Presets] = {"ximagenet12": {"bleed": True}}

    kernel: Kernel = 15
    sigma: Sigma = 3.0
    bleed: bool = False

    @property
    def keeps(self) -> Region:
        """The object."""
        return "object"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """The photo before a blurred background."""
        if self.bleed:
            made = gaussian_blur(photo.image, self.kernel, self.sigma)
        else:
            made = blur_outside(photo, self.kernel, self.sigma)
        return Picture(restore(made, photo, self.keeps), photo.mask)


@settings
class BlurObject(Scenario):
    """The object blurred, the background as it is; the whole image is blurred and the sharp background put back.

    Args:
        kernel: side of the Gaussian kernel, pixels, odd, 1–255.
        sigma: of the Gaussian, pixels, 0.1–100.
    """

    name: ClassVar[str] = "blur_object"
    summary: ClassVar[str] = "object blurred, background sharp"
    presets: ClassVar[Presets] = {"ximagenet12": {}}

    kernel: Kernel = 15
    sigma: Sigma = 3.0

    @property
    def keeps(self) -> Region:
        """The background."""
        return "background"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """The photo with a blurred object."""
        blurred = gaussian_blur(photo.image, self.kernel, self.sigma)
        return Picture(restore(blurred, photo, self.keeps), photo.mask)
