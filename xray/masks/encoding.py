"""Masks as the tables hold them: PNG with one bit a pixel."""

from __future__ import annotations

import cv2
import numpy as np

from xray.core.errors import Rejected
from xray.masks.base import Mask

# One bit a pixel at zlib's level 1 takes a third to a half less time and space than OpenCV's default for 8 bits.
_PNG = (cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1)


def encode_mask(mask: Mask) -> bytes:
    """A mask, shape (H, W), as a PNG with one bit a pixel; readers show the object as 255.

    >>> mask = np.eye(3, dtype=bool)
    >>> bool((decode_mask(encode_mask(mask)) == mask).all())
    True
    """
    return cv2.imencode(".png", mask.astype(np.uint8) * np.uint8(255), _PNG)[1].tobytes()


def decode_mask(data: bytes) -> Mask:
    """The mask that `encode_mask` made, shape (H, W).

    Raises:
        Rejected: corrupt_mask.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error as error:  # what OpenCV makes of no bytes at all
        raise Rejected("corrupt_mask", "no PNG") from error
    if pixels is None:
        raise Rejected("corrupt_mask", "no PNG")
    return pixels > 127
