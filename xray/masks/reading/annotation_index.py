"""Find files by the names of photographs, however names are spelled."""

from __future__ import annotations

import functools
import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from xray.core.uri import IMAGE_SUFFIXES
from xray.sources.image_names import KINDS

_WORDS = "|".join(sorted(KINDS | {"seg", "segm", "groundtruth", "trimap", "matte"}))
_KIND_AT_AN_END = re.compile(rf"^(?:{_WORDS})[ ._-]+(?=[^ ._-])|(?<=[^ ._-])[ ._-]+(?:{_WORDS})$")
_IMAGE_SUFFIXES = re.compile(rf"(?<=.)(?:\.(?:{'|'.join(IMAGE_SUFFIXES)}))+$")


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


def plain_path(path: str) -> str:
    """Return a form that leaves out suffixes of images, and words such as `mask` at either end of each name.

    >>> plain_path("val_masks/x.JPEG_mask"), plain_path("val_images/x.jpg"), plain_path("mask")
    ('val/x', 'val/x', 'mask')
    """
    return without_kinds("/".join(map(_plain, normal_path(path).split("/"))))


def _plain(name: str) -> str:
    before = ""
    while name != before:
        before, name = name, _IMAGE_SUFFIXES.sub("", _KIND_AT_AN_END.sub("", name))
    return name


class Match(NamedTuple):
    """The files of a photograph.

    Args:
        stem: what is left of their paths without prefix and suffix; empty if there are none.
        uris: of the files.
        rank: how unlike the names are; 0: the same.
    """

    stem: str = ""
    uris: tuple[str, ...] = ()
    rank: int = 0

    @property
    def is_spelled_otherwise(self) -> bool:
        """True if only the plain forms of the names agree."""
        return _PLAIN <= self.rank < len(_FORMS) * _POSITIONS


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
    def _by_form(self) -> list[dict[str, list[str]]]:
        return [_grouped(self._exact, rewrite) for rewrite in _FORMS[1:]]

    def _stems_of(self, form: int, name: str) -> list[str]:
        if form == 0:
            return [name] if name in self._exact else []
        return self._by_form[form - 1].get(name, [])

    @functools.cached_property
    def _by_name(self) -> dict[str, list[str]]:
        return _grouped(self._exact, lambda stem: posixpath.basename(plain_path(stem)))

    def find(self, key: str, uri: str = "") -> Match:
        """Return the files that match a photograph's key; none if files of several names may be meant.

        Args:
            key: of the photograph.
            uri: of the photograph; its folders decide where the key has too few.
        """
        for form, rewrite in enumerate(_FORMS):
            for position, name in enumerate(map(rewrite, _names(key))):
                if len(stems := self._stems_of(form, name)) == 1:
                    return self._match(stems[0], _POSITIONS * form + position % _POSITIONS)
        folder = posixpath.dirname(key)
        if "*" in self._suffix and posixpath.basename(folder).casefold() in KINDS:  # 1/images/a.png, 1/masks/*.png
            stems = self._stems_of(2, _kindless_path(posixpath.dirname(folder)))
            if len(stems) == 1:
                return self._match(stems[0], 2 * _POSITIONS)
        return self._in_a_folder_of_its_name(uri) if uri else Match()

    def _in_a_folder_of_its_name(self, uri: str) -> Match:
        """Find `masks/val/1.png` for `data/val/1.jpg`, whose key is `1.jpg`: all folders of the file must agree."""
        path = plain_path(posixpath.splitext(urlsplit(uri).path)[0])
        stems = [one for one in self._by_name.get(posixpath.basename(path), []) if path.endswith(f"/{plain_path(one)}")]
        return self._match(stems[0], len(_FORMS) * _POSITIONS) if len(stems) == 1 else Match()

    def _match(self, stem: str, rank: int) -> Match:
        paths = self._exact[stem]
        if "*" not in self._suffix:  # 1.png rather than 1.PNG
            paths = sorted(paths, key=lambda path: not path.endswith(self._suffix))[:1]
        return Match(stem, tuple(self.paths[path] for path in paths), rank)


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


_FORMS: tuple[Callable[[str], str], ...] = (str, normal_path, _kindless_path, plain_path)
"""Forms in which names are compared, one after the other."""
_POSITIONS = 3
"""Names of each spelling in `_names`."""
_PLAIN = 3 * _POSITIONS
