"""Photographs on the canvas that a diffusion model paints on, and the painting back at the photograph's size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike

from xray.errors import Rejected
from xray.scenarios.base import Mask, Photo, Pixels


@dataclass(frozen=True)
class Canvas:
    """Where a photograph lies on the canvas; all sizes are width, height in pixels.

    Args:
        photo: size of the photograph.
        inner: of the photograph on the canvas: scaled alike in both directions, to the nearest whole pixels.
        size: of the canvas: `inner`, padded on both sides.
    """

    photo: tuple[int, int]
    inner: tuple[int, int]
    size: tuple[int, int]

    @property
    def corner(self) -> tuple[int, int]:
        """The x and y at which the photograph begins: it lies in the middle."""
        return (self.size[0] - self.inner[0]) // 2, (self.size[1] - self.inner[1]) // 2

    def image(self, photo: Pixels) -> Pixels:
        """The photograph on the canvas, its outermost pixels repeated in the padding.

        Repeated, not mirrored: an object that touches the frame would have a twin there.
        """
        return self._padded(_resized(photo, self.inner), cv2.BORDER_REPLICATE)

    def to_paint(self, kept: Mask) -> Pixels:
        """What is to be painted: 255 there and in the padding, 0 where the photograph stays; shape (H, W).

        A canvas pixel stays if any part of it does, so that no thin part gets lost on the way.

        Args:
            kept: where the photograph stays, of its size.

        Raises:
            Rejected: mask_full: nothing is left to paint.
        """
        how = cv2.INTER_AREA if _shrinks(self.photo, self.inner) else cv2.INTER_NEAREST_EXACT
        share = cv2.resize(kept.astype(np.float32), self.inner, interpolation=how)
        paint = np.where(share > 0, np.uint8(0), np.uint8(255))
        if not paint.any():
            raise Rejected("mask_full", f"the object fills all of the {self.photo[0]}×{self.photo[1]} pixels")
        return self._padded(paint, cv2.BORDER_CONSTANT, 255)

    def back(self, painting: Pixels) -> Pixels:
        """A painted canvas without its padding, at the photograph's size."""
        x, y = self.corner
        return _resized(painting[y : y + self.inner[1], x : x + self.inner[0]], self.photo)

    def _padded(self, image: MatLike, border: int, value: int = 0) -> Pixels:
        left, top = self.corner
        right, bottom = self.size[0] - self.inner[0] - left, self.size[1] - self.inner[1] - top
        return cv2.copyMakeBorder(image, top, bottom, left, right, border, value=(value,))  # type: ignore[return-value]


def fit(photo: tuple[int, int], side: int, multiple: int) -> Canvas:
    """The canvas for a photograph: of about the model's area, its shape kept.

    Args:
        photo: width and height.
        side: of the square whose area is worked at; 1024 for Stable Diffusion XL.
        multiple: that the canvas' width and height must be of.

    >>> fit((500, 375), side=1024, multiple=32)
    Canvas(photo=(500, 375), inner=(1182, 887), size=(1184, 896))
    """
    width, height = photo
    scale = side / math.sqrt(width * height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    return Canvas(photo, inner, (_up(inner[0], multiple), _up(inner[1], multiple)))


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _resized(image: Pixels, size: tuple[int, int]) -> Pixels:
    before = (image.shape[1], image.shape[0])
    if before == size:
        return image
    how = cv2.INTER_AREA if _shrinks(before, size) else cv2.INTER_CUBIC
    return cv2.resize(image, size, interpolation=how)  # type: ignore[return-value]


def _shrinks(before: tuple[int, int], after: tuple[int, int]) -> bool:
    return math.prod(after) < math.prod(before)


def kept(photo: Photo, dilate: int) -> Mask:
    """Where the photograph stays: the object, grown (or, below 0, shrunk) by so many pixels, as the crow flies.

    Raises:
        Rejected: mask_empty: there is no object; mask_full: no background is left; mask_too_small: it shrinks away.
    """
    if not photo.mask.any():
        raise Rejected("mask_empty")
    if dilate > 0:
        grown = _distance(photo.outside) <= dilate
    elif dilate < 0:
        grown = _distance(photo.inside) > -dilate
    else:
        grown = photo.mask
    if grown.all():
        raise Rejected("mask_full", f"grown by {dilate} pixels, the object leaves nothing to paint")
    if not grown.any():
        raise Rejected("mask_too_small", f"shrunk by {-dilate} pixels, nothing is left of the object")
    return grown


def feathered(photo: Photo, painting: Pixels, feather: int) -> Pixels:
    """Blend photograph into painting over a rim around the object: d / (feather + 1) of the painting at distance d.

    Args:
        photo: the photograph and where its object is.
        painting: RGB, of its size.
        feather: width of the rim, pixels; 0 gives the painting as it is.
    """
    if not feather:
        return painting
    share = np.minimum(_distance(photo.outside) / np.float32(feather + 1), np.float32(1))[:, :, None]
    blended = photo.image + share * (painting.astype(np.float32) - photo.image)
    rounded: Pixels = np.rint(blended).astype(np.uint8)
    return rounded


def _distance(region: Pixels) -> MatLike:
    """The distance of each pixel of the region to the nearest one beside it, pixels; 0 outside the region."""
    return cv2.distanceTransform(region, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
