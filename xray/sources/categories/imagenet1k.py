"""The 1,000 classes of ImageNet-1k as categories, and their lookup by name, synonym or WordNet id."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from xray.core.errors import ConfigError, XrayError, extra
from xray.sources.categories.base import Category, normalize_label

_SAME_FIRST_SYNONYM = {
    "n02012849": "crane bird",
    "n03126707": "crane machine",
    "n02113186": "Cardigan Welsh corgi",
    "n03710721": "tank suit",
}
_MAX_LINES = 20
_WNID = re.compile(r"n\d{8}(?![0-9])")


@functools.cache
def _synonyms() -> dict[Category, list[str]]:
    """Return the classes with their synonyms, in the order of their indices."""
    with extra("models"):
        from timm.data.imagenet_info import ImageNetInfo
    info: Any = ImageNetInfo()
    classes = {}
    for index, (wnid, text) in enumerate(zip(info.label_names(), info.label_descriptions(), strict=True)):
        synonyms = text.split(", ")
        name = _SAME_FIRST_SYNONYM.get(wnid, synonyms[0])
        classes[Category(name=name, indices=(index,), wnids=(wnid,))] = synonyms
    return classes


@functools.cache
def _by_label() -> dict[str, list[Category]]:
    """Index the classes by WordNet id, name and synonym; names take precedence over synonyms of other classes."""
    by_synonym: dict[str, list[Category]] = defaultdict(list)
    for one, synonyms in _synonyms().items():
        for key in dict.fromkeys(normalize_label(label) for label in (*synonyms, ", ".join(synonyms))):
            by_synonym[key].append(one)
    by_name = {normalize_label(label): [one] for one in _synonyms() for label in (*one.wnids, one.name)}
    return {**by_synonym, **by_name}


@functools.cache
def _by_spelling() -> dict[str, list[Category]]:
    """Index the classes by their synonyms as written: `Cardigan` is a dog, `cardigan` a jacket."""
    classes: dict[str, list[Category]] = defaultdict(list)
    for one, synonyms in _synonyms().items():
        for synonym in synonyms:
            classes[synonym].append(one)
    return classes


def classes_of(label: str) -> list[Category]:
    """Return the classes that a label says: by WordNet id, also at its start, index, exact spelling, or name.

    >>> [one.name for label in ("n02119022-fox", "277", "Cardigan", "cardigan") for one in classes_of(label)]
    ['red fox', 'red fox', 'Cardigan Welsh corgi', 'cardigan']
    """
    if wnid := _WNID.match(label):
        return _by_label().get(wnid[0], [])
    if label.isascii() and label.isdecimal():
        return list(imagenet1k_classes()[int(label) : int(label) + 1]) if len(label) <= 3 else []
    exact = _by_spelling().get(" ".join(label.replace("_", " ").split()), [])
    return exact if len(exact) == 1 else _by_label().get(normalize_label(label), [])


def description(index: int) -> str:
    """Return the synonyms and the definition of a class.

    >>> description(21)[:31]
    'kite: any of several small grac'
    """
    with extra("models"):
        from timm.data.imagenet_info import ImageNetInfo
    info: Any = ImageNetInfo()
    return str(info.index_to_description(index, detailed=True))


def imagenet1k_classes() -> tuple[Category, ...]:
    """Return the 1,000 classes in the order of their indices, each with a readable, unique name.

    Raises:
        ResourceError: timm is not installed.

    >>> imagenet1k_classes()[277].name
    'red fox'
    """
    return tuple(_synonyms())


def categories_from_labels(labels: Sequence[str], where: str) -> tuple[Category, ...]:
    """Return the categories of labels that are WordNet ids or indices, or names or synonyms, of ImageNet classes.

    Args:
        labels: names of folders or labels; case, `_` and repeated spaces do not matter.
        where: origin of the labels, for the error.

    Raises:
        ConfigError: a label matches no class or several; shows the lines to add to the recipe.

    >>> [(category.name, category.indices) for category in categories_from_labels(["n02119022", "king_crab"], "labels")]
    [('red fox', (277,)), ('king_crab', (121,))]
    """
    categories: dict[str, Category] = {}
    for label in labels:
        classes = classes_of(label)
        if len(classes) != 1:
            raise _unknown_class(label, labels, where)
        one = classes[0]
        name = one.name if normalize_label(label) in one.wnids else label
        categories.setdefault(name if label in _by_spelling() else normalize_label(name), replace(one, name=name))
    return tuple(categories.values())


def _nearest(label: str) -> list[Category]:
    """Return up to 5 classes that a label may mean: same name, the label as a word of the name, or similar spelling."""
    key = normalize_label(label)
    if key in _by_label():
        return _by_label()[key]
    words = {key, key.removesuffix("s"), key.removesuffix("es")}
    with_word = [name for name in _by_label() if not words.isdisjoint(name.replace(",", "").split())]
    kinds = [name for name in with_word if name.split()[-1] in words]  # "fox" matches "red fox", not "fox terrier"
    similar = difflib.get_close_matches(key, _by_label(), n=3, cutoff=0.75)
    classes = [one for name in (*(kinds or with_word), *similar) for one in _by_label()[name]]
    return list(dict.fromkeys(classes))[:5]


def recipe_line(label: str) -> str:
    """Return a line of a recipe's `categories` for an unknown label: the nearest classes, for the user to check."""
    near = _nearest(label)
    indices = [one.indices[0] for one in near]
    meaning = " or ".join(one.name for one in near) if near else "list the accepted ImageNet-1k indices"
    return f"  {json.dumps(label, ensure_ascii=False)}: {indices}  # {meaning}"


def _unknown_class(label: str, labels: Sequence[str], where: str) -> XrayError:
    classes = classes_of(label)
    problem = "matches several ImageNet classes" if classes else "is not a WordNet id or name of an ImageNet class"
    lines = [recipe_line(one) for one in labels[:_MAX_LINES]]
    if len(labels) > _MAX_LINES:
        lines.append(f"  # … and {len(labels) - _MAX_LINES} more")
    return ConfigError(
        f"{label!r} in {where} {problem}; list the accepted indices in the recipe:\ncategories:\n" + "\n".join(lines)
    )
