"""Patches: what differs between a photograph and an edited copy of it, stored without loss."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from xray.core.errors import DamagedError
from xray.core.images import encode
from xray.core.types import Pixels


class Patch(NamedTuple):
    """The pixels of an image that differ from the photograph that it was made from.

    Args:
        rgba: RGBA, uint8, shape (h, w, 4), h and w ≥ 1: opaque (255) where it replaces the photograph, 0 elsewhere.
        x: column of its left edge in the photograph.
        y: row of its upper edge.
    """

    rgba: Pixels
    x: int
    y: int

    @property
    def replaced(self) -> int:
        """Number of pixels that it replaces."""
        return cv2.countNonZero(self.rgba[:, :, 3])

    def encode(self) -> bytes:
        """Encode it as PNG."""
        return encode(self.rgba, "png")

    @classmethod
    def decode(cls, data: bytes, x: int, y: int) -> Patch:
        """Decode what `encode` encoded.

        Raises:
            DamagedError: it is something else.
        """
        try:
            bgra = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
        except cv2.error as error:
            raise DamagedError(f"the patch is no RGBA image: {error}") from error
        if bgra is None or bgra.ndim != 3 or bgra.shape[2] != 4:
            raise DamagedError("the patch is no RGBA image")
        return cls(cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA), x, y)  # type: ignore[arg-type]

    def fits(self, width: int, height: int) -> bool:
        """Whether it lies within a photograph of this size."""
        h, w = self.rgba.shape[:2]
        return bool(0 <= self.x <= width - w and 0 <= self.y <= height - h)


def removed_patch(image: Pixels, removed: Pixels) -> Patch:
    """Return the pixels of `removed` that differ from `image`; both RGB, uint8, shape (H, W, 3).

    Of equal images it is one transparent pixel.

    >>> image = np.zeros((4, 6, 3), np.uint8)
    >>> removed = image.copy()
    >>> removed[1:3, 2:5] = 9
    >>> patch = removed_patch(image, removed)
    >>> patch.rgba.shape, patch.x, patch.y, patch.replaced
    ((2, 3, 4), 2, 1, 6)
    """
    differs = (image != removed).any(axis=2).view(np.uint8) * np.uint8(255)
    x, y, width, height = cv2.boundingRect(differs)
    rows, columns = slice(y, y + max(height, 1)), slice(x, x + max(width, 1))
    alpha = differs[rows, columns, None]
    return Patch(np.concatenate([removed[rows, columns] & alpha, alpha], axis=2), x, y)


def apply_patch(image: Pixels, patch: Patch) -> Pixels:
    """Return a copy of the photograph with the patch: the image that `removed_patch` was made of.

    Raises:
        DamagedError: the patch is not one of this photograph.
    """
    height, width = image.shape[:2]
    h, w = patch.rgba.shape[:2]
    if not patch.fits(width, height):
        raise DamagedError(f"patch {w}×{h} at ({patch.x}, {patch.y}), photograph {width}×{height}")
    result = image.copy()
    window = result[patch.y : patch.y + h, patch.x : patch.x + w]
    cv2.copyTo(cv2.cvtColor(patch.rgba, cv2.COLOR_RGBA2RGB), patch.rgba[:, :, 3], window)
    return result
