from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.removal_inputs import boxed, noisy, photos

from xray.backgrounds.removal.hole import MIN_BACKGROUND, check_background, dilated, fill_hole, object_hole
from xray.core.errors import Rejected
from xray.core.types import Photo


def test_dilation_is_euclidean() -> None:
    mask = np.zeros((21, 21), bool)
    mask[10, 10] = True
    y, x = np.mgrid[-10:11, -10:11]
    assert np.array_equal(dilated(mask, 5), np.hypot(x, y) <= 5)
    assert dilated(mask, 0) is mask


@pytest.mark.parametrize(("rows", "reason"), [(95, None), (96, "background_too_small"), (100, "background_too_small")])
def test_share_of_background(rows: int, reason: str | None) -> None:
    assert MIN_BACKGROUND == 0.05
    hole = np.zeros((100, 40), bool)
    hole[:rows] = True
    if reason is None:
        assert check_background(hole) is hole
        return
    with pytest.raises(Rejected) as caught:
        check_background(hole)
    assert caught.value.reason == reason


def test_dilation_counts_as_area() -> None:
    photo = boxed(60, 60, (4, 4, 56, 56))
    assert object_hole(photo, 0).sum() == 52 * 52
    with pytest.raises(Rejected) as caught:
        object_hole(photo, 4)
    assert caught.value.reason == "background_too_small"


@given(photo=photos(), feather=st.integers(0, 9))
def test_only_the_hole_changes(photo: Photo, feather: int) -> None:
    before = photo.image.copy()
    filling = noisy(*photo.mask.shape, seed=1)
    result = fill_hole(photo, photo.mask, filling, feather)
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    assert not np.shares_memory(result, photo.image)
    assert np.array_equal(photo.image, before)
    assert np.array_equal(result[~photo.mask], before[~photo.mask])
    if (np.ptp(before, axis=2) == 0).all():
        assert (np.ptp(result, axis=2) == 0).all()
    elif not feather:
        assert np.array_equal(result[photo.mask], filling[photo.mask])


def test_feather_blends_inside_the_hole() -> None:
    photo = Photo(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), bool))
    photo.image[0, 0, 0] = 1  # not grey
    hole = photo.mask.copy()
    hole[4:16, 4:16] = True
    row = fill_hole(photo, hole, np.full((20, 20, 3), 200, np.uint8), feather=3)[10, :9, 0]
    assert row.tolist() == [0, 0, 0, 0, 50, 100, 150, 200, 200]
