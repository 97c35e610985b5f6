"""Recognize how folders of photographs are laid out, and which files may say their categories."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import unquote

from xray.core import files
from xray.core.errors import Rejected
from xray.core.uri import base_name, join, local_path
from xray.sources.base import join_names
from xray.sources.categories.reading import index_in, read_label

_PARTS = {
    *("train", "training", "val", "valid", "validation", "test", "testing", "dev"),
    *("train2017", "val2017", "test2017", "images", "image", "imgs", "img", "photos", "jpegimages", "data"),
    *("labels", "masks", "annotations", "segmentationclass", "segmentationobject", "imagesets"),
}
"""Names of folders that are parts of data sets, and no categories."""
_MASKS = {"mask", "masks", "labels", "annotations", "segmentation", "segmentationclass", "segmentationobject"}
_BESIDE = ("annotations", "labels", "Annotations", "xml", "xmls")
_IMAGE = re.compile(r"\.(jpe?g|png|webp|gif|bmp|tiff?|jfif|heic|heif|avif)$", re.IGNORECASE)
_TEXT = re.compile(r"\.(json|jsonl|csv|tsv|txt|xml|ya?ml)$", re.IGNORECASE)
_NO_LABELS = re.compile(
    r"^(recipe.*\.ya?ml|labelmap\.txt|readme.*|licen[cs]e.*|requirements.*|pyproject.*)$", re.IGNORECASE
)
_HEAD = 1 << 16
_TOO_GENERAL = 400  # classes: `animal` has fewer, `object` more


def is_part(name: str) -> bool:
    """Return whether a folder is part of a data set, such as `train` or `masks`, or hidden, and so no category."""
    return name.casefold() in _PARTS or name.startswith(".")


def in_mask_folder(key: str) -> bool:
    """Return whether an image lies in a folder of masks, as `SegmentationClass/1.png` does.

    >>> in_mask_folder("train/masks/1.png"), in_mask_folder("masked owls/1.png")
    (True, False)
    """
    return any(folder.casefold() in _MASKS for folder in key.split("/")[:-1])


def layout_problem(root: str, folders: Sequence[str]) -> str | None:
    """Return why the folders below a root cannot be categories, and what to write; None if they can.

    Args:
        root: URI of the folder.
        folders: names of the folders in it.
    """
    shown = _shown(root)
    if tables := _tables(root):
        columns = f"{{kind: parquet, uri: {shown}, image: image, category: label, mask: mask}}"
        return (
            f"{shown!r} has {tables:,} Parquet files and no images: write `source: {columns}` and `masks: "
            "{annotations: {kind: source}}`, with the names of the columns"
        )
    if not folders:
        if not (photographs := _photographs(root)):
            return f"no folders in {shown!r}: expected {shown}/<category>/photo.jpg"
        lie = f"{photographs:,} photographs lie in {shown!r} itself, not in folders named after their categories"
        return f"{lie} (expected {shown}/<category>/photo.jpg); move them, or {_advice(root)}"
    if wrapped := _wrapped(root, folders):
        listed = join_names(wrapped, 5)
        return (
            f"{shown!r} has only the folder {folders[0]}; write `root: {shown}/{folders[0]}`, with the folders {listed}"
        )
    if not all(name.casefold() in _PARTS for name in folders):
        return None
    parts = f"{join_names(folders, 5)} in {shown!r} are parts of a data set, not categories"
    for name in folders:
        inner = _folders(root, name)
        if inner and _has_photographs(root, name) and layout_problem(join(root, name), inner) is None:
            return f"{parts}; write `root: {_shown(join(root, name))}`, where the folders are {join_names(inner, 5)}"
    coloured = "SegmentationClass" in folders
    hint = "; colours in SegmentationClass say no category: export the labels as COCO, too" if coloured else ""
    return f"{parts}; {_advice(root, [join(root, name) for name in folders])}{hint}"


def _wrapped(root: str, folders: Sequence[str]) -> list[str]:
    """Return the folders in the only folder of a root if these, and not it, are called like classes."""
    if len(folders) != 1 or is_part(folders[0]) or named_like_classes(folders) or _photographs(join(root, folders[0])):
        return []
    inner = _folders(root, folders[0])
    return inner if len(named_like_classes(inner)) > 1 else []


def inner_classes(root: str, folders: Iterable[str]) -> list[str]:
    """Return the folders called like classes in those that have no photographs of their own, as `animals/red fox`."""
    empty = [name for name in folders if not _photographs(join(root, name))]
    return [f"{name}/{inner}" for name in empty for inner in named_like_classes(_folders(root, name))]


def named_like_classes(folders: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return which of these names of folders are words or ids of ImageNet's classes, and of which.

    Numbers and words for most of the classes (`objects`) are not.

    >>> named_like_classes(["red fox", "train", "burst 7", "12", "objects"])
    {'red fox': (277,)}
    """
    names = (name for name in folders if not is_part(name) and not index_in(name))
    classes = {name: read_label(name, choices=False).classes for name in names}
    return {name: indices for name, indices in classes.items() if 0 < len(indices) < _TOO_GENERAL}


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


def _has_photographs(root: str, name: str) -> bool:
    listed = () if name.casefold() in _MASKS else files.list_files(f"{root}/{name}")
    return any(_IMAGE.search(base_name(uri)) for uri in listed)


def _tables(root: str) -> int:
    """Return the number of Parquet files below a folder without images."""
    names = [base_name(uri) for uri in files.list_files(root)]
    return 0 if any(map(_IMAGE.search, names)) else sum(name.lower().endswith(".parquet") for name in names)


def _folders(root: str, name: str) -> list[str]:
    return [base_name(uri) for uri in files.list_folders(join(root, name))]
