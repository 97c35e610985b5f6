"""Photographs on the canvas that a diffusion model paints on, and the painting back at the photograph's size."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike

from xray.core.compositing import noise
from xray.core.errors import Rejected
from xray.core.types import Mask, Photo, Pixels


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

    @property
    def scale(self) -> float:
        """Pixels of the canvas for a pixel of the photograph, along a side."""
        return math.sqrt(math.prod(self.inner) / math.prod(self.photo))

    def image(self, photo: Pixels) -> Pixels:
        """The photograph on the canvas, its outermost pixels repeated in the padding.

        Repeated, not mirrored: an object that touches the frame would have a twin there.
        """
        return self._padded(_resized(photo, self.inner), cv2.BORDER_REPLICATE)

    def to_paint(self, kept: Mask, cell: int = 1) -> Pixels:
        """What is to be painted: 255 there and in the padding, 0 where the photograph stays; shape (H, W).

        A canvas pixel stays if any part of it does, and so does a cell: no thin part gets lost on the way.

        Args:
            kept: where the photograph stays, of its size.
            cell: side of the squares that stay or are painted as a whole, in canvas pixels; divides the canvas' sides.

        Raises:
            Rejected: mask_full: nothing is left to paint.
        """
        how = cv2.INTER_AREA if _shrinks(self.photo, self.inner) else cv2.INTER_NEAREST_EXACT
        share = cv2.resize(kept.astype(np.float32), self.inner, interpolation=how)
        paint: Pixels = self._padded(np.where(share > 0, np.uint8(0), np.uint8(255)), cv2.BORDER_CONSTANT, 255)
        cells = paint.reshape(self.size[1] // cell, cell, self.size[0] // cell, cell).min(axis=(1, 3))
        paint = cells.repeat(cell, axis=0).repeat(cell, axis=1)
        if not self._inside(paint).any():
            raise Rejected("mask_full", f"the object fills all of the {self.photo[0]}×{self.photo[1]} pixels")
        return paint

    def back(self, painting: Pixels) -> Pixels:
        """A painted canvas without its padding, at the photograph's size."""
        return _resized(self._inside(painting), self.photo)

    def _inside(self, image: Pixels) -> Pixels:
        x, y = self.corner
        return image[y : y + self.inner[1], x : x + self.inner[0]]

    def _padded(self, image: MatLike, border: int, value: int = 0) -> Pixels:
        left, top = self.corner
        right, bottom = self.size[0] - self.inner[0] - left, self.size[1] - self.inner[1] - top
        return cv2.copyMakeBorder(image, top, bottom, left, right, border, value=(value,))  # type: ignore[return-value]


def fit(photo: tuple[int, int], side: int, multiple: int) -> Canvas:
    """The canvas for a photograph: of all that the model paints on, the one whose shape is nearest to the photograph's.

    The photograph is scaled until it touches two sides; its own shape is kept.

    Args:
        photo: width and height.
        side: of the square whose area is worked at; 1024 for Stable Diffusion XL.
        multiple: that the canvas' width and height must be of.

    >>> fit((500, 375), side=1024, multiple=32)
    Canvas(photo=(500, 375), inner=(1152, 864), size=(1152, 896))
    """
    width, height = photo
    size = min(sizes(side, multiple), key=lambda size: abs(math.log(size[0] / size[1] * height / width)))
    scale = min(size[0] / width, size[1] / height)
    return Canvas(photo, (max(1, round(width * scale)), max(1, round(height * scale))), size)


@functools.cache
def sizes(side: int, multiple: int) -> tuple[tuple[int, int], ...]:
    """All sizes of canvases, of about the model's area: few, so that photographs of many shapes make whole batches.

    Their short sides are a sixteenth of the model's side apart, or the next multiple: 64 pixels for Stable Diffusion
    XL, as it was trained (Podell et al. 2023, section 2.3 and appendix I).

    Args:
        side: of the square whose area is worked at.
        multiple: that width and height must be of.

    >>> sizes(1024, 32)[-5:]
    ((896, 1152), (1152, 896), (960, 1088), (1088, 960), (1024, 1024))
    """
    step = _up(-(-side // 16), multiple)
    found: dict[tuple[int, int], None] = {}
    for short in range(step, step * max(1, round(side / step)) + 1, step):
        long = max(short, step * round(side * side / short / step))
        found |= dict.fromkeys([(short, long), (long, short)])
    return tuple(found)


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


def spread(photo: Pixels, kept: Mask) -> Pixels:
    """The photograph with all that does not stay taken over by the nearest pixels that do.

    So nothing of the rest gets into what stays when it is scaled or encoded.

    Args:
        photo: RGB, shape (H, W, 3).
        kept: where it stays, shape (H, W); somewhere at least.
    """
    gone = (~kept).view(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(gone, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    of_each = np.empty((int(nearest.max()) + 1, 3), np.uint8)
    of_each[nearest[kept]] = photo[kept]
    taken_over: Pixels = of_each[nearest]
    return taken_over


def colours(seed: int) -> Pixels:
    """Nine muted colours, shape (3, 3, 3): each is half a grey that they share, half a colour of its own.

    So brightness as a whole differs from seed to seed about as much as it does among photographs.

    >>> colours(7)[0]
    array([[106, 184, 190],
           [154, 102,  72],
           [149, 144, 122]], dtype=uint8)
    """
    drawn = noise((28,), seed).astype(np.uint16)
    muted: Pixels = ((drawn[0] + drawn[1:]) // 2).astype(np.uint8).reshape(3, 3, 3)
    return muted


def field(size: tuple[int, int], seed: int) -> Pixels:
    """A canvas in the colours of a seed, which pass into each other; depends on nothing else.

    Args:
        size: of the canvas, width and height.
        seed: of the picture.
    """
    # Of OpenCV's smooth interpolations the one that is exact to the bit on every machine.
    return cv2.resize(colours(seed), size, interpolation=cv2.INTER_LINEAR_EXACT)  # type: ignore[return-value]


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
