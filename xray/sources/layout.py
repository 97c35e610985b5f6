"""Recognize how folders of photographs are laid out, and which files may say their categories."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import unquote

from xray.core import files
from xray.core.errors import Rejected
from xray.core.uri import base_name, is_image, join, local_path
from xray.sources.base import join_names
from xray.sources.categories.reading import index_in, read_label
from xray.sources.recognize import Format, read_head, recognize

_PARTS = {
    *("train", "training", "val", "valid", "validation", "test", "testing", "dev"),
    *("train2017", "val2017", "test2017", "images", "image", "imgs", "img", "photos", "jpegimages", "data"),
    *("labels", "masks", "annotations", "segmentationclass", "segmentationobject", "imagesets"),
}
"""Names of folders that are parts of data sets, and no categories."""
_MASKS = {"mask", "masks", "labels", "annotations", "segmentation", "segmentationclass", "segmentationobject"}
_BESIDE = ("annotations", "labels", "Annotations", "xml", "xmls")
_PER_IMAGE = ("voc", "labelme", "yolo")
"""Formats with a file for each image."""
_TEXT = re.compile(r"\.(json|jsonl|csv|tsv|txt|xml|ya?ml)$", re.IGNORECASE)
_NO_LABELS = re.compile(
    r"^(recipe.*\.ya?ml|labelmap\.txt|readme.*|licen[cs]e.*|requirements.*|pyproject.*)$", re.IGNORECASE
)
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
    return f"{parts}; {_advice(root, [join(root, name) for name in folders])}"


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
    hits = list(dict.fromkeys(hit for folder in folders if files.is_folder(folder) for hit in _labels_in(folder)))
    coloured = [join(folder, "SegmentationClass") for folder in (root, above)]
    return hits or [(folder, "colours of masks") for folder in coloured if files.is_folder(folder)][:1]


def _labels_in(folder: str) -> Iterator[tuple[str, str]]:
    """Yield the label files in a folder; of many files of one kind, the folder itself."""
    uris = [uri for uri in files.list_files(folder, recursive=False) if _TEXT.search(base_name(uri))]
    hits = [(uri, seen) for uri in uris[:50] if (seen := _format_of(uri)) is not None]
    for seen in dict.fromkeys(seen for _, seen in hits):
        same = [uri for uri, other in hits if other == seen]
        yield from [(folder, seen.name)] if seen.kind in _PER_IMAGE else [(uri, seen.name) for uri in same]


def _format_of(uri: str) -> Format | None:
    """Return the format of a file that may say categories, by its beginning."""
    name = base_name(uri)
    if _NO_LABELS.match(name):
        return None
    try:
        data = read_head(uri)
    except (Rejected, OSError):
        return None
    head = data.decode("utf-8-sig", "replace").lstrip()
    if name.endswith((".yaml", ".yml")):
        return Format("YOLO data.yaml", "") if re.search(r"^names\s*:", head, re.MULTILINE) else None
    if (seen := recognize(data)) is not None:
        return seen
    if head.startswith(("{", "[")):
        return Format("JSON", "")
    lines = head.splitlines()[:20] if re.search(r"\.(csv|tsv|txt)$", name, re.IGNORECASE) else []
    is_table = lines and all(re.search(r"\S[\s,;]+\S", line) for line in lines)
    return Format("table", "") if is_table and not head.startswith("<") else None


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
    return sum(map(is_image, files.list_files(root, recursive=False)))


def _has_photographs(root: str, name: str) -> bool:
    listed = () if name.casefold() in _MASKS else files.list_files(f"{root}/{name}")
    return any(map(is_image, listed))


def _tables(root: str) -> int:
    """Return the number of Parquet files below a folder without images."""
    uris = list(files.list_files(root))
    return 0 if any(map(is_image, uris)) else sum(base_name(uri).lower().endswith(".parquet") for uri in uris)


def _folders(root: str, name: str) -> list[str]:
    return [base_name(uri) for uri in files.list_folders(join(root, name))]
