"""Reading and writing mask files: JSON annotations, PNG masks, EXIF orientation."""

from __future__ import annotations

import re
import unicodedata
from typing import TypeVar

import cv2
import numpy as np
from pydantic import BaseModel, ValidationError

from xray.core.errors import Rejected, rejecting
from xray.core.images import Decoded, upright
from xray.core.text import decode_text
from xray.masks.base import Mask
from xray.masks.fitting import same_shape

Document = TypeVar("Document", bound=BaseModel)

# Of a mask's pixels to its photograph's, and of those of a larger mask, so that small files cannot take much memory.
_MAX_SCALE, _MAX_PIXELS = 16, 64_000_000

# One bit per pixel at zlib level 1 takes a third to a half less time and space than OpenCV's default for 8 bits.
_PNG = (cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1)


def parse_json(model: type[Document], data: bytes) -> Document:
    """Validate JSON bytes against a pydantic model, or raise ValueError with the first problem and its location."""
    try:
        return model.model_validate_json(decode_text(data))
    except ValidationError as error:
        raise ValueError(first_problem(error)) from error


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a validation and its location."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    location = ".".join(str(part) for part in first["loc"])
    return f"{location}: {first['msg']}" if location else str(first["msg"])


def normal_name(name: str) -> str:
    """Return a form of a category's name that spellings of the same name share.

    >>> normal_name("Red_Fox ") == normal_name("red fox")
    True
    """
    return " ".join(re.split(r"[\s_-]+", unicodedata.normalize("NFKC", name).casefold())).strip()


def encode_mask(mask: Mask) -> bytes:
    """Encode a mask, shape (H, W), as a PNG with one bit per pixel; readers see the object as 255.

    >>> mask = np.eye(3, dtype=bool)
    >>> bool((decode_mask(encode_mask(mask)) == mask).all())
    True
    """
    return cv2.imencode(".png", mask.view(np.uint8) * np.uint8(255), _PNG)[1].tobytes()


def decode_mask(data: bytes) -> Mask:
    """Decode a mask written by `encode_mask`, shape (H, W), or reject it as corrupt_mask."""
    with rejecting("corrupt_mask"):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
    if pixels is None:
        raise Rejected("corrupt_mask", "no PNG")
    return pixels > 127


def orientation_of_mask(width: int, height: int, decoded: Decoded) -> int:
    """Return the EXIF orientation that must still be applied to a mask of this size; 1 means none.

    A mask of the shape of the upright image is taken as upright. A mask with the two sides swapped was drawn on the
    stored pixels of a rotated image (orientations 5–8) and is rotated with it. What the size does not tell, `drawn_on`
    decides (see `xray.masks.fitting`).

    Raises:
        Rejected: mask_wrong_size: another shape, or so large that it would take much memory.
    """
    image_height, image_width = decoded.image.shape[:2]
    pixels = image_width * image_height
    if width * height <= max(pixels, min(_MAX_SCALE * pixels, _MAX_PIXELS)):
        if (width, height) == (image_width, image_height):
            return 1
        if decoded.orientation >= 5 and (height, width) == (image_width, image_height):
            return decoded.orientation
        if same_shape((width, height), (image_width, image_height)):
            return 1
        if decoded.orientation >= 5 and same_shape((height, width), (image_width, image_height)):
            return decoded.orientation
    raise Rejected("mask_wrong_size", f"mask {width}×{height}, image {image_width}×{image_height}")


def apply_orientation(mask: Mask, orientation: int) -> tuple[Mask, tuple[str, ...]]:
    """Return the mask in upright orientation, and the note `mask_rotated_by_exif` if it was rotated."""
    if orientation == 1:
        return mask, ()
    return upright(mask.view(np.uint8), orientation).view(np.bool_), ("mask_rotated_by_exif",)
