from __future__ import annotations

import functools
import re
import runpy
from typing import Any

import pytest
from support.paths import ROOT

from xray.backgrounds.inpainting.prompts import LIGHTS, our_prompts, prompts_for, published_prompts
from xray.backgrounds.inpainting.stable_diffusion import NEGATIVE_PROMPT
from xray.core.errors import XrayError
from xray.core.types import Prompt
from xray.sources.categories import Category
from xray.sources.categories.animals import ANIMALS
from xray.sources.categories.ximagenet12 import XIMAGENET12

DOCS = ROOT / "docs"
KNOWN = (*XIMAGENET12, *ANIMALS)
BROAD = tuple(category.name for category in ANIMALS)
UNKNOWN = Category(name="teapot", indices=(849,))

NEGATIONS = {"no", "not", "without", "nobody", "never", "nothing"}
PEOPLE = (
    "people person man men woman women child children kid boy girl baby crowd audience player worker tourist visitor "
    "passenger customer human face hand someone figure farmer fisherman musician driver pedestrian "
    "busy crowded station airport terminal mall shopping market fairground show theatre cafe restaurant beach"
)
"""People, and places where a model adds them unasked."""
WRITING = "text word letter sign signpost label tag price poster advert logo newspaper page keyboard watermark number"
CAMERA = "camera lens mm film photograph photographer print frame framed picture painting drawing collage"
KINDS = {
    "alligator lizard": "lizard reptile gecko skink alligator snake iguana terrarium",
    "green lizard": "lizard reptile gecko skink snake iguana terrarium",
    "crayfish": "crayfish crawfish crab lobster shrimp prawn crustacean tank aquarium trap",
    "grey whale": "whale dolphin orca mammal spout fluke",
    "Maltese dog": "dog puppy pet maltese terrier poodle kennel basket leash park show",
    "red fox": "fox vixen cub dog wolf animal den",
    "anemone fish": "fish clownfish anemone tentacle reef coral tank aquarium sponge",
    "airship": "airship blimp zeppelin dirigible balloon aircraft plane aeroplane airplane hangar airfield airport",
    "car wheel": "wheel tyre tire rim hubcap car vehicle truck bodywork garage showroom road street highway parking",
    "cash machine": "cash atm teller machine dispenser kiosk bank money vending station shop",
    "cello": "cello violin viola instrument orchestra bass fiddle music concert rehearsal stage studio",
    "ice cream": "cream sundae gelato sorbet cone dessert sweet display cafe parlour fairground",
    "bird": "bird owl parrot eagle hawk nest birdhouse feather hummingbird feeder flock cage duck swan harbour coop",
    "ungulate": "horse zebra camel pig rhino giraffe deer herd llama cow sheep goat moose bison pasture farmyard paddock "
    "savanna stable fence animal",
    "carnivore": "dog cat wolf fox bear lion tiger leopard panda meerkat kennel animal den zoo",
    "primate": "monkey ape gorilla gibbon lemur baboon animal zoo cage banana",
    "reptile": "lizard reptile gecko snake iguana crocodile alligator dragon terrarium swamp",
    "arthropod": "insect bee butterfly caterpillar crab spider beetle ant web hive flower blossom beach",
    "small_mammal": "rabbit hare squirrel hamster mouse rat hedgehog beaver pika burrow hutch cage stall straw animal",
    "marsupial": "kangaroo wallaby koala wombat joey eucalyptus animal zoo",
    "sea_mammal": "whale dolphin seal orca narwhal dugong mammal spout fluke",
}
"""Words that would make a model generate the object again: its kin, and places that imply it."""


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def singular_and_plural(some: set[str]) -> set[str]:
    return some | {word + ending for word in some for ending in ("s", "es")} | {word.removesuffix("s") for word in some}


def place_of(prompt: Prompt) -> str:
    """The prompt without its opening and its light."""
    return prompt.text.removeprefix("photo of ").partition(", ")[0]


@functools.cache
def last_words() -> set[str]:
    """The last words of all names and synonyms of ImageNet classes, in singular and plural."""
    last = {name.split()[-1] for text in descriptions() for name in text.split(", ")}
    return singular_and_plural(last - {"grey"})  # African grey: a bird named by a colour


@functools.cache
def descriptions() -> list[str]:
    """The names of all ImageNet classes, with their synonyms after commas, by index."""
    from timm.data.imagenet_info import ImageNetInfo

    return [str(text).lower() for text in ImageNetInfo().label_descriptions()]


@pytest.mark.parametrize("category", KNOWN, ids=lambda one: one.name)
def test_object_is_neither_named_nor_implied(category: Category) -> None:
    own = {re.findall(r"[a-z]+", name)[-1] for index in category.indices for name in descriptions()[index].split(", ")}
    forbidden = singular_and_plural((own - {"grey"}) | set(KINDS[category.name].split()))
    for prompt in prompts_for(category, "ours", "both"):
        assert not words(prompt.text) & forbidden, prompt.text


@pytest.mark.parametrize("name", our_prompts())
def test_prompts_of_each_category(name: str) -> None:
    """No class of ImageNet, nothing that the negative prompt forbids, one caption per light, short enough for CLIP."""
    forbidden = set(f"{PEOPLE} {WRITING} {CAMERA}".split()) | set(NEGATIVE_PROMPT.split(", "))
    forbidden = singular_and_plural(forbidden) | NEGATIONS
    prompts = our_prompts()[name]
    assert len({prompt.text for prompt in prompts}) == len(prompts)
    for prompt in prompts:
        text, lines = prompt.text, [one for one in prompts if one.place == prompt.place]
        assert text == f"photo of {place_of(prompt)}, {LIGHTS[lines.index(prompt) % len(LIGHTS)]}"
        assert not words(place_of(prompt)) & last_words(), text  # of the place alone: "light" is a lighter
        assert not words(text) & forbidden, text
        assert text.isascii()
        assert text == " ".join(text.split())
        assert len(re.findall(r"\w+|[^\w\s]", text)) < 45  # about 60 of 77 tokens
        assert len(text) < 180  # so that rare words, of several tokens each, do not exceed the limit either


@pytest.mark.parametrize("category", [one for one in KNOWN if one.name not in BROAD], ids=lambda one: one.name)
def test_typical_and_atypical_places_are_balanced(category: Category) -> None:
    typical, atypical = (prompts_for(category, "ours", kind) for kind in ("typical", "atypical"))
    assert len(typical) == len(atypical) == len(LIGHTS)
    assert {prompt.place for prompt in typical} == {"typical"}
    assert {prompt.place for prompt in atypical} == {"atypical"}
    assert prompts_for(category, "ours", "both") == typical + atypical


@pytest.mark.parametrize("name", BROAD)
def test_broad_category_has_twelve_places_of_any_kind(name: str) -> None:
    category = next(one for one in ANIMALS if one.name == name)
    assert [prompt.place for prompt in prompts_for(category, "ours", "both")] == ["any"] * 12
    with pytest.raises(XrayError) as refused:
        prompts_for(category, "ours", "typical")
    assert refused.value.args[0].endswith(", ".join(one for one in our_prompts() if one and one not in BROAD))


def test_every_known_category_has_places_of_its_own() -> None:
    assert our_prompts().keys() == {"", *(category.name for category in KNOWN)}
    assert KINDS.keys() == our_prompts().keys() - {""}
    prompts = prompts_for(UNKNOWN, "ours", "both")
    assert len(prompts) >= 24
    assert {prompt.place for prompt in prompts} == {"any"}


@pytest.mark.parametrize("name", ["RED_fox", "n02119022", "Reineke"])
def test_category_is_identified_by_name_or_only_wordnet_id(name: str) -> None:
    category = Category(name=name, indices=(277,), wnids=("n02119022",))
    assert prompts_for(category, "ours", "both") == our_prompts()["red fox"]
    assert "fox in the lawn" in prompts_for(category, "fig14", "both")[0].text
    mixed = Category(name="mammals", indices=(277, 147), wnids=("n02119022", "n02066245"))
    assert prompts_for(mixed, "ours", "both") == our_prompts()[""]


def test_prompts_of_the_recipe_replace_ours_but_not_the_published() -> None:
    own = Category(name="red fox", indices=(277,), prompts=("a harbour", "a tennis court"))
    expected = (Prompt("a harbour", "any"), Prompt("a tennis court", "any"))
    assert prompts_for(own, "ours", "both") == expected
    assert prompts_for(own, "fig14", "both")[0].text == published_prompts()["red fox"]["text"]


@pytest.mark.parametrize("places", ["typical", "atypical"])
def test_missing_kinds_of_place_are_refused(places: Any) -> None:
    own = Category(name="red fox", indices=(277,), prompts=("a harbour",))
    for category, wording in ((UNKNOWN, "ours"), (own, "ours"), (XIMAGENET12[0], "fig14")):
        with pytest.raises(XrayError, match=rf"'{category.name}'.*{places}.*places: both.*alligator lizard"):
            prompts_for(category, wording, places)  # type: ignore[arg-type]


def test_published_prompts() -> None:
    table = published_prompts()
    assert table.keys() == {category.name for category in XIMAGENET12}
    assert sorted(row["panel"] for row in table.values()) == list("abcdefghijkl")
    for category in XIMAGENET12:
        (prompt,) = prompts_for(category, "fig14", "both")
        assert prompt.place == "any"
        assert 5 < len(words(prompt.text)) < 45
    with pytest.raises(XrayError, match=r"'teapot'.*prompts: ours.*red fox"):
        prompts_for(UNKNOWN, "fig14", "both")


def test_certain_prompts_name_a_subject_of_one_category() -> None:
    subjects = {
        "airship": "airship",
        "red fox": "fox",
        "grey whale": "whales",
        "car wheel": "car",
        "cash machine": "financial",
        "cello": "music",
        "ice cream": "food",
    }
    table = published_prompts()
    for category, subject in subjects.items():
        assert table[category]["assigned"] == "certain"
        assert [name for name, row in table.items() if subject in words(row["text"])] == [category]
    inferred = {row["panel"]: name for name, row in table.items() if name not in subjects}
    assert inferred.keys() == set("acdfk")
    assert {table[name]["assigned"] for name in inferred.values()} == {"inferred"}
    assert table[inferred["a"]]["text"] == table[inferred["k"]]["text"]
    assert {inferred["a"], inferred["k"]} == {"alligator lizard", "green lizard"}


def test_docs_list_all_prompts() -> None:
    page = (DOCS / "prompts.md").read_text(encoding="utf-8")
    assert page == runpy.run_path(str(DOCS / "prompts.py"))["page"](), "run: python docs/prompts.py"
    for name, prompts in our_prompts().items():
        assert name in page
        assert [prompt.text for prompt in prompts if place_of(prompt) not in page] == []
    assert [row["text"] for row in published_prompts().values() if row["text"] not in page] == []
