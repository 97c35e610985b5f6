from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import DamagedError
from xray.core.images import encode
from xray.core.patches import Patch, apply_patch, removed_patch


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5), st.integers(0, 2**32))
def test_a_patch_gives_the_edited_image_back_bit_for_bit(height: int, width: int, changes: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    image = draw.integers(0, 256, (height, width, 3), dtype=np.uint8)
    removed = image.copy()
    for _ in range(changes):
        y, x = draw.integers(height), draw.integers(width)
        removed[y : y + draw.integers(1, 9), x : x + draw.integers(1, 9), draw.integers(3)] ^= np.uint8(
            draw.integers(256)
        )
    differs = (image != removed).any(axis=2)
    patch = removed_patch(image, removed)
    stored = Patch.decode(patch.encode(), patch.x, patch.y)
    before = image.copy()
    assert np.array_equal(apply_patch(image, stored), removed)
    assert np.array_equal(image, before)
    assert stored.replaced == differs.sum()
    if changes and differs.any():
        rows, columns = np.nonzero(differs)
        box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert (stored.x, stored.y, stored.rgba.shape[1], stored.rgba.shape[0]) == box


def test_equal_images_differ_by_one_transparent_pixel() -> None:
    image = np.full((3, 4, 3), 7, np.uint8)
    patch = removed_patch(image, image)
    assert (patch.rgba.tolist(), patch.x, patch.y, patch.replaced) == ([[[0, 0, 0, 0]]], 0, 0, 0)
    assert np.array_equal(apply_patch(image, patch), image)


@pytest.mark.parametrize("data", [b"", b"no image", encode(np.zeros((4, 4, 3), np.uint8), "png")])
def test_what_is_no_patch_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedError, match="patch"):
        Patch.decode(data, 0, 0)


@pytest.mark.parametrize("corner", [(-1, 0), (0, -1), (3, 0), (0, 2)])
def test_a_patch_of_another_photograph_is_refused(corner: tuple[int, int]) -> None:
    patch = Patch(np.full((2, 2, 4), 255, np.uint8), *corner)
    with pytest.raises(DamagedError, match="patch"):
        apply_patch(np.zeros((3, 4, 3), np.uint8), patch)
