"""WordNet as far as ImageNet reaches: the 1,000 classes, the synsets above them, and rival meanings of their words."""

from __future__ import annotations

import csv
import difflib
import functools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_SUFFIXES = (("s", ""), ("es", ""), ("ies", "y"), ("men", "man"))  # of plurals
_TOO_GENERAL = 400  # classes: `animal` has fewer, `object` more


@dataclass(frozen=True)
class Synset:
    """A meaning in WordNet 3.0.

    Args:
        id: its WordNet id, such as `n02119022`.
        words: the words for it, the main one first.
        gloss: its definition, shortened.
        parents: ids of the synsets directly above it; there can be several.
        classes: indices of the ImageNet-1k classes that it is or includes, in ascending order; empty: a meaning that
            ImageNet lacks.
        is_class: whether it is itself one of the classes.
    """

    id: str
    words: tuple[str, ...]
    gloss: str
    parents: tuple[str, ...]
    classes: tuple[int, ...]
    is_class: bool


@functools.cache
def synsets() -> Mapping[str, Synset]:
    """Return the synsets by WordNet id.

    >>> len(synsets()["n02084071"].classes), synsets()["n02084071"].words[0]
    (118, 'dog')
    """
    with (_HERE / "wordnet.tsv").open(encoding="utf-8", newline="") as stream:
        next(stream)  # the note on the origin
        rows = {row["id"]: row for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)}
    classes: dict[str, set[int]] = defaultdict(set)
    for key, row in rows.items():
        if row["class"]:
            for above in _climb(key, rows):
                classes[above].add(int(row["class"]))
    return {
        key: Synset(
            key,
            tuple(row["words"].split(", ")),
            row["gloss"],
            tuple(row["parents"].split()),
            tuple(sorted(classes[key])),
            bool(row["class"]),
        )
        for key, row in rows.items()
    }


def _climb(key: str, rows: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    yield key
    for parent in rows[key]["parents"].split():
        yield from _climb(parent, rows)


@functools.cache
def class_synsets() -> tuple[Synset, ...]:
    """Return the synsets of the ImageNet-1k classes, in the order of their indices.

    >>> class_synsets()[277].id
    'n02119022'
    """
    return tuple(sorted((one for one in synsets().values() if one.is_class), key=lambda one: one.classes))


def word_key(text: str) -> str:
    """Normalize a word: case, accents, underscores, hyphens and other marks do not matter.

    >>> word_key("Jack-O'-Lantern"), word_key("Pekinés_dog")
    ('jack o lantern', 'pekines dog')
    """
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return " ".join(re.findall(r"\w+", plain.replace("_", " ").casefold()))


@functools.cache
def _by_word() -> Mapping[str, tuple[Synset, ...]]:
    words: dict[str, dict[Synset, None]] = defaultdict(dict)
    for synset in synsets().values():
        for word in synset.words:
            words[word_key(word)][synset] = None
    return {word: tuple(meanings) for word, meanings in words.items()}


@functools.cache
def _irregular_plurals() -> Mapping[str, str]:
    lines = (_HERE / "irregular_plurals.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def base_form(text: str) -> str:
    """Return a word as WordNet has it, normalized, in the singular where only that is known.

    >>> base_form("Red_Foxes"), base_form("mice"), base_form("sunglasses"), base_form("unicorns")
    ('red fox', 'mouse', 'sunglasses', 'unicorns')
    """
    word = word_key(text)
    before, space, last = word.rpartition(" ")
    endings = ((last.removesuffix(old) + new) for old, new in _SUFFIXES if last.endswith(old) and last != old)
    forms = (last, _irregular_plurals().get(last, last), *endings)
    return next((form for one in forms if (form := before + space + one) in _by_word()), word)


def meanings(text: str) -> tuple[Synset, ...]:
    """Return the meanings of a word, in the order of their ids; also those that ImageNet lacks.

    >>> [(one.id, one.classes) for one in meanings("cranes")]
    [('n02012849', (134,)), ('n03126707', (517,))]
    """
    return _by_word().get(base_form(text), ())


def joined_meanings(text: str) -> tuple[Synset, ...]:
    """Return the meanings in ImageNet of a word that is written without its spaces.

    >>> [one.words[0] for one in joined_meanings("RedFox")]
    ['red fox']
    """
    return _by_joined_word().get(word_key(text).replace(" ", ""), ())


@functools.cache
def _by_joined_word() -> Mapping[str, tuple[Synset, ...]]:
    joined: dict[str, dict[Synset, None]] = defaultdict(dict)
    for word, known in _by_word().items():
        joined[word.replace(" ", "")].update(dict.fromkeys(one for one in known if one.classes))
    return {word: tuple(known) for word, known in joined.items()}


def meanings_containing(text: str) -> list[Synset]:
    """Return the meanings in ImageNet whose words contain a text as a word, kinds of it first.

    >>> len(meanings_containing("terriers"))
    29
    """
    key = base_form(text)
    words = [word for word in _by_word() if f" {key} " in f" {word} "]
    words.sort(key=lambda word: not word.endswith(f" {key}"))  # for "fox": "red fox" before "fox terrier"
    return list(dict.fromkeys(one for word in words for one in _by_word()[word] if one.classes))


def similar_meanings(text: str, limit: int = 5) -> list[Synset]:
    """Return the meanings in ImageNet whose words resemble or contain a text, the nearest first; else of its own words.

    >>> [one.words[0] for one in similar_meanings("labrador")], [one.words[0] for one in similar_meanings("chihuaha")]
    (['Labrador retriever'], ['Chihuahua'])
    >>> [one.words[0] for one in similar_meanings("berry_and_vegetable")]
    ['berry', 'vegetable']
    """
    alike = difflib.get_close_matches(base_form(text), _by_word(), n=3, cutoff=0.84)
    hits = [one for word in alike for one in _by_word()[word] if one.classes]
    hits = [*hits[:1], *meanings_containing(text), *hits]
    if not hits:
        parts = [part for part in word_key(text).split() if len(part) > 2]
        hits = [one for part in parts for one in meanings(part) if 0 < len(one.classes) < _TOO_GENERAL]
    return list(dict.fromkeys(hits))[:limit]
