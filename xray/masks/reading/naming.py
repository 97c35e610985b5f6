"""Propose how annotation files are named, from files that match no photograph and photographs that match no file."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import unquote

_MAX_FILES = 5000
_BOUNDARY = re.compile(r"(?<=[\w)\]])(?=[._\- /(\[])|(?<=[._\- (\[])(?=\w)")
_LAST_PART = re.compile(r"[^._\-/ ]+(?=\.[^./]*$)")


def propose_naming(
    photographs: Iterable[str], files: Iterable[str], tried: tuple[str, str] = ("", "")
) -> tuple[str, str, int] | None:
    """Return the prefix and suffix by which most photographs have a file, and their number; None if none has.

    Args:
        photographs: keys of photographs without a file.
        files: paths below the folder of the files, percent-encoded or not.
        tried: prefix and suffix that are not proposed.

    >>> propose_naming(["red fox/1.jpg", "cello/2.jpg"], ["red fox/1_mask.png", "cello/2_mask.png"])
    ('', '_mask.png', 2)
    >>> propose_naming(["1.jpg"], ["1_0.png", "1_1.png"])
    ('', '_*.png', 1)
    """
    photograph_of = _by_name({_normal(posixpath.splitext(key)[0]) for key in photographs})
    by_naming: dict[tuple[str, str], tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for path in islice(files, _MAX_FILES):
        for prefix, stem, suffix in _splits(_normal(path)):
            if stem in photograph_of and (prefix, suffix) != tried:
                for ending in (suffix, _LAST_PART.sub("*", suffix)):
                    photos, paths = by_naming[prefix, ending]
                    photos.add(photograph_of[stem])
                    paths.add(path)
    if not by_naming:
        return None
    (prefix, suffix), (photos, _) = max(by_naming.items(), key=lambda item: _rank(item[0], *item[1]))
    return prefix, suffix, len(photos)


def _rank(naming: tuple[str, str], photos: set[str], paths: set[str]) -> tuple[Any, ...]:
    """Return what is compared of two namings: photographs, then files that match, then how simple they are."""
    return len(photos), len(paths), "*" not in naming[1], -len("".join(naming)), naming


def _by_name(stems: set[str]) -> dict[str, str]:
    """Return the stems by themselves, and by their last part where that is unique."""
    last = Counter(map(posixpath.basename, stems))
    unique = {posixpath.basename(stem): stem for stem in stems if last[posixpath.basename(stem)] == 1}
    return {**unique, **{stem: stem for stem in stems}}


def _splits(path: str) -> Iterator[tuple[str, str, str]]:
    """Yield a path as prefix, stem and suffix, divided where words begin and end; the folder is part of the stem."""
    folder, name = posixpath.split(path)
    cuts = [match.start() for match in _BOUNDARY.finditer(name)]
    for end in cuts:
        for start in (0, *(cut for cut in cuts if cut < end)):
            yield name[:start], posixpath.join(folder, name[start:end]), name[end:]
            if folder:
                yield name[:start], name[start:end], name[end:]
    if folder:
        yield "", folder, f"/{name}"
        yield "", posixpath.basename(folder), f"/{name}"


def _normal(path: str) -> str:
    return unicodedata.normalize("NFC", unquote(path))
