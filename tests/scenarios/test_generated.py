from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.backgrounds.inpainting.prompts import LIGHTS, prompts_for, shuffled
from xray.backgrounds.inpainting.stable_diffusion import StableDiffusion
from xray.core.plugins import settings_of
from xray.scenarios import Photo, build_scenario
from xray.scenarios.generated import GeneratedBackground
from xray.sources.categories import Category
from xray.sources.categories.animals import ANIMALS
from xray.sources.categories.ximagenet12 import XIMAGENET12

from .strategies import photos, pixels, seeds

FOX = next(category for category in XIMAGENET12 if category.name == "red fox")
SCENARIO = GeneratedBackground()
own_prompts = st.lists(st.text("abcdefgh", min_size=1), min_size=1, max_size=9, unique=True).map(tuple)


@given(photo=photos(), seed=seeds)
def test_object_is_the_photos_and_the_rest_is_inpainted(photo, seed):
    donor = pixels(*photo.mask.shape, seed=5)
    picture = SCENARIO.render(photo, seed, donor)
    np.testing.assert_array_equal(picture.image, np.where(photo.mask[..., None], photo.image, donor))
    np.testing.assert_array_equal(picture.mask, photo.mask)
    assert picture.sampled == {}


@pytest.mark.parametrize("donor", [None, pixels(4, 5), pixels(8, 4)])
def test_inpainted_image_must_have_the_photos_size(donor):
    with pytest.raises(AssertionError, match="inpaint"):
        SCENARIO.render(Photo(pixels(4, 4), np.zeros((4, 4), bool)), 0, donor)


@given(draw=seeds, category=st.sampled_from(XIMAGENET12))
def test_variants_alternate_places_and_use_each_prompt_once(draw, category):
    prompts = [SCENARIO.prompt(category, draw, variant) for variant in range(24)]
    assert prompts[0].place != prompts[1].place
    assert [prompt.place for prompt in prompts] == [prompts[0].place, prompts[1].place] * 12
    assert set(prompts[:12]) == set(prompts_for(category, "ours", "both"))
    assert prompts[12:] == prompts[:12]


@given(draw=seeds, category=st.sampled_from(XIMAGENET12), pair=st.integers(0, 20))
def test_pair_of_variants_shares_a_line(draw, category, pair):
    prompts = [SCENARIO.prompt(category, draw, variant) for variant in (2 * pair, 2 * pair + 1)]
    assert {prompt.place for prompt in prompts} == {"typical", "atypical"}
    line, other = (prompts_for(category, "ours", prompt.place).index(prompt) for prompt in prompts)
    assert line == other
    assert {prompt.text.partition(", ")[2] for prompt in prompts} == {LIGHTS[line]}


@pytest.mark.parametrize("category", ANIMALS, ids=lambda one: one.name)
def test_broad_category_uses_each_prompt_once(category):
    taken = {SCENARIO.prompt(category, 5, variant) for variant in range(12)}
    assert taken == set(prompts_for(category, "ours", "both"))


@given(draw=seeds, texts=own_prompts)
def test_each_prompt_of_the_recipe_is_used_once(draw, texts):
    category = Category(name="red fox", indices=(277,), prompts=texts)
    taken = [SCENARIO.prompt(category, draw, variant).text for variant in range(2 * len(texts))]
    assert sorted(taken[: len(texts)]) == sorted(texts)
    assert taken[len(texts) :] == taken[: len(texts)]


@pytest.mark.parametrize("places", ["typical", "atypical"])
def test_one_kind_of_place(places):
    scenario = GeneratedBackground(places=places)
    prompts = {scenario.prompt(FOX, draw=7, variant=variant) for variant in range(6)}
    assert prompts == set(prompts_for(FOX, "ours", places))


def test_prompts_are_sampled_uniformly():
    counts = Counter(SCENARIO.prompt(FOX, draw, 0) for draw in range(1200))
    assert len(counts) == 12
    chi_square = sum((count - 100) ** 2 / 100 for count in counts.values())
    assert chi_square < 31.3  # the 0.1 % point with 11 degrees of freedom
    assert abs(sum(count for prompt, count in counts.items() if prompt.place == "typical") - 600) < 60


def test_order_is_pinned():
    texts = [SCENARIO.prompt(FOX, draw=2**62 + 1, variant=variant).text.partition(", ")[0] for variant in range(4)]
    assert texts == [
        "photo of a flat gravel rooftop above a distant city",
        "photo of a mossy clearing with tree stumps and brambles",
        "photo of an underground passage lined with white tiles",
        "photo of a meadow of tall grass with a hedge behind",
    ]


def test_published_prompt_is_the_same_for_every_photograph():
    scenario = build_scenario({"kind": "generated_background", "preset": "ximagenet12"})
    assert {scenario.prompt(FOX, draw, variant) for draw in range(5) for variant in range(3)} == set(
        prompts_for(FOX, "fig14", "both")
    )


def test_inpainter_in_a_recipe():
    scenario = build_scenario(
        {"kind": "generated_background", "painter": {"kind": "sdxl", "preset": "turbo", "steps": 2}}
    )
    assert scenario.painter == StableDiffusion(**{**StableDiffusion.presets["turbo"], "steps": 2})
    written = settings_of(scenario)
    assert written["painter"]["kind"] == "sdxl"
    assert written["painter"]["steps"] == 2
    assert build_scenario({"kind": "generated_background", **written}) == scenario
    assert build_scenario({"kind": "generated_background", "painter": "sdxl"}) == SCENARIO


@pytest.mark.parametrize(
    ("painter", "message"),
    [
        ("sdlx", "'sdlx'; did you mean 'sdxl'"),
        ({"kind": "sdxl", "preset": "turbos"}, "'turbos'; did you mean 'turbo'"),
        ({"kind": "sdxl", "step": 3}, "'step'; did you mean 'steps'"),
        ({"kind": "sdxl", "steps": 0}, "greater than or equal to 1"),
    ],
)
def test_invalid_inpainters_are_refused(painter, message):
    with pytest.raises(ValueError, match=message):
        build_scenario({"kind": "generated_background", "painter": painter})


@given(items=st.lists(st.integers()), seed=seeds)
def test_shuffled_is_a_permutation(items, seed):
    assert sorted(shuffled(items, random.Random(seed))) == sorted(items)
