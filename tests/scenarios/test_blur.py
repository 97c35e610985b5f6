from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.ndimage import correlate1d

from xray.scenarios import Photo, build_scenario
from xray.scenarios.blur import BlurBackground, BlurObject

from .strategies import photos, pixels

kernels = st.integers(0, 15).map(lambda radius: 2 * radius + 1)
sigmas = st.floats(0.5, 10)


def exact_blur(image, kernel, sigma):
    """The truncated Gaussian in float64; scipy's `mirror` is OpenCV's `reflect 101`."""
    offsets = np.arange(kernel) - kernel // 2
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    return correlate1d(correlate1d(image.astype(float), weights, 0, mode="mirror"), weights, 1, mode="mirror")


def exact_blur_outside(photo, kernel, sigma):
    background = ~photo.mask[..., None]
    colours = exact_blur(photo.image * background, kernel, sigma)
    with np.errstate(invalid="ignore", divide="ignore"):
        return colours / exact_blur(background, kernel, sigma)


@given(photo=photos(), kernel=kernels, sigma=sigmas)
def test_background_is_blurred_alone(photo, kernel, sigma):
    image = BlurBackground(kernel=kernel, sigma=sigma).render(photo, 0).image
    expected = exact_blur_outside(photo, kernel, sigma)
    assert_near(image[~photo.mask], expected[~photo.mask])


@given(photo=photos(), kernel=kernels, sigma=sigmas)
def test_object_is_blurred_with_the_whole_image(photo, kernel, sigma):
    image = BlurObject(kernel=kernel, sigma=sigma).render(photo, 0).image
    assert_near(image[photo.mask], exact_blur(photo.image, kernel, sigma)[photo.mask])


@given(photo=photos())
def test_preset_pastes_the_object_into_the_blurred_image(photo):
    """The published code: everything blurred with 15×15 pixels and σ = 3, the object put back."""
    image = build_scenario({"kind": "blur_background", "preset": "ximagenet12"}).render(photo, 0).image
    expected = np.where(photo.mask[..., None], photo.image, exact_blur(photo.image, 15, 3))
    assert_near(image, expected)


def assert_near(image, expected):
    """Equal within rounding: 0.51 of 255 grey levels."""
    assert image.size == 0 or np.abs(image - expected).max() <= 0.51


def test_large_photo():
    image = pixels(375, 500)
    mask = np.hypot(*(np.indices((375, 500)) - np.array([180, 250])[:, None, None])) < 120
    photo = Photo(image, mask)
    assert_near(BlurBackground().render(photo, 0).image[~mask], exact_blur_outside(photo, 15, 3)[~mask])
    assert_near(BlurObject().render(photo, 0).image[mask], exact_blur(image, 15, 3)[mask])


def red_on_grey() -> Photo:
    image = np.full((60, 80, 3), 100, np.uint8)
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:80] = True
    image[mask] = 255, 0, 0
    return Photo(image, mask)


def test_no_halo():
    photo = red_on_grey()
    np.testing.assert_array_equal(build_scenario("blur_background").render(photo, 0).image, photo.image)


def test_preset_has_a_halo_within_the_kernels_reach():
    photo = red_on_grey()
    image = build_scenario({"kind": "blur_background", "preset": "ximagenet12"}).render(photo, 0).image.astype(int)
    reddish = (image[..., 0] > image[..., 1]) & ~photo.mask
    near = np.zeros_like(photo.mask)
    near[13:47, 23:80] = True
    assert reddish[19, 30:].all()
    assert reddish[20:40, 29].all()
    assert not reddish[~near].any()


def test_enclosed_background_pixel_keeps_its_colour():
    image = np.zeros((41, 41, 3), np.uint8)
    image[20, 20] = 10, 200, 90
    mask = np.ones((41, 41), bool)
    mask[20, 20] = False
    image[mask] = 255
    assert BlurBackground().render(Photo(image, mask), 0).image[20, 20].tolist() == [10, 200, 90]


def test_impulse_response():
    """3×3 and σ = 1: weights 0.274, 0.452, 0.274 along each axis."""
    image = np.zeros((5, 5, 3), np.uint8)
    image[2, 2] = 255
    blurred = BlurObject(kernel=3, sigma=1).render(Photo(image, np.ones((5, 5), bool)), 0).image
    expected = [[0, 0, 0, 0, 0], [0, 19, 32, 19, 0], [0, 32, 52, 32, 0], [0, 19, 32, 19, 0], [0, 0, 0, 0, 0]]
    assert blurred[..., 1].tolist() == expected


@pytest.mark.parametrize("kind", ["blur_background", "blur_object"])
@pytest.mark.parametrize("setting", [{"kernel": 14}, {"kernel": 257}, {"sigma": 0}])
def test_invalid_kernels_are_refused(kind, setting):
    with pytest.raises(ValidationError, match=next(iter(setting))):
        build_scenario({"kind": kind, **setting})
