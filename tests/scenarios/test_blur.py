from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.ndimage import correlate1d

from xray.scenarios import Photo, build_scenario
from xray.scenarios.blur import BlurBackground, BlurObject

from .strategies import photos

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


def test_enclosed_background_pixel_keeps_its_colour():
    image = np.zeros((41, 41, 3), np.uint8)
    image[20, 20] = 10, 200, 90
    mask = np.ones((41, 41), bool)
    mask[20, 20] = False
    image[mask] = 255
    assert BlurBackground().render(Photo(image, mask), 0).image[20, 20].tolist() == [10, 200, 90]


@pytest.mark.parametrize("setting", [{"kernel": 14}, {"kernel": 257}, {"sigma": 0}])
def test_invalid_kernels_are_refused(setting):
    for kind in ("blur_background", "blur_object"):
        with pytest.raises(ValidationError, match=next(iter(setting))):
            build_scenario({"kind": kind, **setting})
