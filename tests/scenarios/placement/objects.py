"""Photographs with simple objects, and Hypothesis strategies for irregular ones."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import strategies as st

from xray.core.types import Photo


def box_photo(rows: slice, columns: slice, shape: tuple[int, int] = (200, 200)) -> Photo:
    """A rectangle of noise on noise."""
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return Photo(np.random.default_rng(7).integers(0, 256, (*shape, 3), dtype=np.uint8), mask)


def crop(photo: Photo) -> bytes:
    """The object's pixels in its bounding box, on black."""
    rows, columns = np.nonzero(photo.mask)
    window = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return (photo.image * photo.mask[..., None])[window].tobytes()


def box_of(photo: Photo) -> tuple[int, int, int, int]:
    """Left, top, right and bottom edge."""
    rows, columns = np.nonzero(photo.mask)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@st.composite
def blob_photos(draw: st.DrawFn, frame: tuple[int, int] = (375, 500)) -> Photo:
    """An ellipse, perhaps with a second part, of 3 to 40 % of the frame; it may touch the frame."""
    height, width = frame
    mask = np.zeros(frame, np.uint8)
    for _ in range(draw(st.integers(1, 2))):
        centre = draw(st.integers(width // 4, 3 * width // 4)), draw(st.integers(height // 4, 3 * height // 4))
        axes = draw(st.integers(width // 10, width // 4)), draw(st.integers(height // 10, height // 3))
        cv2.ellipse(mask, centre, axes, draw(st.integers(0, 179)), 0, 360, 1, -1)
    image = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, (*frame, 3), dtype=np.uint8)
    return Photo(image, mask > 0)
