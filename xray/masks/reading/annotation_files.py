"""Annotation files for many images: which they are, and which of their images are photographs of the source."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import unquote

from xray.core import files
from xray.core.errors import ConfigError, Rejected, XrayError
from xray.core.uri import is_image, short_name, to_uri
from xray.masks.reading.objects import Drawing
from xray.sources.base import Candidate, join_names
from xray.sources.image_names import ImageNames, path_of
from xray.sources.recognize import advice, read_head

MAX_SHARED, MAX_OWN = 1_000_000_000, 256_000_000
"""Bytes of an annotation file for many photographs (COCO's largest has 0.5 GB), and of one for a single photograph."""
_SHOWN = 5
_LOOKED_AT = 20

Match = tuple[Candidate, Drawing | Rejected | None]
Images = tuple[Sequence[tuple[str, Drawing | Rejected]], Sequence[str]]
"""The name and annotation of each image in a file, and notes."""


def listed_files(file: str | tuple[str, ...]) -> list[str]:
    """Return the URIs of files, given as such or by patterns with `*`; ConfigError if a pattern matches none."""
    uris = list[str]()
    for pattern in (file,) if isinstance(file, str) else file:
        matching = files.matching_files(pattern) if "*" in pattern else [to_uri(pattern)]
        if not matching:
            raise ConfigError(f"no file is called like {pattern!r}")
        uris += matching
    return uris


def other_files(folder: str, kind: str) -> list[str]:
    """Return a note on files in a folder that look like another format; none if there are none."""
    with contextlib.suppress(XrayError):
        for uri in itertools.islice(files.list_files(folder), _LOOKED_AT):
            if is_image(uri):
                continue
            with contextlib.suppress(Rejected, OSError):
                if text := advice(read_head(uri), kind):
                    return [f"no photograph has an annotation of kind {kind}. {short_name(uri)}{text}"]
    return []


def folder_of(uri: str) -> str:
    """Return the decoded path of the folder of a file."""
    return unquote(uri.partition("?")[0].rpartition("/")[0].partition("://")[2])


def _shared(candidates: Sequence[Candidate], found: Sequence[int | None]) -> dict[int, list[Candidate]]:
    """Return the images that different photographs match equally well; copies of a photograph may share one."""
    by_image = defaultdict[int, list[Candidate]](list)
    for candidate, index in zip(candidates, found, strict=True):
        if index is not None:
            by_image[index].append(candidate)
    return {index: some for index, some in by_image.items() if len(some) > 1 and not _are_copies(some)}


def _are_copies(candidates: Sequence[Candidate]) -> bool:
    try:
        return len({hashlib.sha256(files.read_bytes(one.uri)).digest() for one in candidates}) == 1
    except Rejected:
        return False


def match_images(
    candidates: Iterable[Candidate],
    names: Sequence[str],
    folders: Sequence[str],
    drawing: Callable[[int], Drawing | Rejected],
) -> tuple[Iterator[Match], list[str]]:
    """Match photographs with the images of annotation files.

    Args:
        candidates: the photographs.
        names: of the images, as the files write them.
        folders: of the annotation files, one per image; they decide between images of the same name.
        drawing: returns the annotation of the image with an index.

    Returns:
        Each photograph with its drawing or None, and notes on images that no photograph matches, or several do.
    """
    listed = list(candidates)
    paths = [path_of(folder) + path_of(name) for folder, name in zip(folders, names, strict=True)]
    found = ImageNames(paths).match(listed)
    unused = sorted({*range(len(names))}.difference(index for index in found if index is not None))
    shared = _shared(listed, found)
    found = [None if index in shared else index for index in found]
    notes = []
    if shared:
        notes.append(
            f"{sum(map(len, shared.values())):,} photographs match the image of another, and get no annotation: "
            f"{join_names((one.key for some in shared.values() for one in some), _SHOWN)}. Put the file with the "
            "annotations of each folder into that folder, or the folders into the names of its images"
        )
    if unused:
        notes.append(
            f"{len(unused):,} of {len(names):,} images in the annotations are none of the photographs: "
            f"{join_names((names[index] for index in unused), _SHOWN)}"
        )
    matches = (
        (candidate, None if index is None else drawing(index)) for candidate, index in zip(listed, found, strict=True)
    )
    return matches, notes
