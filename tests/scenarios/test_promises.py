"""The promises of all scenarios, with every combination of settings, on random photographs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from xray.core.plugins import available
from xray.scenarios import Photo, Scenario, build_scenario

from .strategies import EVERY, donor_for, images, photos, pixels, seeds

KEEPS = {
    "blur_background": "object",
    "blur_object": "background",
    "edit": "object",
    "bright_background": "object",
    "bright_object": "background",
    "generated_background": "object",
    "image_b": "object",
    "image_g": "object",
    "image_grey": None,
    "image_r": "object",
    "image_rainbow": "object",
    "no_object": "background",
    "noise": "object",
    "original": "image",
    "random_background": "object",
    "segmented": "object",
    "transparent": "object",
}


def test_kept_regions():
    assert {name: build_scenario(name).keeps for name in available(Scenario)} == KEEPS


def test_roles():
    roles = {name: build_scenario(name).role for name in available(Scenario)}
    expected = {"original": "reference", "no_object": "control", "edit": "editing"}
    assert roles == dict.fromkeys(roles, "test") | expected


@pytest.mark.parametrize(("region", "keeps"), [("object", "background"), ("background", "object"), ("image", None)])
@pytest.mark.parametrize("kind", ["image_r", "image_g", "image_b", "image_rainbow", "image_grey"])
def test_complement_of_the_region_is_kept(kind, region, keeps):
    assert build_scenario({"kind": kind, "region": region}).keeps == keeps


@pytest.mark.parametrize("scenario", EVERY, ids=repr)
@settings(max_examples=15)
@given(photo=photos(), seed=seeds, donor=images())
def test_kept_pixels_are_identical(scenario, photo, seed, donor):
    picture = scenario.render(photo, seed, donor_for(scenario, photo, donor))

    assert picture.image.dtype == np.uint8
    assert picture.image.flags.c_contiguous
    assert picture.mask.dtype == bool
    assert picture.mask.shape == picture.image.shape[:2]
    assert picture.image.shape[2] == (4 if scenario.name == "transparent" else 3)
    if scenario.keeps is not None:
        everything = np.ones_like(photo.mask)
        kept = {"object": photo.mask, "background": ~photo.mask, "image": everything}[scenario.keeps]
        np.testing.assert_array_equal(picture.mask, photo.mask)
        np.testing.assert_array_equal(picture.image[kept][:, :3], photo.image[kept])


@pytest.mark.parametrize("scenario", EVERY, ids=repr)
def test_inputs_are_not_modified(scenario):
    """Read-only arrays; a donor of the photo's size (not scaled) and one of another size."""
    photo = _photo()
    for backdrop in (pixels(20, 30, seed=2), pixels(45, 33, seed=3)):
        donor = donor_for(scenario, photo, backdrop)
        before = [array.copy() for array in (photo.image, photo.mask, donor)]
        for array in (photo.image, photo.mask, donor):
            array.setflags(write=False)
        scenario.render(photo, 5, donor)
        for array, copy in zip((photo.image, photo.mask, donor), before, strict=True):
            np.testing.assert_array_equal(array, copy)


def test_scenarios_can_share_a_photo():
    shared, backdrop = _photo(), pixels(45, 33, seed=3)
    for scenario in [*EVERY, *reversed(EVERY)]:
        donor = donor_for(scenario, shared, backdrop)
        expected = scenario.render(_photo(), 5, donor)
        np.testing.assert_array_equal(scenario.render(shared, 5, donor).image, expected.image, err_msg=repr(scenario))


@pytest.mark.parametrize("scenario", EVERY, ids=repr)
def test_seed_decides_everything_random(scenario):
    photo = _photo()
    donor = donor_for(scenario, photo, pixels(45, 80, seed=3))
    pictures = [scenario.render(photo, seed, donor) for seed in (1, 1, 2)]
    same, again, other = (picture.image.tobytes() for picture in pictures)
    assert same == again
    assert pictures[0].sampled == pictures[1].sampled
    assert (same != other) == _is_random(scenario)
    assert (pictures[0].sampled != pictures[2].sampled) == (
        _is_random(scenario) and scenario.name != "noise" and _setting(scenario, "fill") != "noise"
    )


def _is_random(scenario: Scenario) -> bool:
    if scenario.name in {"image_r", "image_g", "image_b"}:
        return _setting(scenario, "mode") == "hue"
    if scenario.name == "random_background":
        return _setting(scenario, "compose") == "alpha"
    return scenario.name in {"image_rainbow", "noise"} or _setting(scenario, "fill") == "noise"


def _setting(scenario: Scenario, name: str) -> object:
    return getattr(scenario, name, None)


@pytest.mark.parametrize("scenario", EVERY, ids=repr)
def test_memory_layout_has_no_influence(scenario):
    photo = _photo()
    donor = donor_for(scenario, photo, pixels(45, 33, seed=3))
    fortran = Photo(*map(np.asfortranarray, (photo.image, photo.mask, photo.removed)))
    flipped = Photo(*(one[::-1, ::-1].copy()[::-1, ::-1] for one in (photo.image, photo.mask, photo.removed)))
    expected = scenario.render(photo, 5, donor).image
    for other in (fortran, flipped):
        image = scenario.render(other, 5, np.asfortranarray(donor)).image
        assert image.flags.c_contiguous
        np.testing.assert_array_equal(image, expected)


def _photo() -> Photo:
    mask = np.zeros((20, 30), bool)
    mask[4:15, 8:30] = True
    return Photo(pixels(20, 30, seed=1), mask, pixels(20, 30, seed=9))
