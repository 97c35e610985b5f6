"""Write the WordNet data of the categories: the 1,000 ImageNet classes, everything above them, and rival meanings.

python docs/wordnet.py /usr/share/wordnet   # of the Debian package wordnet-base, WordNet 3.0; needs timm
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[1] / "xray/sources/categories"
_ANIMAL, _ARTIFACT, _BODY, _OBJECT = 5, 6, 8, 17  # WordNet's lexicographer files of things that people photograph
_MAX_GLOSS = 80


class Noun(NamedTuple):
    """A synset of WordNet."""

    file: int
    words: list[str]
    parents: list[str]
    is_instance: bool
    gloss: str


def main(wordnet: Path) -> None:
    """Write `wordnet.tsv` and `irregular_plurals.tsv`."""
    from timm.data.imagenet_info import ImageNetInfo

    info: Any = ImageNetInfo()
    nouns = dict(_noun(line) for line in _lines(wordnet / "data.noun"))
    senses = {
        line.split()[0].replace("_", " "): line.split()[-int(line.split()[2]) :]
        for line in _lines(wordnet / "index.noun")
    }
    classes = {str(wnid)[1:]: str(index) for index, wnid in enumerate(info.label_names())}
    above = dict.fromkeys(classes)
    for synset in above.copy():
        _climb(synset, nouns, above)
    words: dict[str, list[str]] = defaultdict(list)
    for synset in above:
        for word in nouns[synset].words:
            words[word.lower()].append(synset)
    counts = _counts(wordnet / "cntlist.rev")
    rivals: dict[str, list[str]] = defaultdict(list)
    for word in words:
        for synset in _rivals(word, senses[word], nouns, above, counts):
            rivals[synset].append(word)
    rows = [
        *(_row(key, classes.get(key, ""), nouns[key].parents, nouns[key].words, nouns[key].gloss) for key in above),
        *(_row(key, "", [], rivals[key], nouns[key].gloss) for key in rivals),
    ]
    heading = (
        "# From WordNet 3.0, see wordnet-license.txt; written by docs/wordnet.py.\nid\tclass\tparents\twords\tgloss"
    )
    (FOLDER / "wordnet.tsv").write_text("\n".join([heading, *sorted(rows)]) + "\n")
    plurals = sorted(line for line in (wordnet / "noun.exc").read_text().splitlines() if line.split()[1] in words)
    lines = [line.split() for line in plurals]
    (FOLDER / "irregular_plurals.tsv").write_text("".join(f"{one[0]}\t{one[1]}\n" for one in lines))


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="latin-1").splitlines() if not line.startswith("  ")]


def _noun(line: str) -> tuple[str, Noun]:
    head, _, gloss = line.partition(" | ")
    key, file, _, count, *rest = head.split()
    words = [word.replace("_", " ") for word in rest[: 2 * int(count, 16) : 2]]
    pointers = rest[2 * int(count, 16) + 1 :]
    kinds = dict(zip(pointers[1::4], pointers[::4], strict=True))
    parents = [synset for synset, kind in kinds.items() if kind in ("@", "@i")]
    return key, Noun(int(file), words, parents, "@i" in kinds.values(), gloss.strip())


def _climb(synset: str, nouns: dict[str, Noun], above: dict[str, None]) -> None:
    for parent in nouns[synset].parents:
        above[parent] = None
        _climb(parent, nouns, above)


def _counts(path: Path) -> dict[tuple[str, int], int]:
    """Return how often each sense, counted from 1, occurs in WordNet's tagged texts."""
    rows = [line.split() for line in path.read_text().splitlines()]
    return {(key.partition("%")[0].replace("_", " "), int(sense)): int(n) for key, sense, n in rows if "%1:" in key}


def _rivals(
    word: str, senses: list[str], nouns: dict[str, Noun], above: dict[str, None], counts: dict[tuple[str, int], int]
) -> list[str]:
    """Return the meanings outside ImageNet that a photographer may well have in mind.

    They come before the first meaning inside, it is their main word, and they are of another kind (`mouse`: the animal,
    where ImageNet has the device) or, among artifacts, more frequent (`bow`: the knot, where ImageNet has the weapon).
    """
    first = next(number for number, synset in enumerate(senses) if synset in above)
    inside = nouns[senses[first]]
    frequency = counts.get((word, first + 1), 0)
    rivals = []
    for number, synset in enumerate(senses[:first], 1):
        noun, count = nouns[synset], counts.get((word, number), 0)
        other_kind = noun.file in (_ANIMAL, _ARTIFACT, _BODY, _OBJECT) and noun.file != inside.file
        more_frequent = noun.file == inside.file == _ARTIFACT and count >= 3 and count > frequency
        if noun.words[0].lower() == word and not noun.is_instance and (other_kind or more_frequent):
            rivals.append(synset)
    return rivals


def _row(key: str, index: str, parents: list[str], words: list[str], gloss: str) -> str:
    text = gloss.split('; "')[0].split(";")[0]
    if len(text) > _MAX_GLOSS:
        text = text[:_MAX_GLOSS].rpartition(" ")[0] + " …"
    names = ", ".join(words)
    return "\t".join((f"n{key}", index, " ".join(f"n{parent}" for parent in parents), names, text))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
