"""Tiles of the background in the object's bounding box, as in ImageNet-9."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from xray.backgrounds.removal.base import Remover
from xray.backgrounds.removal.hole import box_mask, check_background, fill_hole, object_box
from xray.core.plugins import settings
from xray.core.types import Photo, Pixels, Presets


@settings
class Tile(Remover):
    """The largest strip of background beside the object's bounding box, tiled over the box: only_bg_t of ImageNet-9.

    The four strips reach from the box to the edge of the photograph, over its full height or width. The wider one of
    left and right (right if equal) competes with the taller one of top and bottom (bottom if equal) and wins if its
    area is strictly larger. Its tiles start at the upper left corner of the photograph, and the box shows a part of
    them. Pixels beyond the box stay.

    Source: Xiao et al., "Noise or signal: the role of image backgrounds in object recognition", ICLR 2021.
    """

    name: ClassVar[str] = "tile"
    summary: ClassVar[str] = "ImageNet-9's only_bg_t: the largest strip of background, tiled over the object's box"
    presets: ClassVar[Presets] = {"imagenet9": {}}
    caveat: ClassVar[str] = "`tile` leaves the edges of the object's box and of the tiles visible"

    def remove(self, photo: Photo, seed: int) -> Pixels:
        """See `Remover.remove`; the seed has no effect.

        Raises:
            Rejected: mask_empty; background_too_small, also where the box reaches all four edges.
        """
        box = object_box(photo)
        hole = check_background(box_mask(photo.mask.shape, box))
        return fill_hole(photo, hole, tiled(largest_strip(photo.image, box), *photo.mask.shape))


def largest_strip(image: Pixels, box: tuple[int, int, int, int]) -> Pixels:
    """Return the strip of an image, shape (H, W, 3), that is tiled; see `Tile`. The box must leave one.

    >>> image = np.zeros((10, 20, 3), np.uint8)
    >>> largest_strip(image, (8, 2, 14, 8)).shape  # left 8×10 = 80, bottom 20×2 = 40
    (10, 8, 3)
    >>> largest_strip(image, (4, 2, 16, 8)).shape  # right 4×10 = 40, bottom 20×2 = 40: a tie
    (2, 20, 3)
    """
    left, top, right, bottom = box
    height, width = image.shape[:2]
    side = image[:, :left] if left > width - right else image[:, right:]
    level = image[:top] if top > height - bottom else image[bottom:]
    return side if side.size > level.size else level


def tiled(tile: Pixels, height: int, width: int) -> Pixels:
    """Return an image of a size, filled with copies of a tile from its upper left corner on."""
    rows, columns = -(-height // tile.shape[0]), -(-width // tile.shape[1])
    return np.ascontiguousarray(np.tile(tile, (rows, columns, 1))[:height, :width])
