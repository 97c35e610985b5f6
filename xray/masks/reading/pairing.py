"""Find the annotation files of photographs by their names."""

from __future__ import annotations

import functools
import json
import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote_from_bytes, unquote

from xray.core import files
from xray.core.parts import join_uris
from xray.core.uri import short_name, to_uri
from xray.masks.base import Annotations
from xray.masks.reading.annotation_index import AnnotationIndex, Match, plain_path
from xray.masks.reading.naming import propose_naming
from xray.sources.base import Candidate, join_names

_MAX_KEPT = 2000
_MAX_OBJECTS = 8
_MAX_NAMES = 5
_MAX_LOOKED_AT = 20_000


class Pairing:
    """A lookup of annotations by photograph in a folder, which is listed once.

    The annotation of the photo with key `<folder>/<stem>.jpg` is `root/<folder>/<prefix><stem><suffix>`, else
    `root/<prefix><stem><suffix>`. Without a root it is beside the photo. Case, normal forms of letters,
    percent-encoding, suffixes of images, words such as `mask` at an end of a name, and folders such as `images` and
    `masks` may differ, where only one file comes into question.

    Args:
        root: folder of the annotations, a path or URI.
        suffix: end of their names, such as `.png` or `_mask.png`; `_*.png` is all files of a photograph that end like
            that, `/*.png` all in a folder named like it.
        prefix: start of their names.
        adjustable: whether prefix and suffix are settings, which notes may propose.

    Raises:
        XrayError: the folder does not exist.
    """

    def __init__(self, root: str | None, suffix: str, prefix: str = "", *, adjustable: bool = False) -> None:
        self._root, self._written, self._adjustable = root, (prefix, suffix), adjustable
        self._prefix, self._suffix = (quote_from_bytes(os.fsencode(text), safe="/*") for text in (prefix, suffix))
        self._base = "" if root is None else to_uri(root).partition("?")[0].rstrip("/") + "/"
        self._index = None if root is None else self._list(to_uri(root), recursive=True)
        self._beside = functools.lru_cache(maxsize=16)(lambda folder: self._list(folder, recursive=False))
        self._several, self._most, self._missing = 0, 0, 0
        self._used: set[str] = set()
        self._photographs: set[str] = set()
        self._missed: list[str] = []
        self._own: dict[str, str] = {}
        self._otherwise: list[str] = []

    def _list(self, folder: str, *, recursive: bool) -> AnnotationIndex:
        start = len(folder.partition("?")[0].rstrip("/")) + 1
        paths = {uri.partition("?")[0][start:]: uri for uri in files.list_files(folder, recursive=recursive)}
        return AnnotationIndex(paths, self._prefix, self._suffix)

    def find(self, candidate: Candidate) -> str | None:
        """Return the URI of the candidate's annotation (several: see `xray.core.parts`), or None."""
        match = self._find(candidate)
        return self._matched(candidate, match, match.uris)

    def pair(self, candidates: Iterable[Candidate]) -> Iterator[tuple[Candidate, str | None]]:
        """Yield candidates with their annotations.

        A file belongs to the photographs of the longest name, where the suffix has `*`, and of these to those whose
        name is most like its own: `a.png` to `a.jpg` rather than `A.jpg`.
        """
        found = [(candidate, self._find(candidate)) for candidate in candidates]
        owners: dict[str, tuple[int, int]] = {}
        for candidate, match in found:
            for uri in match.uris if match.uris != (candidate.uri,) else ():
                owners[uri] = max(owners.get(uri, (0, 0)), _claim(match))
        for candidate, match in found:
            uris = [uri for uri in match.uris if owners.get(uri, _claim(match)) == _claim(match)]
            yield candidate, self._matched(candidate, match, uris)

    def _find(self, candidate: Candidate) -> Match:
        index, key = self._index, candidate.key
        in_table = "#" in candidate.uri or candidate.uri.startswith("data:")  # has no neighbouring files
        if index is not None:
            return index.find(key, "" if in_table else candidate.uri)
        if in_table:
            return Match()
        path, mark, query = candidate.uri.partition("?")
        return self._beside(posixpath.dirname(path) + mark + query).find(posixpath.basename(path))

    def _matched(self, candidate: Candidate, match: Match, found: Sequence[str]) -> str | None:
        """Count a photograph, and return its annotation."""
        uris = [*found]
        if self._base and candidate.uri.startswith(self._base):
            self._photographs.add(candidate.uri)
        self._several, self._most = self._several + (len(uris) > 1), max(self._most, len(uris))
        self._used.update(set(uris) - {candidate.uri})
        if uris == [candidate.uri]:  # no mask of its own, but perhaps that of another photograph
            self._own[candidate.uri] = candidate.key
            return None
        if uris:
            if match.is_spelled_otherwise:
                self._otherwise.append(f"{candidate.key} ({short_name(uris[0])})")
            return join_uris(uris)
        self._missing += 1
        if len(self._missed) < _MAX_KEPT:
            self._missed.append(candidate.key)
        return None

    def notes(self) -> list[str]:
        """Return notes on photographs with several files, what was looked for in vain, and files that are left over."""
        notes = []
        if self._several:
            note = f"{self._several:,} photographs have several annotation files, up to {self._most}, which are united"
            every = f"{note}: if they are all regions of a photograph and not its objects, choose those that are"
            notes.append(every if self._most > _MAX_OBJECTS else note)
        if self._otherwise:
            shown = join_names(self._otherwise, _MAX_NAMES)
            notes.append(f"{len(self._otherwise):,} photographs have annotations of another spelling: {shown}")
        if self._index is None:
            return notes
        unused = [path for path, uri in self._index.paths.items() if uri not in self._used]
        left = [path for path in unused if self._index.paths[path] not in self._photographs]
        own = [key for uri, key in self._own.items() if uri not in self._used]
        if missed := self._missed + own[:_MAX_KEPT]:
            notes.append(self._looked_for(missed, self._missing + len(own), unused))
        ending = posixpath.splitext(f"x{self._suffix}")[1].lower()
        if left := [unquote(path) for path in left if path.lower().endswith(ending)]:
            shown = join_names(left, _MAX_NAMES)
            notes.append(f"{len(left):,} files in {self._root!r} belong to no photograph of the run: {shown}")
        return notes

    def _looked_for(self, missed: list[str], count: int, unused: list[str]) -> str:
        """Say which names were looked for in vain, and propose better ones."""
        prefix, suffix = self._written
        folder, name = posixpath.split(posixpath.splitext(missed[0])[0])
        looked = posixpath.join(folder, f"{prefix}{name}{suffix}")
        text = f"{count:,} annotations are not in {self._root!r}: the first would be {looked}"
        proposal = propose_naming(missed, unused, tried=self._written)
        if proposal is None:
            return text + self._same_names(missed, unused)
        prefix, suffix, fitting = proposal
        if not self._adjustable:
            return f"{text}; {fitting:,} files are called {prefix}…{suffix} instead"
        setting = f"`suffix: {json.dumps(suffix)}`" + (f" and `prefix: {json.dumps(prefix)}`" if prefix else "")
        return f"{text}; {setting} would match {fitting:,}"

    def _same_names(self, missed: Sequence[str], unused: Sequence[str]) -> str:
        """Say in which folder most files of the photographs' names lie; empty if there are none."""
        wanted = {_name_of(key) for key in missed}
        folders = Counter(posixpath.dirname(path) for path in unused[:_MAX_LOOKED_AT] if _name_of(path) in wanted)
        if not folders:
            return ""
        folder, count = folders.most_common(1)[0]
        root = posixpath.join(self._root or "", unquote(folder))
        return f"; {count:,} files of the same names are in {root!r}: if they belong together, write `root: {root}`"


def _name_of(path: str) -> str:
    return posixpath.basename(plain_path(posixpath.splitext(path)[0]))


def _claim(match: Match) -> tuple[int, int]:
    """Return what decides to which of several photographs a file belongs: the largest claim."""
    return len(match.stem), -match.rank


class Paired(Annotations):
    """The base of formats whose annotations are files named like the photographs: `pairing` keeps the notes."""

    def pairing(self, root: str | None, suffix: str, prefix: str | None = None) -> Pairing:
        """Return a new pairing, whose notes `notes` returns; with a prefix, it and the suffix are settings."""
        pairing = Pairing(root, suffix, prefix or "", adjustable=prefix is not None)
        object.__setattr__(self, "_pairing", pairing)
        return pairing

    def notes(self) -> list[str]:
        """See `Annotations.notes`; forgets the files, so that they do not travel with the settings."""
        pairing: Pairing | None = vars(self).pop("_pairing", None)
        return [] if pairing is None else pairing.notes()
