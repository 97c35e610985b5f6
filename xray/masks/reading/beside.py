"""Find the annotations that lie in or beside a folder of photographs, for a starter recipe."""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from xray.core.errors import Rejected, XrayError
from xray.core.files import is_folder, read_bytes
from xray.core.images import Limits, decode
from xray.core.plugins import build
from xray.core.uri import local_path, to_uri
from xray.masks.base import Annotations
from xray.sources.base import Candidate
from xray.sources.recognize import read_head, recognize

_FOLDER = re.compile(r"mask|annot|label|segm|(^|[_-])gt$|json|xml", re.IGNORECASE)
"""In names of folders that are worth a look."""
_ONE_FILE = ("coco", "label_studio", "cvat")
_PER_PHOTOGRAPH = ("png", "labelme", "voc", "yolo")
_MAX_FILES, _MAX_BYTES, _SAMPLED = 20, 1 << 30, 16


@dataclass(frozen=True)
class Proposal:
    """Annotations that some photographs have.

    Args:
        settings: the recipe's `annotations`.
        photographs: number of photographs that have one.
        masks: false if they are boxes or points only.
    """

    settings: Mapping[str, str]
    photographs: int
    masks: bool


def propose(photos: Path, candidates: Sequence[Candidate]) -> list[Proposal]:
    """Return the annotations in and beside a folder of photographs, the best first.

    Those of half of the photographs come before others, masks before boxes, and what lies in the folder before what
    lies beside it, which may belong to another data set of the same photographs. Every format is tried with its own
    reader, so that what is proposed can be read.

    Args:
        photos: the folder.
        candidates: its photographs.
    """
    proposals = []
    for settings in _settings(photos.resolve()):
        try:
            attached = list(build("annotation format", Annotations, settings).attach(candidates))
        except XrayError:
            continue  # looks like the format, and is not
        masks = sum(candidate.mask_uri is not None for candidate in attached)
        hints = sum(bool(one.mask_uri or one.boxes or one.points) for one in attached)
        if hints:
            proposals.append(Proposal(settings, hints, masks > 0))
    if transparent := _transparent(candidates):
        proposals.append(Proposal({"kind": "alpha"}, transparent, True))
    root, half = photos.resolve(), len(candidates) / 2
    return sorted(
        proposals,
        key=lambda one: (one.photographs < half, not one.masks, not _is_inside(one, root), -one.photographs),
    )


def _is_inside(proposal: Proposal, folder: Path) -> bool:
    """Return whether annotations lie in a folder; those without a place of their own lie beside each photograph."""
    place = proposal.settings.get("root") or proposal.settings.get("file")
    return place is None or Path(place).is_relative_to(folder)


def _settings(photos: Path) -> Iterator[Mapping[str, str]]:
    """Yield what may be annotations, by the first bytes of files."""
    above = photos.parent
    folders = [one for folder in (photos, above) for one in _subfolders(folder) if _FOLDER.search(one.name)]
    for folder in dict.fromkeys((photos, above, *folders)):
        if is_folder(to_uri(folder / "SegmentationClass")):
            yield {"kind": "voc_masks", "root": str(folder)}
        for file in islice(_documents(folder), _MAX_FILES):
            if (kind := _kind(file)) in _ONE_FILE:
                yield {"kind": kind, "file": str(file)}
    yield from _of_splits(photos, [one for one in _subfolders(photos) if one not in folders])
    for folder in folders:
        inner = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
        kinds = {_kind(path) for path in islice(inner, _SAMPLED)}
        yield from ({"kind": kind, "root": str(folder)} for kind in _PER_PHOTOGRAPH if kind in kinds)
    beside = (path for folder in _subfolders(photos) for path in _documents(folder))
    kinds = {_kind(path) for path in islice(beside, _SAMPLED)}
    yield from ({"kind": kind} for kind in ("labelme", "voc") if kind in kinds)


def _of_splits(photos: Path, splits: Sequence[Path]) -> Iterator[Mapping[str, str]]:
    """Yield annotations of data sets whose splits are folders: files of one name in several, or YOLO's `labels`."""
    by_name: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for split in splits:
        for file in islice(_documents(split), _MAX_FILES):
            if (kind := _kind(file)) in _ONE_FILE:
                by_name[str(kind), file.name].append(file)
    for (kind, name), found in by_name.items():
        yield {"kind": kind, "file": str(found[0] if len(found) == 1 else photos / "*" / name)}
    if any(is_folder(to_uri(split / "labels")) for split in splits):
        yield {"kind": "yolo"}


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in _inside(folder) if not path.name.startswith(".") and is_folder(to_uri(path))]


def _documents(folder: Path) -> list[Path]:
    return [path for path in _inside(folder) if path.suffix in (".json", ".xml")]


def _inside(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted; nothing of one that may not be listed."""
    with contextlib.suppress(PermissionError):
        return sorted(folder.iterdir())
    return []


def _kind(file: Path) -> str | None:
    """Return the kind of a file's format, or None."""
    try:
        if not file.is_file() or file.stat().st_size > _MAX_BYTES:
            return None
        seen = recognize(read_head(to_uri(file)))
    except OSError:
        return None
    return seen.kind if seen is not None else None


def _transparent(candidates: Sequence[Candidate]) -> int:
    """Return the number of photographs if some of a sample are transparent, else 0."""
    for candidate in candidates[:: max(1, len(candidates) // _SAMPLED)]:
        path = local_path(candidate.uri)
        if path is not None and path.suffix.lower() in (".jpg", ".jpeg"):
            continue  # has no alpha channel
        try:
            if decode(read_bytes(candidate.uri, Limits().max_bytes), Limits()).alpha is not None:
                return len(candidates)
        except Rejected:
            continue
    return 0
