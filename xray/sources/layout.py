"""Recognize how folders of photographs are laid out, and which files may say their categories."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from xray.core import files
from xray.core.errors import Rejected
from xray.core.uri import base_name, local_path
from xray.sources.base import join_names

_PARTS = {
    *("train", "training", "val", "valid", "validation", "test", "testing", "dev"),
    *("train2017", "val2017", "test2017", "images", "image", "imgs", "img", "photos", "jpegimages", "data"),
    *("labels", "masks", "annotations", "segmentationclass", "segmentationobject", "imagesets"),
}
"""Names of folders that are parts of data sets, and no categories."""
_BESIDE = ("annotations", "labels", "Annotations", "xml", "xmls")
_IMAGE = re.compile(r"\.(jpe?g|png|webp|gif|bmp|tiff?|jfif|heic|heif|avif)$", re.IGNORECASE)
_TEXT = re.compile(r"\.(json|jsonl|csv|tsv|txt|xml|ya?ml)$", re.IGNORECASE)
_NO_LABELS = re.compile(r"^(recipe.*\.ya?ml|readme.*|licen[cs]e.*|requirements.*|pyproject.*)$", re.IGNORECASE)
_HEAD = 1 << 16


def is_part(name: str) -> bool:
    """Return whether a folder is part of a data set, such as `train` or `masks`, or hidden, and so no category."""
    return name.casefold() in _PARTS or name.startswith(".")


def layout_problem(root: str, folders: Sequence[str]) -> str | None:
    """Return why the folders below a root cannot be categories, and what to write; None if they can.

    Args:
        root: URI of the folder.
        folders: names of the folders in it.
    """
    shown = _shown(root)
    if not folders:
        if not (photographs := _photographs(root)):
            return f"no folders in {shown!r}: expected {shown}/<category>/photo.jpg"
        lie = f"{photographs:,} photographs lie in {shown!r} itself, not in folders named after their categories"
        return f"{lie}; {_advice(root)}"
    if not all(name.casefold() in _PARTS for name in folders):
        return None
    parts = f"{join_names(folders, 5)} in {shown!r} are parts of a data set, not categories"
    for name in folders:
        inner = _folders(root, name)
        if inner and layout_problem(f"{root}/{name}", inner) is None:
            return f"{parts}; write `root: {_shown(f'{root}/{name}')}`, where the folders are {join_names(inner, 5)}"
    return f"{parts}; {_advice(root, [f'{root}/{name}' for name in folders])}"


def label_files(root: str, more: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return files and folders in and beside a folder of photographs that may say categories: URI and format.

    Args:
        root: URI of the folder.
        more: URIs of other folders to look at.
    """
    above = root.rpartition("/")[0]
    folders = [root, *more, above]
    folders += [f"{folder}/{name}" for folder in (root, above) for name in _BESIDE]
    return list(dict.fromkeys(hit for folder in folders if files.is_folder(folder) for hit in _labels_in(folder)))


def _labels_in(folder: str) -> Iterator[tuple[str, str]]:
    """Yield the label files in a folder; of many files of one kind, the folder itself."""
    uris = [uri for uri in files.list_files(folder, recursive=False) if _TEXT.search(base_name(uri))]
    hits = [(uri, kind) for uri in uris[:50] if (kind := _kind(uri)) is not None]
    for kind in dict.fromkeys(kind for _, kind in hits):
        same = [uri for uri, other in hits if other == kind]
        per_image = kind in ("Pascal VOC", "labelme", "YOLO")
        yield from [(folder, kind)] if per_image else [(uri, kind) for uri in same]


def _kind(uri: str) -> str | None:
    """Return the format of a file that may say categories, by its beginning."""
    name = base_name(uri)
    if _NO_LABELS.match(name):
        return None
    try:
        head = _head(uri)
    except (Rejected, OSError):
        return None
    if name.endswith((".yaml", ".yml")):
        return "YOLO data.yaml" if re.search(r"^names\s*:", head, re.MULTILINE) else None
    if head.lstrip().startswith(("{", "[")):
        coco, labelme = '"images"' in head or '"annotations"' in head, '"shapes"' in head
        return "labelme" if labelme else "COCO" if coco else "JSON"
    if head.lstrip().startswith("<"):
        return "Pascal VOC" if "<annotation>" in head else "CVAT" if "<annotations>" in head else None
    if re.match(r"\s*\d+( [-\d.e]+){4,}\s*$", head.partition("\n")[0]):
        return "YOLO"
    lines = head.splitlines()[:20] if re.search(r"\.(csv|tsv|txt)$", name, re.IGNORECASE) else []
    return "table" if sum(bool(re.search(r"\S[\s,;]+\S", line)) for line in lines) == len(lines) > 0 else None


def _head(uri: str) -> str:
    local = local_path(uri)
    if local is None:
        return files.read_bytes(uri)[:_HEAD].decode("utf-8", "replace")
    with local.open("rb") as stream:
        return stream.read(_HEAD).decode("utf-8-sig", "replace")


def _advice(root: str, more: Sequence[str] = ()) -> str:
    hits = label_files(root, more)
    where = "as `labels: FILE` below `kind: imagefolder` in a recipe, or `--labels FILE` of `xray init`"
    if not hits:
        return (
            f"write which file says their categories, {where} (COCO, VOC, labelme, YOLO, CSV, or lines such as "
            '`1.jpg red fox`), or `labels: {pattern: "{label}_*"}` if file names say them'
        )
    by_name: dict[tuple[str, str], list[str]] = defaultdict(list)
    for uri, kind in hits:
        by_name[base_name(uri), kind].append(_shown(uri))
    lines = [
        f"{paths[0] if len(paths) == 1 else f'{_shown(root)}/*/{name}'} ({kind})"
        for (name, kind), paths in by_name.items()
    ]
    return f"write which file says their categories, {where}: {join_names(lines, 3)}"


def _shown(uri: str) -> str:
    """Return a URI as a path, relative to the working folder where it is below it."""
    local = local_path(uri)
    if local is None:
        return unquote(uri)
    try:
        return str(local.relative_to(type(local).cwd()))
    except ValueError:
        return str(local)


def _photographs(root: str) -> int:
    return sum(bool(_IMAGE.search(base_name(uri))) for uri in files.list_files(root, recursive=False))


def _folders(root: str, name: str) -> list[str]:
    return [base_name(uri) for uri in files.list_folders(f"{root}/{name}")]
