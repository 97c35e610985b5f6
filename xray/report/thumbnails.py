"""Stored images as small JPEGs embedded in the page."""

from __future__ import annotations

import base64
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.core.images import Limits, decode, encode
from xray.masks import Mask, decode_mask
from xray.sources.base import Box

Pixels = NDArray[np.uint8]
_ANY_SIZE = Limits(max_pixels=2**31, min_side=1)
_QUALITY = 82


def thumbnail(data: bytes, side: int) -> str:
    """Return an encoded image as a `data:` URI, its longer side at most `side` pixels.

    Transparent pixels become black, as models receive them.
    """
    return _data_uri(_shrink(decode(data, _ANY_SIZE).image, side))


def outline_thumbnail(row: Mapping[Hashable, Any], side: int) -> str:
    """Return the `thumbnail` of a row of IMAGES with the outline of the object in white on black."""
    image = np.ascontiguousarray(_shrink(decode(row["image"]["bytes"], _ANY_SIZE).image, side))
    inside = decode_mask(row["mask"]["bytes"]).astype(np.uint8) * np.uint8(255)
    small = cv2.resize(inside, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_AREA)
    _draw_outline(image, small > 127)
    return _data_uri(image)


def mask_thumbnail(image: Pixels, mask: Mask | None, boxes: Sequence[Box] = ()) -> str:
    """Return an image as a `data:` URI: what is outside of the mask is darker, and its outline and boxes are white.

    Args:
        image: RGB, uint8, shape (H, W, 3), of the size to show.
        mask: True on the object, shape (H, W), if there is one.
        boxes: x0, y0, x1, y1 in pixels of the image.
    """
    shown = image.copy()
    if mask is not None:
        shown[~mask] //= 3
        _draw_outline(shown, mask)
    for box in boxes:
        x0, y0, x1, y1 = (round(side) for side in np.clip(box, -1e4, 1e4).tolist())
        cv2.rectangle(shown, (x0, y0), (x1 - 1, y1 - 1), (0, 0, 0), 3)
        cv2.rectangle(shown, (x0, y0), (x1 - 1, y1 - 1), (255, 255, 255), 1)
    return _data_uri(shown)


def _draw_outline(image: Pixels, mask: Mask) -> None:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, contours, -1, (0, 0, 0), 3)
    cv2.drawContours(image, contours, -1, (255, 255, 255), 1)


def _shrink(image: Pixels, side: int) -> Pixels:
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _data_uri(image: Pixels) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(encode(image, "jpeg", _QUALITY)).decode("ascii")
