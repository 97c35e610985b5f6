from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from pydantic import ValidationError

from xray.scenarios import Photo, build_scenario

from .strategies import photos, pixels, seeds

# One row: two pixels of background, two of the object.
PHOTO = Photo(
    np.array([[[10, 20, 30], [30, 40, 51], [100, 0, 200], [200, 0, 101]]], np.uint8),
    np.array([[False, False, True, True]]),
)
OBJECT, BACKGROUND = PHOTO.image[0, 2:].tolist(), PHOTO.image[0, :2].tolist()


@pytest.mark.parametrize(
    ("fill", "filled"), [("black", [0, 0, 0]), ("white", [255, 255, 255]), ("mean", [150, 0, 150])]
)
def test_segmented(fill, filled):
    """150.5 rounds to the even 150."""
    image = build_scenario({"kind": "segmented", "fill": fill}).render(PHOTO, 0).image
    assert image[0].tolist() == [filled, filled, *OBJECT]


@pytest.mark.parametrize(("fill", "filled"), [("black", [0, 0, 0]), ("mean", [20, 30, 40])])
def test_no_object(fill, filled):
    """40.5 rounds to the even 40."""
    image = build_scenario({"kind": "no_object", "fill": fill}).render(PHOTO, 0).image
    assert image[0].tolist() == [*BACKGROUND, filled, filled]


@given(photo=photos())
def test_alpha_is_the_mask(photo):
    """By default nothing is left under alpha 0; the published code leaves the background."""
    for preset, under in ({}, 0), ({"preset": "ximagenet12"}, photo.image):
        image = build_scenario({"kind": "transparent", **preset}).render(photo, 0).image
        np.testing.assert_array_equal(image[..., 3], np.where(photo.mask, 255, 0))
        np.testing.assert_array_equal(image[..., :3], np.where(photo.mask[..., None], photo.image, under))


@pytest.mark.parametrize("fill", ["black", "white", "mean", "noise"])
@given(photo=photos(), seed=seeds)
def test_removed_pixels_have_no_influence(fill, photo, seed):
    """Another background gives the same cut-out; another object gives the same control."""
    other = pixels(*photo.mask.shape, seed=99)
    elsewhere = Photo(np.where(photo.mask[..., None], photo.image, other), photo.mask)
    scenario = build_scenario({"kind": "segmented", "fill": fill})
    np.testing.assert_array_equal(scenario.render(photo, seed).image, scenario.render(elsewhere, seed).image)
    if fill != "white":
        changed = Photo(np.where(photo.mask[..., None], other, photo.image), photo.mask)
        control = build_scenario({"kind": "no_object", "fill": fill})
        np.testing.assert_array_equal(control.render(photo, seed).image, control.render(changed, seed).image)


@given(photo=photos())
def test_mean_is_the_mean_of_the_kept_pixels(photo):
    image = build_scenario({"kind": "no_object", "fill": "mean"}).render(photo, 0).image
    if photo.mask.any() and not photo.mask.all():
        mean = photo.image[~photo.mask].mean(axis=0)
        assert np.abs(image[photo.mask] - mean).max() <= 0.5 + 1e-6
    elif photo.mask.all():
        assert not image.any()


def test_noise_is_uniform_and_covers_the_region():
    photo = Photo(np.zeros((200, 200, 3), np.uint8), np.zeros((200, 200), bool))
    image = build_scenario({"kind": "segmented", "fill": "noise"}).render(photo, 3).image
    counts = np.bincount(image.ravel(), minlength=256)
    expected = image.size / 256
    assert ((counts - expected) ** 2 / expected).sum() < 330.5  # the 0.1 % point with 255 degrees of freedom
    neighbours = np.corrcoef(image[:, 1:].ravel(), image[:, :-1].ravel())[0, 1]
    assert abs(neighbours) < 0.02


def test_control_is_never_white():
    with pytest.raises(ValidationError, match="fill"):
        build_scenario({"kind": "no_object", "fill": "white"})
