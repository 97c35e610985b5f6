"""The eight variants of ImageNet-9, of the recipe that makes them, pixel for pixel on a drawn photograph."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from support.paths import ROOT

from xray.core import yaml
from xray.core.compositing import crop_to_size
from xray.core.types import DonorRule, Photo
from xray.runs.recipe import Recipe, recipe_from
from xray.scenarios import Scenario

HEIGHT, WIDTH, SEED = 60, 90, 11
BOX = np.s_[20:40, 50:80]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    text = (ROOT / "jobs/recipes/imagenet9.yaml").read_text(encoding="utf-8")
    values, _ = yaml.load(text, "imagenet9.yaml")
    return recipe_from(values, preset="imagenet9")


def drawn(seed: int) -> Photo:
    """An ellipse of one colour on random pixels."""
    image = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    mask = ((x - 64.5) / 15) ** 2 + ((y - 29.5) / 10) ** 2 <= 1
    image[mask] = 200
    return Photo(image, mask)


@pytest.fixture
def photo(recipe: Recipe) -> Photo:
    bare = drawn(seed=1)
    assert cv2.boundingRect(bare.inside) == (50, 20, 30, 20)
    return Photo(bare.image, bare.mask, recipe.remover.remove(bare, SEED))


def render(recipe: Recipe, name: str, photo: Photo, donor=None):
    scenario: Scenario = recipe.scenarios[name].scenario
    return scenario.render(photo, SEED, donor).image


def tiled(image):
    """The strip left of the box is the largest of the four; its tiles start at the top left."""
    expected = image.copy()
    expected[BOX] = np.tile(image[:, :50], (1, 2, 1))[BOX]
    return expected


def test_the_objects_area_is_tiled(recipe: Recipe, photo: Photo) -> None:
    assert recipe.remover.name == "tile"
    np.testing.assert_array_equal(render(recipe, "only_bg_t", photo), tiled(photo.image))


def test_the_object_is_black_or_alone(recipe: Recipe, photo: Photo) -> None:
    inside = photo.mask[..., None]
    box = photo.image.copy()
    box[BOX] = 0
    np.testing.assert_array_equal(render(recipe, "original", photo), photo.image)
    np.testing.assert_array_equal(render(recipe, "only_bg_b", photo), box)
    np.testing.assert_array_equal(render(recipe, "no_fg", photo), np.where(inside, 0, photo.image))
    np.testing.assert_array_equal(render(recipe, "only_fg", photo), np.where(inside, photo.image, 0))
    np.testing.assert_array_equal(render(recipe, "pasted", photo), np.where(inside, photo.image, tiled(photo.image)))


@pytest.mark.parametrize(("name", "category"), [("mixed_same", "same"), ("mixed_rand", "any"), ("mixed_next", "next")])
def test_the_object_on_the_tiled_background_of_another_photograph(
    recipe: Recipe, photo: Photo, name: str, category: str
) -> None:
    donor = tiled(drawn(seed=2).image)
    assert recipe.scenarios[name].scenario.donor_rule == DonorRule(category, removed=True)
    backdrop, _ = crop_to_size(donor, WIDTH, HEIGHT, SEED)
    np.testing.assert_array_equal(backdrop, donor)
    expected = np.where(photo.mask[..., None], photo.image, donor)
    np.testing.assert_array_equal(render(recipe, name, photo, donor), expected)


def test_a_background_of_one_colour_fills_the_box(recipe: Recipe) -> None:
    image = drawn(seed=3).image
    image[:, :50] = (10, 20, 30)
    mask = drawn(seed=3).mask
    filled = recipe.remover.remove(Photo(image, mask), SEED)
    assert (filled[BOX] == (10, 20, 30)).all()
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[BOX] = False
    np.testing.assert_array_equal(filled[outside], image[outside])


def test_a_remover_that_the_recipe_names_is_kept() -> None:
    named = recipe_from({"source": {"kind": "shapes"}, "remover": "telea"}, preset="imagenet9")
    assert named.remover.name == "telea"
    assert recipe_from({"source": {"kind": "shapes"}}).remover is None
    assert recipe_from({"source": {"kind": "shapes"}}, preset="imagenet_e").remover is None
