from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import stats

from xray.scenarios import Photo, build_scenario
from xray.scenarios.noise import gaussian


def grey(height=60, width=80):
    mask = np.zeros((height, width), bool)
    mask[20:40, 20:60] = True
    return Photo(np.full((height, width, 3), 128, np.uint8), mask)


def test_values_are_standard_normal_and_independent():
    values = gaussian((200, 300, 3), seed=4).ravel()
    assert values.dtype == np.float32
    assert stats.kstest(values, "norm").pvalue > 0.01
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.01


@pytest.mark.parametrize("region", ["object", "background", "image"])
def test_noise_has_the_standard_deviation_and_the_region(region):
    photo = grey()
    image = build_scenario({"kind": "noise", "region": region, "sigma": 0.1}).render(photo, 3).image
    changed = {"object": photo.mask, "background": ~photo.mask, "image": np.ones_like(photo.mask)}[region]
    assert image[changed].std() == pytest.approx(25.5, rel=0.05)
    assert (image[~changed] == 128).all()


def test_strong_noise_is_clipped():
    image = build_scenario({"kind": "noise", "region": "image", "sigma": 2.0}).render(grey(), 3).image
    assert (image == 0).mean() > 0.3
    assert (image == 255).mean() > 0.3


def test_golden_pixels():
    image = build_scenario({"kind": "noise", "region": "image"}).render(grey(), 7).image
    assert hashlib.sha256(image.tobytes()).hexdigest()[:16] == "5ab53d63de48711c"


@pytest.mark.parametrize("sigma", [0, -1, 2.5])
def test_sigma_out_of_range(sigma):
    with pytest.raises(ValueError, match="sigma"):
        build_scenario({"kind": "noise", "sigma": sigma})
