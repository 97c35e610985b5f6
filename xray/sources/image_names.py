"""Match photographs with the images of an annotation file by name, however the tool wrote the name."""

from __future__ import annotations

import functools
import itertools
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs, unquote, urlsplit

from xray.core.uri import IMAGE_SUFFIXES
from xray.sources.base import Candidate

_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{6,12}-(?=.)")
_ROBOFLOW = re.compile(rf"^(.+)_(?:{'|'.join(IMAGE_SUFFIXES)})\.rf\.\w+$", re.IGNORECASE)
_Rank = tuple[int, int, int]

KINDS = {
    *("image", "images", "img", "imgs", "photo", "photos", "jpegimages", "data"),
    *("mask", "masks", "label", "labels", "annotation", "annotations", "json", "xml", "gt"),
    *("segmentation", "segmentations", "segmentationclass", "segmentationobject"),
}
"""Names of folders and files that say what kind they are, and not which."""


def path_of(name: str) -> tuple[str, ...]:
    r"""Return the folders and the file of an image's name in an annotation file, which may be a URL or of Windows.

    >>> path_of("..\\upload\\4\\12.jpg")
    ('upload', '4', '12.jpg')
    >>> path_of("https://host/a%20b/1.jpg?token=x"), path_of("/data/local-files/?d=fox/1.jpg")
    (('a b', '1.jpg'), ('fox', '1.jpg'))
    """
    text = name.strip()
    if "://" in text or text.startswith(("/data/", "data/local-files")):
        parts = urlsplit(text)
        local = parse_qs(parts.query).get("d")
        text = local[0] if local else unquote(parts.path)
    elif "?" in text and re.search(r"\.\w{2,5}\?", text):
        text = text.partition("?")[0]
    text = unicodedata.normalize("NFC", text.replace("\\", "/"))
    return tuple(part for part in text.split("/") if part not in ("", ".", "..") and not part.endswith(":"))


def _stem(name: str) -> str:
    return posixpath.splitext(name.casefold())[0]


def _original_stem(name: str) -> str:
    """Return the stem without what Label Studio and Roboflow add to the names of uploaded files.

    >>> _original_stem("8a7bcdef-12.jpg"), _original_stem("fox_jpg.rf.0a1b2c.jpg")
    ('12', 'fox')
    """
    stem = _stem(_UPLOAD_PREFIX.sub("", name))
    return roboflow_original(stem) or stem


def roboflow_original(stem: str) -> str | None:
    """Return the stem of the photograph that a file of a Roboflow export is a version of; None if it is no such file.

    >>> roboflow_original("fox_jpg.rf.0a1b2c"), roboflow_original("fox")
    ('fox', None)
    """
    match = _ROBOFLOW.match(stem)
    return match[1] if match else None


# Pairs of functions of the file name in the annotations and of the photograph's: the first pair that matches counts.
_SPELLINGS: tuple[tuple[Callable[[str], str], Callable[[str], str]], ...] = (
    (str, str),
    (unquote, str),
    (str.casefold, str.casefold),
    (str.casefold, _stem),  # a name without suffix, which may have dots
    (_stem, _stem),
    (_original_stem, _stem),
)


class ImageNames:
    """The images of annotation files, found by the key or path of a photograph.

    Args:
        paths: one per image, as `path_of` returns them; folders may include that of the annotation file.
    """

    def __init__(self, paths: Sequence[tuple[str, ...]]) -> None:
        self._paths = paths
        self._by_name = functools.cache(self._index)

    def match(self, candidates: Sequence[Candidate]) -> list[int | None]:
        """Return the index of each photograph's image; None if there is none, or several are as good.

        If an image is found by several photographs, the one whose folders agree best has it, then the one whose name
        does. Photographs that agree equally well have it together.
        """
        found = [self._find(candidate) for candidate in candidates]
        best: dict[int, _Rank] = {}
        for index, rank in found:
            if index is not None:
                best[index] = max(best.get(index, rank), rank)
        return [index if index is not None and rank == best[index] else None for index, rank in found]

    def _index(self, spelling: int) -> dict[str, list[int]]:
        rewrite, _ = _SPELLINGS[spelling]
        by_name: dict[str, list[int]] = defaultdict(list)
        for index, path in enumerate(self._paths):
            if path:
                by_name[rewrite(path[-1])].append(index)
        return by_name

    def _find(self, candidate: Candidate) -> tuple[int | None, _Rank]:
        """Return the image, and how well it agrees: see `_shared_folders`, then by which spelling it was found."""
        paths = [path_of(candidate.key), path_of(unquote(candidate.key))]
        if "#" not in candidate.uri and not candidate.uri.startswith("data:"):
            paths.append(path_of(unquote(urlsplit(candidate.uri).path)))
        for spelling, (_, rewrite) in enumerate(_SPELLINGS):
            by_name = self._by_name(spelling)
            hits = {index for path in paths[:2] if path for index in by_name.get(rewrite(path[-1]), ())}
            if hits:
                shared = {index: max(_shared_folders(self._paths[index], path) for path in paths) for index in hits}
                most = max(shared.values())
                best = [index for index, folders in shared.items() if folders == most]
                return (best[0] if len(best) == 1 else None), (*most, -spelling)
        return None, (0, 0, 0)


def _shared_folders(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[int, int]:
    """Return the number of folders, from the file upwards, in which two paths agree: without `KINDS`, and with them.

    >>> _shared_folders(("set", "train", "labels", "1.txt"), ("set", "train", "images", "1.jpg"))
    (2, 0)
    """
    folders = [[folder.casefold() for folder in reversed(path[:-1])] for path in (one, other)]
    kindless = [[folder for folder in some if folder not in KINDS] for some in folders]
    return _agreeing(*kindless), _agreeing(*folders)


def _agreeing(mine: Sequence[str], yours: Sequence[str]) -> int:
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(mine, yours, strict=False)))
