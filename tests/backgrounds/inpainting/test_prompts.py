from __future__ import annotations

import functools
import re
import runpy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import ROOT

from xray.backgrounds.inpainting.prompts import LIGHTS, prompts_of, published, worlds
from xray.backgrounds.inpainting.stable_diffusion import NEGATIVE_PROMPT
from xray.core.errors import XrayError
from xray.core.types import Prompt
from xray.sources.categories import Category
from xray.sources.categories.imagenet1k import imagenet1k_classes
from xray.sources.categories.stamps12 import STAMPS12
from xray.sources.categories.ximagenet12 import XIMAGENET12

DOCS = ROOT / "docs"
KNOWN = (*XIMAGENET12, *STAMPS12)
BROAD = ("bovid", "landbird", "bigungulate", "carnivore", "smallmammal", "fowl", "tool")
STRANGE = Category(name="teapot", indices=(849,))

NEGATIONS = {"no", "not", "without", "nobody", "never", "nothing"}
PEOPLE = (
    "people person man men woman women child children kid boy girl baby crowd audience player worker tourist visitor "
    "passenger customer human face hand someone figure farmer fisherman musician driver pedestrian "
    "busy crowded station airport terminal mall shopping market fairground show theatre cafe restaurant beach"
)
"""People, and where they are painted unasked."""
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
    "fruit": (
        "fruit apple berry berries cherry grape pear peach orange lemon banana orchard nut tomato market crate basket "
        "stall bowl plate breakfast garden branch tree vineyard"
    ),
    "bovid": "cow cattle bull sheep goat ram antelope ox bison buffalo herd livestock zebra animal pasture farmyard "
    "paddock savanna stall fence",
    "vehicle": "vehicle car truck bus tank tractor motorcycle bike bicycle van traffic lorry road street highway "
    "driveway parking garage asphalt kerb lane track",
    "landbird": "bird owl parrot eagle hawk nest birdhouse feather hummingbird feeder flock cage",
    "waterbird": "bird duck goose swan heron gull penguin stork pelican nest flock harbour",
    "bigungulate": "horse zebra camel elephant pig hippo rhino giraffe deer herd llama pasture farmyard paddock "
    "savanna stable fence animal",
    "carnivore": "dog cat wolf fox bear lion tiger leopard seal otter kennel animal den zoo",
    "smallmammal": "rabbit hare squirrel hamster mouse rat hedgehog beaver koala burrow hutch cage stall straw animal",
    "instrument": "instrument piano guitar violin drum orchestra trumpet flute music concert rehearsal recording studio "
    "stage shop",
    "fowl": "chicken hen cock rooster turkey duck goose bird peacock ostrich coop poultry farmyard yard straw trough",
    "vegetable": (
        "vegetable carrot cabbage pepper potato onion tomato corn squash pumpkin mushroom salad lettuce market crate "
        "stall basket garden soil plate bowl chopping"
    ),
    "tool": "tool hammer wrench saw drill screwdriver pliers nail shovel axe spanner workshop workbench bench pegboard "
    "clamp shed garage",
}
"""What else a painter would make the object again from: its kin, and places that imply it."""


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def numbers(some: set[str]) -> set[str]:
    """The words, their plurals, and what they are plurals of."""
    return some | {word + ending for word in some for ending in ("s", "es")} | {word.removesuffix("s") for word in some}


def place(prompt: Prompt) -> str:
    """What a prompt says of the place."""
    return prompt.text.removeprefix("photo of ").partition(", ")[0]


@functools.cache
def heads() -> set[str]:
    """The last words of all names and synonyms of ImageNet classes, in singular and plural."""
    found = {name.split()[-1] for one in imagenet1k_classes() for name in names(one.indices[0])}
    return numbers(found - {"grey"})  # African grey: a bird called by a colour


@functools.cache
def names(index: int) -> tuple[str, ...]:
    """The name of an ImageNet class and its synonyms."""
    return tuple(str(_classes().label_descriptions()[index]).lower().split(", "))


@functools.cache
def _classes() -> Any:
    from timm.data.imagenet_info import ImageNetInfo

    return ImageNetInfo()


@pytest.mark.parametrize("category", KNOWN, ids=lambda one: one.name)
def test_the_object_is_neither_named_nor_implied(category: Category) -> None:
    said = {re.findall(r"[a-z]+", name)[-1] for index in category.indices for name in names(index)}
    forbidden = numbers((said - {"grey"}) | set(KINDS[category.name].split()))
    for prompt in prompts_of(category, "ours", "both"):
        assert not words(prompt.text) & forbidden, prompt.text


@pytest.mark.parametrize("name", worlds())
def test_no_place_names_a_class_of_imagenet(name: str) -> None:
    for prompt in worlds()[name]:
        assert not words(place(prompt)) & heads(), prompt.text  # of the place: "light" is a lighter


def test_the_names_of_classes_are_found_by_their_last_words() -> None:
    assert {"reef", "wall", "walls", "bench", "coast", "library", "store", "trunk", "desk", "table"} <= heads()
    assert not heads() & {"park", "stone", "coral-", "grey", "forest", "snow"}


@pytest.mark.parametrize("name", worlds())
def test_no_prompt_asks_for_what_the_negative_prompt_forbids(name: str) -> None:
    forbidden = numbers(set(f"{PEOPLE} {WRITING} {CAMERA}".split()) | set(NEGATIVE_PROMPT.split(", "))) | NEGATIONS
    for prompt in worlds()[name]:
        assert not words(prompt.text) & forbidden, prompt.text


def test_every_prompt_is_a_caption_of_a_place_in_its_light() -> None:
    for prompts in worlds().values():
        of_kind = {kind: [one for one in prompts if one.place == kind] for kind in {one.place for one in prompts}}
        for same in of_kind.values():
            for line, prompt in enumerate(same):
                assert prompt.text == f"photo of {place(prompt)}, {LIGHTS[line % len(LIGHTS)]}"


@pytest.mark.parametrize("category", [one for one in KNOWN if one.name not in BROAD], ids=lambda one: one.name)
def test_typical_and_atypical_places_are_as_many(category: Category) -> None:
    typical, atypical = (prompts_of(category, "ours", kind) for kind in ("typical", "atypical"))
    assert len(typical) == len(atypical) == len(LIGHTS)
    assert {prompt.place for prompt in typical} == {"typical"}
    assert {prompt.place for prompt in atypical} == {"atypical"}
    assert prompts_of(category, "ours", "both") == typical + atypical


@pytest.mark.parametrize("name", BROAD)
def test_a_broad_category_has_twelve_places_that_are_not_told_apart(name: str) -> None:
    category = next(one for one in STAMPS12 if one.name == name)
    prompts = prompts_of(category, "ours", "both")
    assert len(prompts) == 12
    assert {prompt.place for prompt in prompts} == {"any"}
    with pytest.raises(XrayError, match=rf"'{name}' has no prompts.*'typical'") as refused:
        prompts_of(category, "ours", "typical")
    assert refused.value.args[0].endswith(", ".join(one for one in worlds() if one and one not in BROAD))


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
        assert [prompt.text for prompt in prompts if place(prompt) not in page] == []
    assert [row["text"] for row in published().values() if row["text"] not in page] == []
