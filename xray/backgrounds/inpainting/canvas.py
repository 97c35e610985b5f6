"""The geometry of inpainting: photographs on the canvas of a diffusion model, and back to their own size."""

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
    """The position of a photograph on a canvas; all sizes are (width, height) in pixels.

    Args:
        photo: size of the photograph.
        inner: size of the photograph on the canvas: scaled by one factor, rounded to whole pixels.
        size: size of the canvas: `inner`, padded on both sides.
    """

    photo: tuple[int, int]
    inner: tuple[int, int]
    size: tuple[int, int]

    @property
    def corner(self) -> tuple[int, int]:
        """The x and y of the centred photograph's upper left corner."""
        return (self.size[0] - self.inner[0]) // 2, (self.size[1] - self.inner[1]) // 2

    @property
    def scale(self) -> float:
        """Canvas pixels per pixel of the photograph, along a side."""
        return math.sqrt(math.prod(self.inner) / math.prod(self.photo))

    def scale_and_pad(self, photo: Pixels) -> Pixels:
        """Return the photograph on the canvas, RGB, shape (H, W, 3); the padding repeats its outermost pixels.

        Repeated, not mirrored: an object that touches the border would be mirrored as a twin.
        """
        return self._pad(_resize(photo, self.inner), cv2.BORDER_REPLICATE)

    def inpaint_mask(self, kept: Mask, cell: int = 1) -> Pixels:
        """Return 255 where to inpaint, padding included, and 0 where the photograph stays; uint8, shape (H, W).

        A canvas pixel stays if any part of it is kept, and so does a cell: no thin part of the object is lost.

        Args:
            kept: True where the photograph stays, of its size.
            cell: side of the squares that stay or are inpainted as a whole, canvas pixels; divides the canvas' sides.
        """
        method = cv2.INTER_AREA if _shrinks(self.photo, self.inner) else cv2.INTER_NEAREST_EXACT
        share = cv2.resize(kept.astype(np.float32), self.inner, interpolation=method)
        mask: Pixels = self._pad(np.where(share > 0, np.uint8(0), np.uint8(255)), cv2.BORDER_CONSTANT, 255)
        cells = mask.reshape(self.size[1] // cell, cell, self.size[0] // cell, cell).min(axis=(1, 3))
        mask = cells.repeat(cell, axis=0).repeat(cell, axis=1)
        if not self._crop(mask).any():
            raise Rejected("mask_full", f"the object fills all of the {self.photo[0]}×{self.photo[1]} pixels")
        return mask

    def crop_and_scale(self, image: Pixels) -> Pixels:
        """Return an image of the canvas without its padding, at the photograph's size."""
        return _resize(self._crop(image), self.photo)

    def _crop(self, image: Pixels) -> Pixels:
        x, y = self.corner
        return image[y : y + self.inner[1], x : x + self.inner[0]]

    def _pad(self, image: MatLike, border: int, value: int = 0) -> Pixels:
        left, top = self.corner
        right, bottom = self.size[0] - self.inner[0] - left, self.size[1] - self.inner[1] - top
        return cv2.copyMakeBorder(image, top, bottom, left, right, border, value=(value,))  # type: ignore[return-value]


def fit_canvas(photo: tuple[int, int], side: int, multiple: int) -> Canvas:
    """Return the canvas for a photograph (width, height): the one of `canvas_sizes` with the nearest aspect ratio.

    The photograph is scaled, its aspect ratio kept, until it touches two sides.

    >>> fit_canvas((500, 375), side=1024, multiple=32)
    Canvas(photo=(500, 375), inner=(1152, 864), size=(1152, 896))
    """
    width, height = photo
    size = min(canvas_sizes(side, multiple), key=lambda size: abs(math.log(size[0] / size[1] * height / width)))
    scale = min(size[0] / width, size[1] / height)
    return Canvas(photo, (max(1, round(width * scale)), max(1, round(height * scale))), size)


@functools.cache
def canvas_sizes(side: int, multiple: int) -> tuple[tuple[int, int], ...]:
    """Return all sizes of canvases, (width, height), of about the model's area: few, so that batches fill up.

    Their short sides are a sixteenth of the model's side apart, rounded up to the next multiple: 64 pixels for Stable
    Diffusion XL, as in its training (Podell et al. 2023, section 2.3 and appendix I).

    Args:
        side: side of the square with the model's area, pixels; 1024 for Stable Diffusion XL.
        multiple: divisor of width and height.

    >>> canvas_sizes(1024, 32)[-5:]
    ((896, 1152), (1152, 896), (960, 1088), (1088, 960), (1024, 1024))
    """
    step = multiple * math.ceil(side / 16 / multiple)
    sizes: dict[tuple[int, int], None] = {}
    for short in range(step, step * max(1, round(side / step)) + 1, step):
        long = max(short, step * round(side * side / short / step))
        sizes |= dict.fromkeys([(short, long), (long, short)])
    return tuple(sizes)


def _resize(image: Pixels, size: tuple[int, int]) -> Pixels:
    before = (image.shape[1], image.shape[0])
    if before == size:
        return image
    method = cv2.INTER_AREA if _shrinks(before, size) else cv2.INTER_CUBIC
    return cv2.resize(image, size, interpolation=method)  # type: ignore[return-value]


def _shrinks(before: tuple[int, int], after: tuple[int, int]) -> bool:
    return math.prod(after) < math.prod(before)


def kept_region(photo: Photo, dilate: int) -> Mask:
    """Return what the model sees of the photograph: the object, grown (below 0: shrunk) by a distance in pixels."""
    if not photo.mask.any():
        raise Rejected("mask_empty")
    if dilate > 0:
        kept = _distance(photo.outside) <= dilate
    elif dilate < 0:
        kept = _distance(photo.inside) > -dilate
    else:
        kept = photo.mask
    if kept.all():
        raise Rejected("mask_full", f"the object, grown by {dilate} pixels, leaves nothing to inpaint")
    if not kept.any():
        raise Rejected("mask_too_small", f"nothing is left of the object after shrinking it by {-dilate} pixels")
    return kept


def extend_kept_pixels(photo: Pixels, kept: Mask) -> Pixels:
    """Return the photograph with every pixel outside the kept region replaced by the nearest kept pixel.

    So scaling and encoding mix nothing of the removed pixels into the kept ones. At least one pixel must be kept.
    """
    removed = (~kept).view(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(removed, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    colour_of_label = np.empty((int(nearest.max()) + 1, 3), np.uint8)
    colour_of_label[nearest[kept]] = photo[kept]
    extended: Pixels = colour_of_label[nearest]
    return extended


def seed_colours(seed: int) -> Pixels:
    """Return nine muted colours, shape (3, 3, 3): each is the mean of a grey that they share and a random colour.

    So mean brightness varies between seeds about as much as between photographs.

    >>> seed_colours(7)[0]
    array([[106, 184, 190],
           [154, 102,  72],
           [149, 144, 122]], dtype=uint8)
    """
    values = noise((28,), seed).astype(np.uint16)
    muted: Pixels = ((values[0] + values[1:]) // 2).astype(np.uint8).reshape(3, 3, 3)
    return muted


def colour_field(size: tuple[int, int], seed: int) -> Pixels:
    """Return a canvas, of size (width, height), of `seed_colours`, interpolated linearly."""
    # The only smooth interpolation of OpenCV that is bit-exact on every machine.
    return cv2.resize(seed_colours(seed), size, interpolation=cv2.INTER_LINEAR_EXACT)  # type: ignore[return-value]


def feather_edge(photo: Photo, inpainted: Pixels, feather: int) -> Pixels:
    """Blend the photograph into the inpainted image around the object.

    The weight of the inpainted image is d / (feather + 1) at distance d from the object, in pixels, at most 1.
    """
    if not feather:
        return inpainted
    weight = np.minimum(_distance(photo.outside) / np.float32(feather + 1), np.float32(1))[:, :, None]
    blended = photo.image + weight * (inpainted.astype(np.float32) - photo.image)
    rounded: Pixels = np.rint(blended).astype(np.uint8)
    return rounded


def _distance(region: Pixels) -> MatLike:
    """Return the distance, in pixels, of each pixel of the region to the nearest one outside; 0 outside."""
    return cv2.distanceTransform(region, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
