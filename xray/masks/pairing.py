"""Find the annotation file of a photograph by its name."""

from __future__ import annotations

import functools
import os
import posixpath
from collections.abc import Callable, Iterator
from typing import TypeVar
from urllib.parse import quote_from_bytes

from xray.core import files
from xray.core.errors import Rejected
from xray.core.uri import to_uri
from xray.sources.base import Candidate

Hint = TypeVar("Hint")


def spellings(key: str) -> Iterator[str]:
    """Yield the percent-encoded spellings of a key: unchanged, encoded except for `/%`, encoded."""
    yield key
    yield quote_from_bytes(os.fsencode(key), safe="/%")
    yield quote_from_bytes(os.fsencode(key))


Size = tuple[int, int]


class Pairing:
    """A lookup of annotations by photograph in a folder, which is listed once.

    The annotation of the photo with key `<folder>/<stem>.jpg` is `root/<folder>/<stem><suffix>`, else
    `root/<stem><suffix>`. Without a root it is beside the photo.

    Args:
        root: folder of the annotations, a path or URI.
        suffix: end of their names, such as `.png` or `_mask.png`.

    Raises:
        XrayError: the folder does not exist.
    """

    def __init__(self, root: str | None, suffix: str) -> None:
        self._suffix = quote_from_bytes(os.fsencode(suffix))
        self._by_stem = None if root is None else self._list(root)
        self._beside = functools.lru_cache(maxsize=16)(lambda folder: {*files.list_files(folder, recursive=False)})

    def _list(self, root: str) -> dict[str, str]:
        """Return the URIs of the annotations by their path below the root, without the suffix."""
        base = to_uri(root).rstrip("/")
        start = len(base.partition("?")[0]) + 1
        paths = {uri.partition("?")[0][start:]: uri for uri in files.list_files(base)}
        return {path.removesuffix(self._suffix): uri for path, uri in paths.items() if path.endswith(self._suffix)}

    def find(self, candidate: Candidate) -> str | None:
        """Return the URI of the candidate's annotation, or None."""
        if self._by_stem is None:
            return self._find_beside(candidate.uri)
        for key in spellings(candidate.key):
            stem = posixpath.splitext(key)[0]
            for name in (stem, key, posixpath.basename(stem)):
                if name in self._by_stem:
                    return self._by_stem[name]
        return None

    def _find_beside(self, uri: str) -> str | None:
        if "#" in uri or uri.startswith("data:"):  # a table cell has no neighbouring files
            return None
        path, mark, query = uri.partition("?")
        annotation = posixpath.splitext(path)[0] + self._suffix + mark + query
        return annotation if annotation in self._beside(posixpath.dirname(path) + mark + query) else None


def read_hints(
    uri: str | None, parse: Callable[[bytes], tuple[tuple[Hint, ...], Size | None]]
) -> tuple[tuple[Hint, ...], Size | None, str]:
    """Return the boxes or points in a file, the size that they were drawn on, and what is wrong with the file."""
    try:
        return (*(((), None) if uri is None else parse(files.read_bytes(uri))), "")
    except Rejected as rejected:
        return (), None, str(rejected)
