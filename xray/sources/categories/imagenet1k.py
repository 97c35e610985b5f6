"""The thousand classes of ImageNet-1k: as categories, and found by what people call them."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xray.core.errors import XrayError
from xray.sources.categories.base import Category, plain

_SAME_FIRST_SYNONYM = {
    "n02012849": "crane bird",
    "n03126707": "crane machine",
    "n02113186": "Cardigan Welsh corgi",
    "n03710721": "tank suit",
}
_SHOWN = 20


@dataclass(frozen=True)
class _Class:
    index: int
    wnid: str
    name: str
    synonyms: tuple[str, ...]


@functools.cache
def _classes() -> tuple[_Class, ...]:
    try:
        from timm.data.imagenet_info import ImageNetInfo
    except ImportError as error:
        raise XrayError(
            "the names of the ImageNet classes come with timm: pip install 'xray-robustness[models]'"
        ) from error
    info: Any = ImageNetInfo()
    found = []
    for index, (wnid, text) in enumerate(zip(info.label_names(), info.label_descriptions(), strict=True)):
        synonyms = tuple(text.split(", "))
        found.append(_Class(index, wnid, _SAME_FIRST_SYNONYM.get(wnid, synonyms[0]), synonyms))
    return tuple(found)


@functools.cache
def _by_label() -> dict[str, tuple[_Class, ...]]:
    """Classes by WordNet id, name or synonym; a class's own name comes before other classes' synonyms."""
    own = {plain(label): (one,) for one in _classes() for label in (one.wnid, one.name)}
    others: dict[str, tuple[_Class, ...]] = {}
    for one in _classes():
        for label in (*one.synonyms, ", ".join(one.synonyms)):
            key = plain(label)
            if one not in others.get(key, ()):
                others[key] = (*others.get(key, ()), one)
    return others | own


def imagenet1k_classes() -> tuple[Category, ...]:
    """The 1000 classes by WordNet id, each with a readable, unique name.

    Raises:
        XrayError: timm is not installed.

    >>> imagenet1k_classes()[277].name
    'red fox'
    """
    return tuple(Category(name=one.name, indices=(one.index,), wnids=(one.wnid,)) for one in _classes())


def categories_called(labels: Sequence[str], where: str) -> tuple[Category, ...]:
    """Categories for labels that are WordNet ids, or names or synonyms of ImageNet classes.

    Args:
        labels: what folders or label names say; case, `_` and spaces do not matter.
        where: where they stand, for the error.

    Raises:
        XrayError: a label is none of them, or means several classes; with the lines that a recipe needs.

    >>> [(category.name, category.indices) for category in categories_called(["n02119022", "king_crab"], "labels")]
    [('red fox', (277,)), ('king_crab', (121,))]
    """
    found: dict[str, Category] = {}
    for label in labels:
        classes = _by_label().get(plain(label), ())
        if len(classes) != 1:
            raise _not_a_class(label, labels, where)
        one = classes[0]
        name = one.name if plain(label) == one.wnid else label
        found.setdefault(plain(name), Category(name=name, indices=(one.index,), wnids=(one.wnid,)))
    return tuple(found.values())


def _near(label: str) -> list[_Class]:
    """Classes that a label may mean: called exactly so, with the label as one of their words, or spelt alike."""
    key = plain(label)
    if key in _by_label():
        return list(_by_label()[key])
    words = {key, key.removesuffix("s"), key.removesuffix("es")}
    worded = [name for name in _by_label() if not words.isdisjoint(name.replace(",", "").split())]
    kinds = [name for name in worded if name.split()[-1] in words]  # a red fox, but no fox terrier
    spelt = difflib.get_close_matches(key, _by_label(), n=3, cutoff=0.75)
    found = [one for name in (*(kinds or worded), *spelt) for one in _by_label()[name]]
    return list(dict.fromkeys(found))[:5]


def recipe_line(label: str) -> str:
    """A line of a recipe's `categories` for a label that is no class: the nearest ones, to be checked by a person."""
    near = _near(label)
    indices = ", ".join(str(one.index) for one in near)
    meaning = " or ".join(one.name for one in near) if near else "the ImageNet-1k indices that count as right"
    return f"  {json.dumps(label, ensure_ascii=False)}: [{indices}]  # {meaning}"


def _not_a_class(label: str, labels: Sequence[str], where: str) -> XrayError:
    classes = _by_label().get(plain(label), ())
    problem = "means several ImageNet classes" if classes else "is no WordNet id and no name of an ImageNet class"
    lines = [recipe_line(one) for one in labels[:_SHOWN]]
    if len(labels) > _SHOWN:
        lines.append(f"  # … and {len(labels) - _SHOWN} more")
    return XrayError(
        f"{label!r} in {where} {problem}; say in the recipe what counts as right:\ncategories:\n" + "\n".join(lines)
    )
