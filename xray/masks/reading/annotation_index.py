"""Find files by the names of photographs, however names are spelled."""

from __future__ import annotations

import functools
import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote_from_bytes, unquote_to_bytes

from xray.sources.image_names import KINDS


def spellings(key: str) -> Iterator[str]:
    """Yield the percent-encoded spellings of a key: unchanged, encoded except for `/%`, encoded."""
    yield key
    yield quote_from_bytes(os.fsencode(key), safe="/%")
    yield quote_from_bytes(os.fsencode(key))


def normal_path(path: str) -> str:
    r"""Return a form of a relative path that its spellings share: encoding, normal form of letters, slashes, case.

    >>> normal_path("Fu%CC%88chse\\A.png") == normal_path("füchse/a.png")
    True
    """
    text = unquote_to_bytes(path).decode("utf-8", "surrogateescape").replace("\\", "/")
    return unicodedata.normalize("NFC", text).casefold()


def without_kinds(path: str) -> str:
    """Leave out names such as `images` or `masks`, which say what a file is and not which.

    >>> without_kinds("train/images/1"), without_kinds("masks/train/1"), without_kinds("1/mask")
    ('train/1', 'train/1', '1')
    """
    *folders, name = path.split("/")
    kept = [folder for folder in folders if folder.casefold() not in KINDS]
    return "/".join(kept if kept and name.casefold() in KINDS else [*kept, name])


class AnnotationIndex:
    """Annotation files by what is left of their paths without prefix and suffix.

    Args:
        paths: URIs by percent-encoded path below the folder of the annotations.
        prefix: start of the file names, percent-encoded.
        suffix: end of the file names, percent-encoded; `*` is any text within a name.
    """

    def __init__(self, paths: dict[str, str], prefix: str, suffix: str) -> None:
        self.paths = paths
        self._prefix, self._suffix = prefix, suffix
        self._end = _compiled(suffix)
        self._start = re.compile(f"(?={re.escape(suffix.partition('*')[0])})", re.IGNORECASE)
        self._exact: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            for stem in self._stems(path):
                self._exact[stem].append(path)

    def _stems(self, path: str) -> Iterator[str]:
        """Yield what a path leaves for the photograph: one stem, or several where `*` may begin at several places."""
        single = (len(path) - len(self._suffix),)
        for start in (match.start() for match in self._start.finditer(path)) if "*" in self._suffix else single:
            folder, name = posixpath.split(path[: max(0, start)])
            if name.startswith(self._prefix) and name != self._prefix and self._end.fullmatch(path, start):
                yield posixpath.join(folder, name.removeprefix(self._prefix))

    @functools.cached_property
    def _normal(self) -> dict[str, list[str]]:
        return _grouped(self._exact, normal_path)

    @functools.cached_property
    def _kindless(self) -> dict[str, list[str]]:
        return _grouped(self._exact, _kindless_path)

    def find(self, key: str) -> tuple[str, list[str]]:
        """Return the stem that matches a photograph's key, and its URIs; none if several stems may be meant."""
        for name in _names(key):
            if name in self._exact:
                return self._uris(name)
        for index, shorten in ((self._normal, normal_path), (self._kindless, _kindless_path)):
            for name in map(shorten, _names(key)):
                if len(stems := index.get(name, [])) == 1:
                    return self._uris(stems[0])
        folder = posixpath.dirname(key)
        if "*" in self._suffix and posixpath.basename(folder).casefold() in KINDS:  # 1/images/a.png, 1/masks/*.png
            stems = self._kindless.get(_kindless_path(posixpath.dirname(folder)), [])
            if len(stems) == 1:
                return self._uris(stems[0])
        return "", []

    def _uris(self, stem: str) -> tuple[str, list[str]]:
        paths = self._exact[stem]
        if "*" not in self._suffix:  # 1.png rather than 1.PNG
            paths = sorted(paths, key=lambda path: not path.endswith(self._suffix))[:1]
        return stem, [self.paths[path] for path in paths]


def _compiled(suffix: str) -> re.Pattern[str]:
    """Compile a suffix, each `*` of which is some characters within a name.

    All but the last take as few as possible and give none back, which finds every match and takes no more than linear
    time.
    """
    first, *parts = map(re.escape, suffix.split("*"))
    inner = "".join(f"(?>[^/]+?{part})" for part in parts[:-1])
    return re.compile(first + inner + (f"[^/]+{parts[-1]}" if parts else ""), re.IGNORECASE)


def _kindless_path(path: str) -> str:
    return without_kinds(normal_path(path))


def _grouped(stems: Iterable[str], shorten: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for stem in stems:
        groups[shorten(stem)].append(stem)
    return groups


def _names(key: str) -> Iterator[str]:
    """Yield the names under which an annotation of a photograph is looked up, the most precise first."""
    for spelling in spellings(key):
        stem = posixpath.splitext(spelling)[0]
        yield from (stem, spelling, posixpath.basename(stem))
