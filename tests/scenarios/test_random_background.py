from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.compositing import crop_to_size
from xray.core.errors import Rejected
from xray.core.types import DonorRule
from xray.scenarios import Photo, build_scenario

from .strategies import images, photos, pixels, seeds

ALPHA = build_scenario("random_background")
ADDITIVE = build_scenario({"kind": "random_background", "preset": "ximagenet12"})


def corner_object(height, width):
    """A white object in the upper right quarter."""
    mask = np.zeros((height, width), bool)
    mask[: height // 2, width // 2 :] = True
    return Photo(np.full((height, width, 3), 255, np.uint8), mask)


def test_donor_of_the_photos_height_is_cropped_not_scaled():
    photo, donor = corner_object(4, 6), pixels(4, 50)
    positions = set()
    for seed in range(500):
        picture = ALPHA.render(photo, seed, donor)
        x, y, width, height = picture.sampled["donor_window"]
        assert (y, width, height) == (0, 6, 4)
        expected = np.where(photo.mask[..., None], 255, donor[:, x : x + 6])
        np.testing.assert_array_equal(picture.image, expected)
        positions.add(x)
    assert positions == set(range(45))


def test_larger_donor_is_averaged():
    """Twice the size: each pixel is the mean of 2×2, exactly."""
    photo = Photo(np.zeros((3, 4, 3), np.uint8), np.zeros((3, 4), bool))
    donor = 4 * np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3) // 4
    means = donor.reshape(3, 2, 4, 2, 3).mean(axis=(1, 3))
    picture = ALPHA.render(photo, 0, donor)
    assert picture.sampled == {"donor_window": [0, 0, 8, 6]}
    assert np.abs(picture.image - means).max() <= 0.5


def test_smaller_donor_is_interpolated():
    """A ramp stays a ramp, within the ripple of the cubic kernel; nearest neighbours would be 7.5 off."""
    photo = Photo(np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40), bool))
    donor = np.repeat(np.arange(0, 200, 20, dtype=np.uint8)[None, :, None], 10, axis=0).repeat(3, axis=2)
    image = ALPHA.render(photo, 0, donor).image.astype(int)
    ramp = 20 * ((np.arange(40) + 0.5) / 4 - 0.5)
    assert np.abs(image - ramp[:, None])[:, 8:-8].max() <= 1.5
    assert not np.diff(image, axis=0).any()


@given(donor=images(max_side=60), width=st.integers(1, 40), height=st.integers(1, 40), seed=seeds)
def test_window_is_the_largest_of_its_aspect(donor, width, height, seed):
    image, (x, y, crop_width, crop_height) = crop_to_size(donor, width, height, seed)
    donor_height, donor_width = donor.shape[:2]
    assert image.shape == (height, width, 3)
    assert 0 <= x <= donor_width - crop_width
    assert 0 <= y <= donor_height - crop_height
    assert crop_width == donor_width or crop_height == donor_height
    scale = max(width / donor_width, height / donor_height)
    assert abs(crop_width - width / scale) <= 0.5 + 1e-9 or crop_width == 1
    assert abs(crop_height - height / scale) <= 0.5 + 1e-9 or crop_height == 1


def test_very_long_donor_needs_only_its_window():
    """Scaled as a whole it would be 400 × 4,000,000 pixels."""
    image, window = crop_to_size(np.full((2, 20_000, 3), 7, np.uint8), 400, 400, seed=1)
    assert window[2:] == (2, 2)
    assert (image == 7).all()


@given(photo=photos(), seed=seeds)
def test_additive_is_the_saturated_sum_of_donor_and_segmented_object(photo, seed):
    """With a donor of the photo's size, so that nothing is stretched."""
    donor = pixels(*photo.mask.shape, seed=11)
    picture = ADDITIVE.render(photo, seed, donor)
    segmented = photo.image.astype(int) * photo.mask[..., None]
    np.testing.assert_array_equal(picture.image, np.minimum(donor + segmented, 255))
    np.testing.assert_array_equal(picture.mask, photo.mask)


def test_additive_stretches_object_and_mask_to_the_donor():
    photo = Photo(np.full((20, 10, 3), (90, 0, 250), np.uint8), corner_object(20, 10).mask)
    picture = ADDITIVE.render(photo, 0, np.full((40, 60, 3), 20, np.uint8))
    expected = np.zeros((40, 60), bool)
    expected[:20, 30:] = True
    np.testing.assert_array_equal(picture.mask, expected)
    assert (picture.image[:19, 33:] == (110, 20, 255)).all()
    assert (picture.image[21:] == 20).all()
    assert (picture.image[:, :27] == 20).all()


@pytest.mark.parametrize("scenario", [ALPHA, ADDITIVE])
def test_missing_donor_is_rejected(scenario):
    assert scenario.donor_rule
    with pytest.raises(Rejected) as rejected:
        scenario.render(corner_object(4, 4), 0)
    assert rejected.value.reason == "no_donor"


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({}, DonorRule("any", removed=True)),
        ({"donor": "whole"}, DonorRule("other", removed=False)),
        ({"preset": "ximagenet12"}, DonorRule("other", removed=False)),
        ({"category": "same"}, DonorRule("same", removed=True)),
        ({"donor": "whole", "category": "next"}, DonorRule("next", removed=False)),
    ],
)
def test_donors_are_of_any_category_only_without_their_objects(settings, rule):
    assert build_scenario({"kind": "random_background", **settings}).donor_rule == rule
