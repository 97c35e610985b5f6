"""Edits: the object placed, on a world; and which of them are controls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from xray.core.errors import Rejected, XrayError
from xray.core.plugins import settings_of
from xray.core.types import DonorRule
from xray.scenarios import Photo, build_scenario

from .strategies import photos, pixels, seeds

WORLDS = ["removed", "tiled", "noise", {"kind": "colour", "colour": "mean"}, {"kind": "donor"}]
PLACEMENTS = [
    {}, {"size": 0.1}, {"size": "fit"}, {"position": "random"}, {"direction": [-45, 45]}, {"flip": True},
    {"size": 0.05, "position": {"cell": [0, 2]}, "direction": 10, "flip": True},
]  # fmt: skip


def photo(height=40, width=60):
    """A striped object on random pixels; its background without it is another random image."""
    mask = np.zeros((height, width), bool)
    mask[10:20, 20:34] = True
    return Photo(pixels(height, width, seed=1), mask, pixels(height, width, seed=2))


@pytest.mark.parametrize("world", WORLDS, ids=str)
@pytest.mark.parametrize("placement", PLACEMENTS, ids=str)
def test_placed_object_stands_on_the_world(placement, world):
    scenario = build_scenario({"kind": "edit", "world": world, **placement})
    original = photo()
    donor = pixels(50, 45, seed=3)
    picture = scenario.render(original, 7, donor)
    placed = scenario.place(original, 7)
    assert picture.image.flags.c_contiguous
    np.testing.assert_array_equal(picture.mask, placed.mask)
    np.testing.assert_array_equal(picture.placed.mask, placed.mask)
    np.testing.assert_array_equal(picture.image[placed.mask], placed.image[placed.mask])
    around = scenario.world.render(original, 7, donor).image
    np.testing.assert_array_equal(picture.image[~placed.mask], around[~placed.mask])


@settings(max_examples=40)
@given(photo=photos(), seed=seeds)
def test_pasting_back_changes_nothing_but_the_background(photo, seed):
    scenario = build_scenario("edit")
    if not photo.mask.any():
        with pytest.raises(Rejected):
            scenario.render(photo, seed)
        return
    picture = scenario.render(photo, seed)
    np.testing.assert_array_equal(picture.mask, photo.mask)
    np.testing.assert_array_equal(picture.image, np.where(photo.mask[..., None], photo.image, photo.removed))


def test_inputs_are_not_modified():
    original = photo()
    donor = pixels(40, 60, seed=3)
    arrays = [original.image, original.mask, original.removed, donor]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.setflags(write=False)
    for world in WORLDS:
        build_scenario({"kind": "edit", "size": 0.05, "world": world}).render(original, 3, donor)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("fields", "role"),
    [
        ({}, "editing"),
        ({"direction": 1}, "editing"),
        ({"direction": -1}, "editing"),
        ({"direction": 2}, "test"),
        ({"direction": [-1, 1]}, "test"),
        ({"size": 0.1}, "test"),
        ({"position": "centre"}, "test"),
        ({"flip": True}, "test"),
        ({"world": "tiled"}, "test"),
        ({"direction": 1, "world": "tiled"}, "test"),
    ],
)
def test_role(fields, role):
    assert build_scenario({"kind": "edit", **fields}).role == role


def test_only_worlds_that_show_them_need_removed_photographs_and_donors():
    own = build_scenario("edit")
    donor = build_scenario({"kind": "edit", "world": {"kind": "donor", "category": "same", "complexity": "low"}})
    plain = build_scenario({"kind": "edit", "world": "noise"})
    assert (own.needs_removed, own.donor_rule) == (True, None)
    assert (donor.needs_removed, donor.donor_rule) == (False, DonorRule("same", True, True, "low"))
    assert (plain.needs_removed, plain.donor_rule) == (False, None)
    whole = build_scenario({"kind": "edit", "world": {"kind": "donor", "object": "whole"}})
    assert not whole.donor_rule.removed


def test_donor_world_without_a_donor():
    with pytest.raises(Rejected, match="no_donor"):
        build_scenario({"kind": "edit", "world": {"kind": "donor"}}).render(photo(), 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"size": 0}, {"size": -0.1}, {"size": 1.5}, {"size": "small"}, {"position": "left"}, {"position": {"cell": [3, 0]}},
        {"direction": [45, -45]}, {"world": "elsewhere"}, {"world": {"kind": "donor", "category": "another"}}, {"rate": 0.1},
    ],
    ids=str,
)  # fmt: skip
def test_settings_out_of_range(fields):
    with pytest.raises((XrayError, ValueError)):
        build_scenario({"kind": "edit", **fields})


@pytest.mark.parametrize("placement", PLACEMENTS, ids=str)
def test_settings_are_plain_values_that_build_the_same_scenario(placement):
    scenario = build_scenario({"kind": "edit", "world": {"kind": "colour", "colour": [1, 2, 3]}, **placement})
    assert build_scenario({"kind": "edit", **settings_of(scenario)}) == scenario


@pytest.mark.parametrize(
    ("direction", "words"),
    [
        (1, "by 1°"),
        (-30, "by -30°"),
        ([-45, 45], "by -45° to 45°"),
        ({"angles": [1, 21]}, "by 1° or 21°"),
        ({"angles": [1, 21, 41, 61]}, "by one of 4 angles"),
    ],
)
def test_phrase_tells_directions_apart(direction, words):
    assert f"turned {words}" in build_scenario({"kind": "edit", "direction": direction}).phrase


@pytest.mark.parametrize(
    ("cell", "grid", "words"),
    [((0, 2), 3, "top right"), ((1, 1), 3, "the centre"), ((0, 2), 4, "row 1, column 3 of 4")],
)
def test_phrase_names_the_cell(cell, grid, words):
    assert words in build_scenario({"kind": "edit", "position": {"cell": list(cell), "grid": grid}}).phrase


def test_phrase_names_all_changes():
    phrase = build_scenario({"kind": "edit", "size": 0.1, "flip": True, "world": {"kind": "donor"}}).phrase
    assert "10 %" in phrase
    assert "mirrored" in phrase
    assert "{" not in phrase


@pytest.mark.parametrize("world", WORLDS, ids=str)
@pytest.mark.parametrize("placement", [{}, {"size": 0.1}, {"position": "random"}, {"direction": [-45, 45]}], ids=str)
def test_released_edits_are_squared_pictures(placement, world):
    scenario = build_scenario({"kind": "edit", "preset": "imagenet_e", "world": world, **placement})
    picture = scenario.render(photo(), 7, pixels(50, 45, seed=3))
    assert picture.image.shape == (256, 256, 3)
    assert picture.placed.image.shape == picture.image.shape
    assert picture.sampled["released"] == "edited" if placement else "unchanged"
    np.testing.assert_array_equal(picture.image[picture.mask], picture.placed.image[picture.mask])
    assert scenario.place(photo(), 7).mask.shape == (256, 256)


def test_released_edit_of_a_size_that_is_not_reached_is_the_photograph():
    frame = np.ones((256, 256), bool)
    frame[2:-2, 2:-2] = False
    original = Photo(pixels(256, 256, seed=1), frame, pixels(256, 256, seed=2))
    scenario = build_scenario({"kind": "edit", "preset": "imagenet_e", "size": 0.1})
    picture = scenario.render(original, 7)
    np.testing.assert_array_equal(picture.image, original.image)
    assert picture.notes == ("object_does_not_fit",)


@pytest.mark.parametrize(
    "fields",
    [
        {"flip": True},
        {"size": {"rate": 0.1, "about": "centroid"}},
        {"position": "centre"},
        {"position": {"cell": [0, 0]}},
        {"direction": {"angle": 20, "min_visible": 0.5}},
    ],
    ids=str,
)
def test_released_edits_refuse_what_the_released_code_has_not(fields):
    with pytest.raises(ValueError, match=r"released code|imagenet_e"):
        build_scenario({"kind": "edit", "preset": "imagenet_e", **fields})


def test_painters_see_the_placed_object_on_the_background_without_it():
    scenario = build_scenario({"kind": "edit", "size": 0.05, "world": "painted"})
    original = photo()
    placed = scenario.place(original, 7)
    assert not np.array_equal(placed.mask, original.mask)
    np.testing.assert_array_equal(placed.image[~placed.mask], original.removed[~placed.mask])
    painted = pixels(40, 60, seed=4)
    picture = scenario.render(original, 7, painted)
    np.testing.assert_array_equal(picture.image, np.where(placed.mask[..., None], placed.image, painted))
    assert scenario.inpaints
    assert scenario.needs_removed


@pytest.mark.parametrize(("strength", "role"), [(0.1, "adversarial"), (0, "test")])
def test_worlds_that_mislead_a_model_are_adversarial(strength, role):
    guide = {"kind": "adversarial", "surrogate": "lite:efficientnet-lite0", "strength": strength}
    painter = {"kind": "sdxl", "guide": guide}
    assert build_scenario({"kind": "edit", "world": {"kind": "painted", "painter": painter}}).role == role
    assert build_scenario({"kind": "generated_background", "painter": painter}).role == role
