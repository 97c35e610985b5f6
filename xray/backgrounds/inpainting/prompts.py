"""Prompts by category: our own and the published ones.

Our own describe a plain place, its light and the depth of field. They neither name nor imply the object, or the model
would generate a second one, and no place is itself a class of ImageNet, or answering with it would be correct. Line i
of a category's typical places and line i of its atypical ones share light and depth of field, so that only the place
differs. `our_prompts.csv` holds the places, `fig14.csv` the published prompts; `docs/prompts.md` lists both.
"""

from __future__ import annotations

import csv
import functools
import random
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Literal, TypeVar

from xray.core.compositing import random_below
from xray.core.errors import ConfigError
from xray.core.types import Prompt
from xray.sources.categories.animals import ANIMALS
from xray.sources.categories.base import Category, categories_by_label, normalize_label
from xray.sources.categories.ximagenet12 import XIMAGENET12

T = TypeVar("T")

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
"""Light and depth of field of our prompts: line i of a category's places uses the one of index i modulo 6."""


def prompts_for(category: Category, wording: Wording, places: Places) -> tuple[Prompt, ...]:
    """Return the prompts for a category, in the order of their tables.

    A category is identified by its name, or by its only WordNet id. An unknown category gets 24 places that suit
    anything. A broad one, such as carnivore, has 12 of its own, of place `any`: its members live in different places.
    `prompts` that the recipe gives a category replace ours.

    Args:
        category: the object's category.
        wording: `ours`, or `fig14`: the published prompts, one per category, as printed (Li et al., XIMAGENET-12,
            Fig. 14). See `published_prompts` for their assignment to categories.
        places: `typical` places of the category, `atypical` ones, or `both`: all prompts, also those of place `any`.

    Raises:
        ConfigError: the category has no published prompt, or no prompts of the requested kind of place.

    >>> fox = Category(name="red fox", indices=(277,))
    >>> prompts_for(fox, "ours", "atypical")[1].text
    'photo of an underground passage lined with white tiles, bright midday light, deep focus'
    >>> [prompt.place for prompt in prompts_for(fox, "fig14", "both")]
    ['any']
    """
    prompts: tuple[Prompt, ...]
    if wording == "fig14":
        prompts = (Prompt(_published_text(category), "any"),)
    elif category.prompts:
        prompts = tuple(Prompt(text, "any") for text in category.prompts)
    else:
        prompts = our_prompts().get(_table_name(category), our_prompts()[""])
    chosen = tuple(prompt for prompt in prompts if places in ("both", prompt.place))
    if not chosen:
        with_places = [name for name, ours in our_prompts().items() if places in {prompt.place for prompt in ours}]
        raise ConfigError(
            f"category {category.name!r} has no {places!r} prompts (prompts: {wording}): write `places: both`, "
            f"or `prompts: ours` for one of these: {', '.join(with_places)}"
        )
    return chosen


def choose_prompt(category: Category, draw: int, variant: int, wording: Wording, places: Places) -> Prompt:
    """Return the prompt of one variant of a photograph.

    `draw` decides one order of the lines, shared by both kinds of place, and which kind comes first; variants take the
    kinds in turn. So variants 2k and 2k + 1 of a photograph are the typical and the atypical place of one line, with
    the same light and depth of field, and no prompt repeats before all are used.

    Args:
        category: the object's category.
        draw: a hash of (run seed, photograph, scenario).
        variant: 0, 1, …
        wording: see `prompts_for`.
        places: likewise.

    Raises:
        ConfigError: there are no such prompts for the category.
    """
    by_place: dict[str, list[Prompt]] = {}
    for prompt in prompts_for(category, wording, places):
        by_place.setdefault(prompt.place, []).append(prompt)
    rng = random.Random(draw)
    lines: list[tuple[Prompt, ...]] = shuffled(list(zip(*by_place.values(), strict=True)), rng)
    order = shuffled(range(len(by_place)), rng)
    line, turn = divmod(variant, len(order))
    return lines[line % len(lines)][order[turn]]


def shuffled(items: Sequence[T], rng: random.Random) -> list[T]:
    """Return the items in random order, the same in every version of Python (Fisher–Yates).

    >>> shuffled("abcdef", random.Random(1))
    ['b', 'c', 'f', 'd', 'e', 'a']
    """
    result = list(items)
    for last in range(len(result) - 1, 0, -1):
        other = random_below(rng, last + 1)
        result[last], result[other] = result[other], result[last]
    return result


@functools.cache
def our_prompts() -> Mapping[str, tuple[Prompt, ...]]:
    """Return our prompts by category, typical ones first; the empty name has those that suit any category."""
    table: dict[str, dict[str, list[Prompt]]] = {}
    for row in _read_table("our_prompts.csv"):
        lines = table.setdefault(row["category"], {}).setdefault(row["place"], [])
        # "photo of" opens a caption; it does not ask for a photograph within the image.
        lines.append(Prompt(f"photo of {row['text']}, {LIGHTS[len(lines) % len(LIGHTS)]}", row["place"]))
    return {name: tuple(prompt for lines in places.values() for prompt in lines) for name, places in table.items()}


@functools.cache
def published_prompts() -> Mapping[str, Mapping[str, str]]:
    """Return the published prompts by category, as rows of panel, category, assigned and text.

    The figure does not name the categories. `assigned` is `certain` where the text names the object, or a subject that
    fits no other category as well, and `inferred` otherwise. The inferred panels are two of the sea (c, f), one of
    green grass (d) and two equal ones of nature (a, k), for two lizards, a dog, a crayfish and an anemone fish.
    """
    return {row["category"]: row for row in _read_table("fig14.csv")}


def _published_text(category: Category) -> str:
    row = published_prompts().get(_table_name(category))
    if row is None:
        raise ConfigError(
            f"category {category.name!r} has no published prompt (prompts: fig14); write `prompts: ours`, "
            f"or use one of these categories: {', '.join(published_prompts())}"
        )
    return row["text"]


@functools.cache
def _by_label() -> Mapping[str, Category]:
    return categories_by_label((*XIMAGENET12, *ANIMALS))


def _table_name(category: Category) -> str:
    """Return the category's name in the tables; empty: they do not have it."""
    labels = (category.name, *category.wnids) if len(category.wnids) == 1 else (category.name,)
    matches = (_by_label().get(normalize_label(label)) for label in labels)
    return next((match.name for match in matches if match is not None), "")


def _read_table(name: str) -> list[dict[str, str]]:
    with resources.files("xray.backgrounds.inpainting").joinpath(name).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
