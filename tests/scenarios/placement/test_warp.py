from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from xray.core.types import Photo
from xray.scenarios.placement import Direction, Position, Size, place

from .objects import blob_photos, box_of, box_photo, crop


def red_disc(shape=(200, 200), radius=60):
    image = np.full((*shape, 3), 128, np.uint8)
    cv2.circle(image, (shape[1] // 2, shape[0] // 2), radius, (220, 20, 10), -1)
    return Photo(image, image[..., 0] == 220)


@pytest.mark.parametrize(
    "edit",
    [
        {"size": Size(rate=0.05)},
        {"size": Size(rate=0.005)},
        {"size": Size(rate=0.6)},
        {"size": Size(rate="fit", stretch=True)},
        {"direction": Direction(angle=17)},
        {"size": Size(rate=0.08), "direction": Direction(angle=-30), "position": Position(), "flip": True},
    ],
)
def test_no_colour_of_the_old_background(edit):
    placed = place(red_disc(), **edit).photo
    assert np.unique(placed.image[placed.mask], axis=0).tolist() == [[220, 20, 10]]


@given(blob_photos((60, 80)), st.integers(0, 255), st.floats(-180, 180))
def test_background_has_no_influence(photo, grey, angle):
    other = Photo(np.where(photo.mask[..., None], photo.image, np.uint8(grey)), photo.mask)
    edits = {"size": Size(rate=0.05), "direction": Direction(angle=angle)}
    placed, expected = place(photo, **edits).photo, place(other, **edits).photo
    np.testing.assert_array_equal(placed.mask, expected.mask)
    np.testing.assert_array_equal(placed.image[placed.mask], expected.image[placed.mask])


@given(blob_photos((80, 80)), st.sampled_from([90, 180, 270, -90, 360]), st.booleans())
def test_quarter_turns_and_flips_keep_every_pixel(photo, angle, flip):
    cut = Position(cut="allow", where="centre")
    placement = place(photo, direction=Direction(angle=angle, min_visible=0.01), flip=flip, position=cut)
    placed = placement.photo
    back = np.rot90(placed.image * placed.mask[..., None], -angle // 90)
    inside = np.rot90(placed.mask, -angle // 90)
    if flip:
        back, inside = back[:, ::-1], inside[:, ::-1]
    assert crop(Photo(back, inside)) == crop(photo)


def test_colours_are_interpolated_linearly():
    """Against scipy in float64, in the inner of the object, where nothing else has an influence."""
    photo = box_photo(slice(40, 160), slice(60, 140))
    smooth = Photo(cv2.GaussianBlur(photo.image, (0, 0), 2), photo.mask)
    placed = place(smooth, size=Size(rate=0.36), direction=Direction(angle=25)).photo
    scale, angle = np.sqrt(0.36 / 0.24), np.deg2rad(25)
    y, x = np.mgrid[85:115, 85:115] - 99.5
    columns = (np.cos(angle) * x - np.sin(angle) * y) / scale + 99.5
    rows = (np.sin(angle) * x + np.cos(angle) * y) / scale + 99.5
    for channel in range(3):
        expected = map_coordinates(smooth.image[..., channel].astype(float), [rows, columns], order=1)
        assert np.abs(placed.image[85:115, 85:115, channel] - expected).max() <= 1.5


def test_fine_texture_is_smoothed_before_it_is_made_smaller():
    photo = box_photo(slice(20, 180), slice(20, 180))
    stripes = np.where(np.arange(200) % 2, np.uint8(255), np.uint8(0))[None, :, None] + np.zeros_like(photo.image)
    placed = place(Photo(stripes, photo.mask), size=Size(rate=0.02)).photo
    left, top, right, bottom = box_of(placed)
    assert placed.image[top + 3 : bottom - 3, left + 3 : right - 3].std() < 64  # unsmoothed: about 127


def test_golden_pixels():
    image = np.zeros((8, 8, 3), np.uint8)
    image[..., 0] = np.arange(8) * 30
    image[..., 1] = np.arange(8)[:, None] * 30
    mask = np.zeros((8, 8), bool)
    mask[2:6, 2:6] = True
    placed = place(Photo(image, mask), size=Size(rate=36 / 64)).photo
    np.testing.assert_array_equal(placed.mask, np.pad(np.ones((6, 6), bool), 1))
    expected = np.array([60, 75, 95, 115, 135, 150])
    assert np.abs(placed.image[1, 1:7, 0].astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(placed.image[1:7, 1, 1], placed.image[1, 1:7, 0])
    assert not placed.image[~placed.mask].any()
