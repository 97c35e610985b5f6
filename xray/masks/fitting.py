"""Does a mask fit its image, also where the image was turned upright as its EXIF orientation says?"""

from __future__ import annotations

import numpy as np

from xray.core.errors import Rejected
from xray.core.images import Decoded, upright
from xray.masks.base import Mask


def turn_needed(width: int, height: int, decoded: Decoded) -> int:
    """The EXIF orientation by which a mask of this size has still to be turned; 1: none.

    A mask of the upright image's size is taken as upright. One with the sides swapped was drawn on the stored pixels of
    an image that lies on its side (orientations 5–8) and is turned with it. Square images, and orientations that
    keep the sides (2–4), leave no trace in the size: there masks must be upright.

    Raises:
        Rejected: mask_wrong_size.
    """
    image_height, image_width = decoded.image.shape[:2]
    if (width, height) == (image_width, image_height):
        return 1
    if decoded.orientation >= 5 and (height, width) == (image_width, image_height):
        return decoded.orientation
    raise Rejected("mask_wrong_size", f"mask {width}×{height}, image {image_width}×{image_height}")


def turn(mask: Mask, orientation: int) -> tuple[Mask, tuple[str, ...]]:
    """The mask turned upright, and the note `mask_rotated_by_exif` if that changed it."""
    if orientation == 1:
        return mask, ()
    return upright(mask.view(np.uint8), orientation).view(np.bool_), ("mask_rotated_by_exif",)
