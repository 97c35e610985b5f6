from __future__ import annotations

import colorsys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given

from xray.scenarios import Photo, build_scenario

from .strategies import photos, pixels, seeds

RANGES = {
    "image_r": {*range(30), *range(150, 180)},
    "image_g": set(range(30, 90)),
    "image_b": set(range(90, 150)),
}


def one_pixel(red, green, blue):
    return Photo(np.array([[[red, green, blue]]], np.uint8), np.zeros((1, 1), bool))


def recoloured(image, hue_of):
    """Change each pixel's hue (0–180) by a function, in floating point; saturation and value stay."""
    pixels = []
    for red, green, blue in image.reshape(-1, 3) / 255:
        hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
        pixels.append(colorsys.hsv_to_rgb(hue_of(hue * 180) % 180 / 180, saturation, value))
    return np.array(pixels).reshape(image.shape) * 255


@pytest.mark.parametrize("kind", RANGES)
@given(photo=photos(), seed=seeds)
def test_region_has_one_hue_and_keeps_saturation_and_value(kind, photo, seed):
    picture = build_scenario({"kind": kind, "region": "image"}).render(photo, seed)
    expected = recoloured(photo.image, lambda _: picture.sampled["hue"])
    np.testing.assert_array_equal(picture.image.max(axis=2), photo.image.max(axis=2))
    assert np.abs(picture.image - expected).max() <= 1.5


@pytest.mark.parametrize("kind", RANGES)
def test_hues_are_sampled_uniformly(kind):
    scenario, photo = build_scenario(kind), one_pixel(200, 20, 20)
    sampled = Counter(scenario.render(photo, seed).sampled["hue"] for seed in range(6000))
    assert set(sampled) == RANGES[kind]
    chi_square = sum((count - 100) ** 2 / 100 for count in sampled.values())
    assert chi_square < 98.3  # the 0.1 % point with 59 degrees of freedom


def test_pure_colours():
    """These values also pin the stream of random numbers."""
    red, grey = one_pixel(255, 0, 0), one_pixel(90, 90, 90)
    sampled = {kind: build_scenario(kind).render(red, 1) for kind in RANGES}
    assert {kind: picture.sampled["hue"] for kind, picture in sampled.items()} == {
        "image_r": 8,
        "image_g": 38,
        "image_b": 98,
    }
    assert sampled["image_r"].image[0, 0].tolist() == [255, 68, 0]
    assert sampled["image_g"].image[0, 0].tolist() == [187, 255, 0]
    assert sampled["image_b"].image[0, 0].tolist() == [0, 187, 255]
    for kind in RANGES:
        assert build_scenario(kind).render(grey, 1).image[0, 0].tolist() == [90, 90, 90]


@pytest.mark.parametrize(("kind", "channel"), [("image_r", 0), ("image_g", 1), ("image_b", 2)])
@given(photo=photos())
def test_mode_channel_keeps_one_channel_of_the_background(kind, channel, photo):
    picture = build_scenario({"kind": kind, "mode": "channel"}).render(photo, 0)
    expected = photo.image * np.eye(3, dtype=np.uint8)[channel]
    np.testing.assert_array_equal(picture.image, np.where(photo.mask[..., None], photo.image, expected))
    assert picture.sampled == {}


@given(photo=photos(), seed=seeds)
def test_rainbow_shifts_every_hue_equally(photo, seed):
    picture = build_scenario({"kind": "image_rainbow", "region": "image"}).render(photo, seed)
    expected = recoloured(photo.image, lambda hue: hue + picture.sampled["shift"])
    # OpenCV rounds the hue to two degrees before it is shifted (up to 255/60 levels), and saturation and the result:
    # 6.1 levels at most in 18 million values.
    assert np.abs(picture.image - expected).max() <= 6.25


def test_rainbow_samples_0_to_90():
    scenario, photo = build_scenario("image_rainbow"), one_pixel(200, 20, 20)
    assert {scenario.render(photo, seed).sampled["shift"] for seed in range(3000)} == set(range(91))


@given(photo=photos())
def test_grey_is_luma(photo):
    image = build_scenario("image_grey").render(photo, 0).image
    luma = photo.image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(image - luma[..., None]).max() <= 0.51


@pytest.mark.parametrize("kind", [*RANGES, "image_rainbow", "image_grey"])
@pytest.mark.parametrize("region", ["object", "background"])
def test_region_equals_that_of_the_wholly_changed_image(kind, region):
    mask = np.zeros((12, 12), bool)
    mask[3:9, 5:] = True
    photo = Photo(pixels(12, 12), mask)
    part = build_scenario({"kind": kind, "region": region}).render(photo, 4).image
    whole = build_scenario({"kind": kind, "region": "image"}).render(photo, 4).image
    changed = mask if region == "object" else ~mask
    np.testing.assert_array_equal(part, np.where(changed[..., None], whole, photo.image))
    assert (part != photo.image).any()
