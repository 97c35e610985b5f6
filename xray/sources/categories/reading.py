"""What a label stands for: the name of a folder, a label in a table, or a word in a recipe."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from xray.sources.categories.base import normalize_label
from xray.sources.categories.wordnet import (
    Synset,
    base_form,
    class_synsets,
    joined_meanings,
    meanings,
    similar_meanings,
    synsets,
    word_key,
)

_WNID = re.compile(r"[nN]\d{8}(?![0-9])")
_NUMBERED = re.compile(r"\d+[ ._-]+(\D.*)")  # 001.red_fox
_INDEX = re.compile(r"(?:(?:class|cls|category|label|index|target|y)[ _=:-]*)?([0-9]{1,5})(?:\.0)?", re.IGNORECASE)
_OWN_NAMES = {
    "n02012849": "crane bird",
    "n03126707": "crane machine",
    "n02113186": "Cardigan Welsh corgi",
    "n03710721": "tank suit",
}
"""Names of classes whose first word is also the first word of another class."""


@dataclass(frozen=True)
class Reading:
    """The classes that a label stands for, or the choices.

    Args:
        label: the label.
        classes: indices of ImageNet-1k; empty: undecided.
        meanings: the synsets of these classes; if undecided the possible ones, those that ImageNet lacks among them.
        certain: False: a person should check it; if undecided, True says that the label is ambiguous, not unknown.
    """

    label: str
    classes: tuple[int, ...]
    meanings: tuple[Synset, ...]
    certain: bool = True


def read_label(label: str, *, choices: bool = True) -> Reading:
    """Return what a label stands for: by WordNet id, also at its start, by index, or by the words of WordNet.

    A word with several meanings in ImageNet is decided only if capital letters tell them apart, if they are classes and
    it is the main word for one of them alone, or if they are all kinds of one thing and make up all of it (`cat`: true
    cats and big cats). A word whose more usual meaning ImageNet lacks (`mouse`) is undecided.

    `choices`: look for similar words if ImageNet does not know the label, which is slow.

    >>> [read_label(label).classes for label in ("n02119022-fox", "277", "red_foxes", "Cardigan", "crane", "mouse")]
    [(277,), (277,), (277,), (264,), (), ()]
    """
    if wnid := _WNID.match(label):
        synset = synsets().get(wnid[0].lower())
        if synset is None or not synset.classes:
            return Reading(label, (), (), certain=False)
        rivals = _contradiction(label[wnid.end() :], synset)
        return Reading(label, (), (synset, *rivals)) if rivals else _decided(label, [synset])
    if number := index_in(label):
        known = class_synsets()[int(number) : int(number) + 1]
        return _decided(label, known, certain=False) if known else Reading(label, (), (), certain=False)
    if synset := _by_full_name().get(normalize_label(label)):
        return _decided(label, [synset])
    if (numbered := _NUMBERED.fullmatch(label)) and not meanings(label) and meanings(numbered[1]):
        return replace(_read_word(numbered[1], choices), label=label, certain=False)
    return _read_word(label, choices)


def index_in(label: str) -> str | None:
    """Return the digits of a label that is nothing but a number, such as `277`, `class_277` or `label=277`.

    >>> index_in("class_277"), index_in("277.0"), index_in("route 66")
    ('277', '277', None)
    """
    match = _INDEX.fullmatch(label.strip())
    return match[1] if match else None


def _contradiction(rest: str, synset: Synset) -> tuple[Synset, ...]:
    """Return the meanings of what follows a WordNet id in a label, if it is a word for something else."""
    known = tuple(one for one in meanings(rest) if one.classes)
    return () if any({*one.classes} & {*synset.classes} for one in known) else known


def _read_word(label: str, choices: bool) -> Reading:
    known = meanings(label)
    inside = [one for one in known if one.classes]
    if not inside:
        joined = joined_meanings(label)
        if len(joined) == 1:
            return _decided(label, joined, certain=False)
        return Reading(label, (), joined or tuple(similar_meanings(label) if choices else ()), certain=False)
    if len(inside) == len(known) == 1:
        return _decided(label, inside)
    if len(inside) < len(known):
        return Reading(label, (), known)
    spelling = " ".join(label.replace("_", " ").split())
    spelled = [one for one in inside if spelling in one.words]
    if len(spelled) == 1:
        others = {word for one in inside if one not in spelled for word in one.words}
        if spelling.casefold() in map(str.casefold, others):
            return _decided(label, spelled, certain=False)
    named = [one for one in inside if word_key(one.words[0]) == base_form(label)]
    if len(named) == 1 and all(one.is_class for one in inside):
        return _decided(label, named, certain=False)
    if _make_up_one_thing(inside):
        return _decided(label, inside, certain=False)
    return Reading(label, (), known)


def _decided(label: str, known: Sequence[Synset], certain: bool = True) -> Reading:
    classes = tuple(sorted({index for one in known for index in one.classes}))
    return Reading(label, classes, tuple(known), certain)


def _make_up_one_thing(kinds: list[Synset]) -> bool:
    """Return whether all synsets are directly below one that has no other classes."""
    parents = set.intersection(*(set(one.parents) for one in kinds))
    union = {index for one in kinds for index in one.classes}
    return any(set(synsets()[parent].classes) == union for parent in parents)


@functools.cache
def _by_full_name() -> Mapping[str, Synset]:
    """Index the classes by names of their own, and by all their words as published label lists write them."""
    full = {normalize_label(", ".join(one.words)): one for one in class_synsets() if len(one.words) > 1}
    return full | {normalize_label(name): synsets()[wnid] for wnid, name in _OWN_NAMES.items()}


def class_name(index: int) -> str:
    """Return a readable name of an ImageNet-1k class, unique among the classes.

    >>> class_name(134), class_name(277)
    ('crane bird', 'red fox')
    """
    synset = class_synsets()[index]
    return _OWN_NAMES.get(synset.id, synset.words[0])


def describe_classes(indices: Sequence[int], limit: int = 3) -> str:
    """Name classes by index and name; the first and last of more than `limit`. None are a category of one's own.

    >>> describe_classes((277,)), describe_classes(tuple(range(151, 269)))
    ('277 red fox', '118 classes: 151 Chihuahua … 268 Mexican hairless')
    """
    if not indices:
        return "of your own"
    names = [f"{index} {class_name(index)}" for index in indices]
    return ", ".join(names) if len(names) <= limit else f"{len(names)} classes: {names[0]} … {names[-1]}"


def describe_meaning(synset: Synset, gloss: bool = True) -> str:
    """Describe a synset by its classes and, if wanted, its definition.

    >>> describe_meaning(synsets()["n02012849"], gloss=False)
    '134 crane bird'
    """
    name = describe_classes(synset.classes) if synset.classes else "not in ImageNet"
    if len(synset.classes) > 1:
        name = f"{synset.words[0]}: {name}"
    return f"{name}; {synset.gloss}" if gloss else name
