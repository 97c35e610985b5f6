from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.ndimage import correlate

from xray.scenarios import Photo, build_scenario

from .strategies import photos


def brightened(image, gain):
    mean9 = np.rint(correlate(image.astype(float), np.full((9, 9, 1), 1 / 81), mode="mirror"))
    return np.clip(gain * (1.5 * image + 0.9 * mean9) + 1.9, 0, 255)


@pytest.mark.parametrize("kind", ["bright_background", "bright_object"])
@given(photo=photos(), gain=st.floats(0.1, 10))
def test_region_is_brightened_as_published(kind, photo, gain):
    picture = build_scenario({"kind": kind, "gain": gain}).render(photo, 0)
    image, region = picture.image, photo.mask if kind == "bright_object" else ~photo.mask
    white = (image == 255).all(axis=2)[region]
    assert picture.measured["saturated"] == pytest.approx(white.mean() if region.any() else 0, abs=1e-4)
    expected = np.where(region[..., None], brightened(photo.image, gain), photo.image)
    assert np.abs(image - expected).max() <= 0.501


@pytest.mark.parametrize(("gain", "grey", "expected"), [(1, 100, 242), (1, 0, 2), (1, 110, 255), (0.5, 100, 122)])
def test_even_grey(gain, grey, expected):
    """2.4 · 100 + 1.9 = 241.9; with gain 0.5, 121.9."""
    photo = Photo(np.full((10, 10, 3), grey, np.uint8), np.eye(10, dtype=bool))
    image = build_scenario({"kind": "bright_background", "gain": gain}).render(photo, 0).image
    assert set(image[~photo.mask].ravel().tolist()) == {expected}
    assert set(image[photo.mask].ravel().tolist()) == {grey}


@pytest.mark.parametrize("gain", [0, 11])
def test_gain_out_of_range_is_refused(gain):
    with pytest.raises(ValidationError, match="gain"):
        build_scenario({"kind": "bright_object", "gain": gain})
