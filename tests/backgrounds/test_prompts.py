from __future__ import annotations

import functools
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.backgrounds.prompts import LIGHTS, prompts_of, published, worlds
from xray.categories import Category
from xray.categories.imagenet1k import imagenet1k_classes
from xray.categories.stamps12 import STAMPS12
from xray.categories.ximagenet12 import XIMAGENET12
from xray.errors import XrayError

DOCS = Path(__file__).parents[2] / "docs"
KNOWN = (*XIMAGENET12, *STAMPS12)
STRANGE = Category(name="teapot", indices=(849,))

NEGATIONS = {"no", "not", "without", "nobody", "never", "nothing"}
PEOPLE = (
    "people person man men woman women child children kid boy girl baby crowd audience player worker tourist visitor "
    "passenger customer human face hand someone figure farmer fisherman musician driver pedestrian"
)
KINDS = {
    "alligator lizard": "lizard reptile gecko skink alligator snake iguana",
    "green lizard": "lizard reptile gecko skink snake iguana",
    "crayfish": "crayfish crawfish crab lobster shrimp prawn crustacean",
    "grey whale": "whale dolphin orca mammal",
    "Maltese dog": "dog puppy pet maltese terrier poodle kennel",
    "red fox": "fox vixen cub dog wolf animal",
    "anemone fish": "fish clownfish anemone",
    "airship": "airship blimp zeppelin dirigible balloon aircraft plane aeroplane airplane",
    "car wheel": "wheel tyre tire rim hubcap car vehicle truck",
    "cash machine": "cash atm teller machine dispenser kiosk bank",
    "cello": "cello violin viola instrument orchestra bass fiddle",
    "ice cream": "cream sundae gelato sorbet cone dessert sweet",
    "fruit": "fruit apple berry berries cherry grape pear peach orange lemon banana orchard nut tomato",
    "bovid": "cow cattle bull sheep goat ram antelope ox bison buffalo herd livestock zebra animal",
    "vehicle": "vehicle car truck bus tank tractor motorcycle bike bicycle van traffic lorry",
    "landbird": "bird owl parrot eagle hawk nest birdhouse feather hummingbird",
    "waterbird": "bird duck goose swan heron gull penguin stork pelican nest",
    "bigungulate": "horse zebra camel elephant pig hippo rhino giraffe deer herd llama",
    "carnivore": "dog cat wolf fox bear lion tiger leopard seal otter kennel",
    "smallmammal": "rabbit hare squirrel hamster mouse rat hedgehog beaver koala burrow",
    "instrument": "instrument piano guitar violin drum orchestra trumpet flute",
    "fowl": "chicken hen cock rooster turkey duck goose bird peacock ostrich coop poultry",
    "vegetable": "vegetable carrot cabbage pepper potato onion tomato corn squash pumpkin mushroom salad lettuce",
    "tool": "tool hammer wrench saw drill screwdriver pliers nail shovel axe spanner",
}
"""What else a painter would make the object again from."""


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def numbers(some: set[str]) -> set[str]:
    """The words and their plurals."""
    return some | {f"{word}s" for word in some} | {f"{word}es" for word in some}


@functools.cache
def names(index: int) -> tuple[str, ...]:
    """The name of an ImageNet class and its synonyms."""
    return tuple(str(_classes().label_descriptions()[index]).lower().split(", "))


@functools.cache
def _classes() -> Any:
    from timm.data.imagenet_info import ImageNetInfo

    return ImageNetInfo()


@pytest.mark.parametrize("category", KNOWN, ids=lambda one: one.name)
def test_neither_the_object_nor_people_are_named(category: Category) -> None:
    heads = {re.findall(r"[a-z]+", name)[-1] for index in category.indices for name in names(index)}
    if category.name == "landbird":
        heads -= {"grey"}  # African grey: a bird called by a colour
    forbidden = numbers(heads | set(f"{KINDS[category.name]} {PEOPLE}".split())) | NEGATIONS
    for prompt in prompts_of(category, "ours", "both"):
        assert not words(prompt.text) & forbidden, prompt.text


def test_the_general_places_name_no_class_of_imagenet() -> None:
    phrases = {name for one in imagenet1k_classes() for name in names(one.indices[0])}
    for prompt in prompts_of(STRANGE, "ours", "both"):
        text = prompt.text.partition(", ")[0]  # "light" is a lighter
        said = [phrase for phrase in phrases if re.search(rf"\b{re.escape(phrase)}s?\b", text)]
        assert said == [], prompt.text
        assert not words(text) & (numbers(set(PEOPLE.split())) | NEGATIONS)


@pytest.mark.parametrize("category", KNOWN, ids=lambda one: one.name)
def test_typical_and_atypical_places_are_as_many_and_in_the_same_light(category: Category) -> None:
    typical, atypical = (prompts_of(category, "ours", kind) for kind in ("typical", "atypical"))
    assert len(typical) == len(atypical) == len(LIGHTS)
    for prompts, place in ((typical, "typical"), (atypical, "atypical")):
        assert {prompt.place for prompt in prompts} == {place}
        for prompt, light in zip(prompts, LIGHTS, strict=True):
            assert prompt.text.endswith(f", {light}, photograph")
    assert prompts_of(category, "ours", "both") == typical + atypical


def test_every_known_category_has_places_of_its_own() -> None:
    assert worlds().keys() == {"", *(category.name for category in KNOWN)}
    assert KINDS.keys() == worlds().keys() - {""}


def test_prompts_are_short_and_differ() -> None:
    """A CLIP tokenizer takes 77; 45 words are at most about 60."""
    for prompts in worlds().values():
        texts = [prompt.text for prompt in prompts]
        assert len(set(texts)) == len(texts)
        for text in texts:
            assert text.isascii()
            assert text == " ".join(text.split())
            assert len(re.findall(r"\w+|[^\w\s]", text)) < 45
            assert len(text) < 180  # so that rare words, of several tokens each, do not fill it either


def test_a_strange_category_gets_places_that_go_with_anything() -> None:
    prompts = prompts_of(STRANGE, "ours", "both")
    assert len(prompts) >= 24
    assert {prompt.place for prompt in prompts} == {"any"}


@pytest.mark.parametrize("name", ["RED_fox", "n02119022", "Reineke"])
def test_a_category_is_known_by_its_name_or_only_wordnet_id(name: str) -> None:
    category = Category(name=name, indices=(277,), wnids=("n02119022",))
    assert prompts_of(category, "ours", "both") == worlds()["red fox"]
    assert "fox in the lawn" in prompts_of(category, "fig14", "both")[0].text


def test_a_category_of_several_wordnet_ids_is_not_one_of_them() -> None:
    mixed = Category(name="mammals", indices=(277, 147), wnids=("n02119022", "n02066245"))
    assert prompts_of(mixed, "ours", "both") == worlds()[""]


def test_prompts_of_the_recipe_win_over_ours_and_not_over_the_published() -> None:
    own = Category(name="red fox", indices=(277,), prompts=("a harbour", "a tennis court"))
    assert [(one.text, one.place) for one in prompts_of(own, "ours", "both")] == [
        ("a harbour", "any"),
        ("a tennis court", "any"),
    ]
    assert prompts_of(own, "fig14", "both")[0].text == published()["red fox"]["text"]


@given(st.sampled_from(["typical", "atypical"]))
def test_places_that_are_not_told_apart_are_refused(places: str) -> None:
    own = Category(name="red fox", indices=(277,), prompts=("a harbour",))
    for category, wording in ((STRANGE, "ours"), (own, "ours"), (XIMAGENET12[0], "fig14")):
        with pytest.raises(XrayError, match=rf"'{category.name}'.*'{places}'.*places: both.*alligator lizard"):
            prompts_of(category, wording, places)  # type: ignore[arg-type]


def test_the_published_prompts() -> None:
    assert published().keys() == {category.name for category in XIMAGENET12}
    assert sorted(row["panel"] for row in published().values()) == list("abcdefghijkl")
    for category in XIMAGENET12:
        (prompt,) = prompts_of(category, "fig14", "both")
        assert prompt.place == "any"
        assert 5 < len(words(prompt.text)) < 45


@pytest.mark.parametrize(
    ("category", "subject"),
    [
        ("airship", "airship"),
        ("red fox", "fox"),
        ("grey whale", "whales"),
        ("car wheel", "car"),
        ("cash machine", "financial"),
        ("cello", "music"),
        ("ice cream", "food"),
    ],
)
def test_certain_prompts_are_those_that_name_a_subject_of_one_category(category: str, subject: str) -> None:
    assert published()[category]["assigned"] == "certain"
    assert [name for name, row in published().items() if subject in words(row["text"])] == [category]


def test_the_other_published_prompts_are_inferred() -> None:
    inferred = {row["panel"]: row["category"] for row in published().values() if row["assigned"] != "certain"}
    assert inferred.keys() == set("acdfk")
    assert {row["assigned"] for row in published().values()} == {"certain", "inferred"}
    assert published()[inferred["a"]]["text"] == published()[inferred["k"]]["text"]
    assert {inferred["a"], inferred["k"]} == {"alligator lizard", "green lizard"}


def test_a_category_without_a_published_prompt_is_refused_by_name() -> None:
    with pytest.raises(XrayError, match=r"'teapot' has no published prompt.*prompts: ours.*red fox"):
        prompts_of(STRANGE, "fig14", "both")


def test_the_page_of_all_prompts_is_true() -> None:
    page = (DOCS / "prompts.md").read_text(encoding="utf-8")
    assert page == runpy.run_path(str(DOCS / "prompts.py"))["page"](), "run: python docs/prompts.py"
    for name, prompts in worlds().items():
        assert name in page
        assert [prompt.text for prompt in prompts if prompt.text.partition(", ")[0] not in page] == []
    assert [row["text"] for row in published().values() if row["text"] not in page] == []
