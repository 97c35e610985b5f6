from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.backgrounds.inpainting.prompts import LIGHTS, prompts_of
from xray.backgrounds.inpainting.stable_diffusion import Sdxl
from xray.core.errors import XrayError
from xray.core.plugins import settings_of
from xray.core.types import Prompt
from xray.scenarios import Photo, build_scenario
from xray.scenarios.generated import GeneratedBackground, shuffled
from xray.sources.categories import Category
from xray.sources.categories.stamps12 import STAMPS12
from xray.sources.categories.ximagenet12 import XIMAGENET12

from .strategies import photos, pixels, seeds

FOX = next(category for category in XIMAGENET12 if category.name == "red fox")
SCENARIO = GeneratedBackground()
own_prompts = st.lists(st.text("abcdefgh", min_size=1), min_size=1, max_size=9, unique=True).map(tuple)


@settings(deadline=None)
@given(photo=photos(), seed=seeds)
def test_the_object_is_the_photos_and_all_else_the_painters(photo, seed):
    world = pixels(*photo.mask.shape, seed=5)
    picture = SCENARIO.render(photo, seed, world)
    np.testing.assert_array_equal(picture.image, np.where(photo.mask[..., None], photo.image, world))
    np.testing.assert_array_equal(picture.mask, photo.mask)
    assert picture.drawn == {}


@pytest.mark.parametrize("world", [None, pixels(4, 5), pixels(8, 4)])
def test_without_a_painted_world_of_its_size_nothing_is_made(world):
    with pytest.raises(AssertionError, match="world"):
        SCENARIO.render(Photo(pixels(4, 4), np.zeros((4, 4), bool)), 0, world)


@given(draw=seeds, category=st.sampled_from(XIMAGENET12))
def test_variants_take_typical_and_atypical_places_in_turn_and_each_once(draw, category):
    prompts = [SCENARIO.prompt(category, draw, variant) for variant in range(24)]
    assert prompts[0].place != prompts[1].place
    assert [prompt.place for prompt in prompts] == [prompts[0].place, prompts[1].place] * 12
    assert set(prompts[:12]) == set(prompts_of(category, "ours", "both"))
    assert prompts[12:] == prompts[:12]


def line_of(category: Category, prompt: Prompt) -> int:
    return prompts_of(category, "ours", prompt.place).index(prompt)


@given(draw=seeds, category=st.sampled_from(XIMAGENET12), pair=st.integers(0, 20))
def test_a_pair_of_variants_is_one_line_in_a_typical_and_an_atypical_place(draw, category, pair):
    one, other = (SCENARIO.prompt(category, draw, variant) for variant in (2 * pair, 2 * pair + 1))
    assert {one.place, other.place} == {"typical", "atypical"}
    assert line_of(category, one) == line_of(category, other)
    assert one.text.partition(", ")[2] == other.text.partition(", ")[2] == LIGHTS[line_of(category, one)]


@pytest.mark.parametrize("category", STAMPS12, ids=lambda one: one.name)
def test_a_broad_category_takes_each_of_its_places_once_too(category):
    taken = {SCENARIO.prompt(category, 5, variant) for variant in range(12)}
    assert taken == set(prompts_of(category, "ours", "both"))


@given(draw=seeds, texts=own_prompts)
def test_variants_take_every_prompt_of_the_recipe_once(draw, texts):
    category = Category(name="red fox", indices=(277,), prompts=texts)
    taken = [SCENARIO.prompt(category, draw, variant).text for variant in range(2 * len(texts))]
    assert sorted(taken[: len(texts)]) == sorted(texts)
    assert taken[len(texts) :] == taken[: len(texts)]


@pytest.mark.parametrize("places", ["typical", "atypical"])
def test_one_kind_of_places(places):
    scenario = GeneratedBackground(places=places)
    prompts = {scenario.prompt(FOX, draw=7, variant=variant) for variant in range(6)}
    assert prompts == set(prompts_of(FOX, "ours", places))


def test_every_prompt_is_drawn_equally_often_and_half_of_them_typical():
    drawn = Counter(SCENARIO.prompt(FOX, draw, 0) for draw in range(1200))
    assert len(drawn) == 12
    assert (
        sum((count - 100) ** 2 / 100 for count in drawn.values()) < 31.3
    )  # the 0.1 % point with 11 degrees of freedom
    assert abs(sum(count for prompt, count in drawn.items() if prompt.place == "typical") - 600) < 60


def test_the_draws_are_the_same_in_every_version():
    texts = [SCENARIO.prompt(FOX, draw=2**62 + 1, variant=variant).text.partition(", ")[0] for variant in range(4)]
    assert texts == [
        "photo of a flat gravel rooftop above a distant city",
        "photo of a mossy clearing with tree stumps and brambles",
        "photo of an underground passage lined with white tiles",
        "photo of a meadow of tall grass with a hedge behind",
    ]


def test_the_published_prompt_is_the_same_for_every_photograph():
    scenario = build_scenario({"kind": "generated_background", "preset": "ximagenet12"})
    assert {scenario.prompt(FOX, draw, variant) for draw in range(5) for variant in range(3)} == set(
        prompts_of(FOX, "fig14", "both")
    )


def test_what_the_category_has_no_prompts_for_is_refused():
    strange = Category(name="teapot", indices=(849,))
    assert SCENARIO.prompt(strange, 1, 0).place == "any"
    with pytest.raises(XrayError, match="'teapot' has no prompts that are known to be 'atypical'"):
        GeneratedBackground(places="atypical").prompt(strange, 1, 0)
    with pytest.raises(XrayError, match="'teapot' has no published prompt"):
        GeneratedBackground(prompts="fig14").prompt(strange, 1, 0)


def test_the_painter_is_a_part_of_the_recipe():
    scenario = build_scenario(
        {"kind": "generated_background", "painter": {"kind": "sdxl", "preset": "turbo", "steps": 2}}
    )
    assert scenario.painter == Sdxl(**{**Sdxl.presets["turbo"], "steps": 2})
    written = settings_of(scenario)
    assert written["painter"]["kind"] == "sdxl"
    assert written["painter"]["steps"] == 2
    assert build_scenario({"kind": "generated_background", **written}) == scenario
    assert build_scenario({"kind": "generated_background", "painter": "sdxl"}) == SCENARIO


@pytest.mark.parametrize(
    ("painter", "said"),
    [
        ("sdlx", "unknown painter 'sdlx'; did you mean 'sdxl'"),
        ({"kind": "sdxl", "preset": "turbos"}, "unknown preset of painter 'sdxl' 'turbos'; did you mean 'turbo'"),
        ({"kind": "sdxl", "step": 3}, "unknown setting of painter 'sdxl' 'step'; did you mean 'steps'"),
        ({"kind": "sdxl", "steps": 0}, "greater than or equal to 1"),
    ],
)
def test_a_painter_that_is_none_is_refused_by_name(painter, said):
    with pytest.raises(ValueError, match=said):
        build_scenario({"kind": "generated_background", "painter": painter})


@given(items=st.lists(st.integers()), seed=seeds)
def test_shuffled_is_a_permutation(items, seed):
    assert sorted(shuffled(items, random.Random(seed))) == sorted(items)
