"""What to paint around an object: prompts by category, our own and the published ones.

Our own describe a plain place, its light and the depth of field. They neither name nor imply the object, or inpainting
would paint a second one, and no place is itself a class of ImageNet, or a model would be right to answer with it. Line
i of a category's typical places and line i of its atypical ones share light and depth of field, so that the place alone
differs. `worlds.csv` holds the places, `fig14.csv` the published prompts; `docs/prompts.md` lists both.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from importlib import resources
from typing import Literal

from xray.core.errors import XrayError
from xray.core.types import Prompt
from xray.sources.categories.base import Category, categories_by_label, plain
from xray.sources.categories.stamps12 import STAMPS12
from xray.sources.categories.ximagenet12 import XIMAGENET12

Wording = Literal["ours", "fig14"]
Places = Literal["both", "typical", "atypical"]

LIGHTS = (
    "soft morning light, deep focus",
    "bright midday light, deep focus",
    "pale overcast light, shallow depth of field",
    "low golden light, shallow depth of field",
    "cool evening light, deep focus",
    "hazy diffuse light, shallow depth of field",
)
"""Light and depth of field of our prompts: line i of a category's places has the one of index i modulo 6."""


def prompts_of(category: Category, wording: Wording, places: Places) -> tuple[Prompt, ...]:
    """The prompts for a category, in the order of their tables.

    A category is known by its name or by its only WordNet id. One that is not known gets 24 places that go with
    anything. A broad one, such as carnivore, has 12 of its own that are not told apart: its members live in different
    places. `prompts` that a recipe gives a category take the place of ours.

    Args:
        category: of the object.
        wording: `ours`, or `fig14`: the published one prompt a category (Li et al., XIMAGENET-12, Fig. 14), as printed.
            They stand there without the names of their categories. Those of airship, red fox, car wheel, cash machine,
            cello, ice cream and grey whale are certain by what they ask for; those of the two lizards (one text for
            both), crayfish, Maltese dog and anemone fish are inferred: see `published`.
        places: which of them: `typical` places of the category, `atypical` ones, or `both`, which means all there are,
            whatever their place.

    Raises:
        XrayError: the published prompts do not have the category; the category's prompts are not told apart by place,
            and one kind of place is asked for.

    >>> fox = Category(name="red fox", indices=(277,))
    >>> prompts_of(fox, "ours", "atypical")[1].text
    'photo of an underground passage lined with white tiles, bright midday light, deep focus'
    >>> [prompt.place for prompt in prompts_of(fox, "fig14", "both")]
    ['any']
    """
    found: tuple[Prompt, ...]
    if wording == "fig14":
        found = (Prompt(_published_text(category), "any"),)
    elif category.prompts:
        found = tuple(Prompt(text, "any") for text in category.prompts)
    else:
        found = worlds().get(_known_as(category), worlds()[""])
    chosen = tuple(prompt for prompt in found if places in ("both", prompt.place))
    if not chosen:
        told_apart = [name for name, prompts in worlds().items() if places in {prompt.place for prompt in prompts}]
        raise XrayError(
            f"category {category.name!r} has no prompts that are known to be {places!r} (prompts: {wording}): "
            f"write `places: both`, or `prompts: ours` for one of these: {', '.join(told_apart)}"
        )
    return chosen


@functools.cache
def worlds() -> Mapping[str, tuple[Prompt, ...]]:
    """Our prompts by the category's name.

    Six typical and six atypical, in this order, or twelve of any place where members live in different places; under
    the empty name 24 that go with anything.
    """
    found: dict[str, dict[str, list[Prompt]]] = {}
    for row in _table("worlds.csv"):
        kind = found.setdefault(row["category"], {}).setdefault(row["place"], [])
        # A caption's opening, not a photograph among the things to be painted.
        kind.append(Prompt(f"photo of {row['text']}, {LIGHTS[len(kind) % len(LIGHTS)]}", row["place"]))
    return {name: tuple(prompt for kind in kinds.values() for prompt in kind) for name, kinds in found.items()}


@functools.cache
def published() -> Mapping[str, Mapping[str, str]]:
    """The published prompts by the category's name, as rows of panel, category, assigned and text.

    `assigned` is `certain` where the text names the object or a subject that no other category fits as well, and
    `inferred` otherwise: the panels left over are two of the sea (c, f), one of green grass (d) and two equal ones of
    nature (a, k), for two lizards, a dog, a crayfish and an anemone fish.
    """
    return {row["category"]: row for row in _table("fig14.csv")}


def _published_text(category: Category) -> str:
    row = published().get(_known_as(category))
    if row is None:
        raise XrayError(
            f"category {category.name!r} has no published prompt (prompts: fig14); write `prompts: ours`, "
            f"or use the categories that have: {', '.join(published())}"
        )
    return row["text"]


@functools.cache
def _by_label() -> Mapping[str, Category]:
    return categories_by_label((*XIMAGENET12, *STAMPS12))


def _known_as(category: Category) -> str:
    """The name under which the tables have the category; empty: they have not."""
    labels = (category.name, *category.wnids) if len(category.wnids) == 1 else (category.name,)
    known = (_by_label().get(plain(label)) for label in labels)
    return next((one.name for one in known if one is not None), "")


def _table(name: str) -> list[dict[str, str]]:
    with resources.files("xray.backgrounds.inpainting").joinpath(name).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
