"""COCO annotations: JSON files for many images, with polygons or run-length encodings (RLE)."""

from __future__ import annotations

import marshal
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

from xray.core import files
from xray.core.errors import ConfigError, Rejected
from xray.core.plugins import settings
from xray.core.text import load_json
from xray.core.uri import base_name
from xray.masks.reading.annotation_files import folder_of, listed_files, match_images
from xray.masks.reading.boxes import BoxLayout, BoxSettings, corners_of, numbers_of
from xray.masks.reading.drawings import Drawings
from xray.masks.reading.objects import Drawing, Labels, Object
from xray.masks.reading.outlines import outline_of
from xray.masks.reading.run_order import RunSettings
from xray.sources.base import Box, Candidate, join_names
from xray.sources.image_names import path_of
from xray.sources.labels.coco import category_names, check_category_ids, image_name
from xray.sources.recognize import advice

_CONTENT = ("segmentation", "bbox", "category_id")
_NO_BOX = (0, 0, 1, 1)
"""What tools write that have only an outline."""


class _Annotation(NamedTuple):
    image_id: str
    category_id: str
    content: bytes


class _File:
    """A COCO file: its images, and per image its annotations, kept small because there may be millions.

    Raises:
        ConfigError: it is no COCO file, or lists no image.
    """

    def __init__(self, uri: str, layout: BoxLayout) -> None:
        self.folder, self.layout = folder_of(uri), layout
        self.annotations: dict[str, list[bytes]] = defaultdict(list)
        content = _parse(uri)
        self.labels = category_names(content)
        used, self.unreadable = set[str](), 0
        for one in content["annotations"]:
            if not isinstance(one, _Annotation):
                self.unreadable += 1
                continue
            self.annotations[one.image_id].append(one.content)
            if one.category_id:
                used.add(one.category_id)
        check_category_ids(base_name(uri), self.labels, used)
        self.images = [one for one in content["images"] if isinstance(one, dict) and "id" in one and image_name(one)]
        self.unreadable_images = len(content["images"]) - len(self.images)
        if not self.images:
            entries = len(content["images"])
            raise ConfigError(f"{base_name(uri)!r} lists no image with `id` and `file_name` ({entries} entries)")

    def objects(self, image_id: str) -> tuple[list[Object], list[str]]:
        """Return the objects of an image, and what is wrong with parts that are left out."""
        objects, problems = [], list[str]()
        for content in self.annotations.get(image_id, ()):
            category, segmentation, bbox, crowd = marshal.loads(content)
            outline = box = None
            before = len(problems)
            try:
                outline = outline_of(segmentation)
            except ValueError as error:
                problems.append(str(error))
            left_out = len(problems) > before
            try:
                box = _corners(bbox, self.layout)
            except ValueError as error:
                problems.append(str(error))
                left_out = left_out or outline is None
            label = "" if category is None else self.labels.get(str(category), str(category))
            numbers = numbers_of(bbox)
            objects.append(Object(label, outline, box, crowd=crowd in (1, True), left_out=left_out, numbers=numbers))
        return objects, problems


def _shrink(item: dict[str, Any]) -> Any:
    """Store an annotation as bytes as soon as it is parsed: as Python objects a million of them take gigabytes."""
    if "image_id" not in item or not any(name in item for name in _CONTENT):
        return item
    content = [item.get(name) for name in ("category_id", "segmentation", "bbox", "iscrowd")]
    category = item.get("category_id")
    return _Annotation(
        sys.intern(str(item["image_id"])), "" if category is None else sys.intern(str(category)), marshal.dumps(content)
    )


def _parse(uri: str) -> dict[str, Any]:
    """Parse a COCO file, its annotations as `_Annotation`."""
    name = base_name(uri)
    try:
        content = load_json(files.read_bytes(uri), _shrink)
    except (Rejected, ValueError) as error:
        raise ConfigError(f"cannot read COCO annotations {name!r}: {error}{_look(uri)}") from error
    keys = [*content] if isinstance(content, dict) else []
    if not all(key in keys and isinstance(content[key], list) for key in ("images", "annotations")):
        seen = f"keys {join_names(keys)}" if isinstance(content, dict) else f"a {type(content).__name__}"
        raise ConfigError(
            f"{name!r} is no COCO file: expected the lists images and annotations, not {seen}{_look(uri)}"
        )
    if any(isinstance(one, dict) and "segments_info" in one for one in content["annotations"][:1]):
        raise ConfigError(f"cannot read masks from {name!r}{_look(uri)}")
    return dict(content)


class _Index:
    """The images of all files by path, an image that is listed several times only once."""

    def __init__(self, read: list[_File]) -> None:
        self._files = read
        self.names, self.folders = list[str](), list[str]()
        self._entries = list[list[tuple[_File, dict[str, Any]]]]()
        by_path: dict[tuple[str, ...], int] = {}
        for file in read:
            for image in file.images:
                name = image_name(image)
                index = by_path.setdefault((file.folder, *path_of(name)), len(self.names))
                if index == len(self.names):
                    self.names.append(name)
                    self.folders.append(file.folder)
                    self._entries.append([])
                if (file, image["id"]) not in [(other, one["id"]) for other, one in self._entries[index]]:
                    self._entries[index].append((file, image))
        self.boxes = self.relative_boxes = 0

    def drawing(self, index: int) -> Drawing | Rejected:
        """Return the annotation of an image."""
        (_, first), *_ = self._entries[index]
        size = _size(first)
        if size is None:
            seen = f"{first.get('width')!r}×{first.get('height')!r}"
            return Rejected("corrupt_mask", f"coco: image {self.names[index]!r} needs width and height, not {seen}")
        objects, problems = list[Object](), list[str]()
        for file, image in self._entries[index]:
            some, wrong = file.objects(str(image["id"]))
            objects += some
            problems += wrong
        self._count_boxes(objects)
        return Drawing(size, tuple(objects), tuple(problems))

    def _count_boxes(self, objects: Iterable[Object]) -> None:
        """Count boxes, and those within one pixel."""
        for x0, y0, x1, y1 in (one.box for one in objects if one.box is not None):
            self.boxes += 1
            self.relative_boxes += max(x1, y1) <= 1 and (x0, y0, x1, y1) != _NO_BOX

    def notes(self) -> list[str]:
        """Return what the files have that no photograph uses."""
        ids = {id(file): {str(image["id"]) for image in file.images} for file in self._files}
        orphans = sum(
            len(some) for file in self._files for key, some in file.annotations.items() if key not in ids[id(file)]
        )
        counts = (
            (sum(file.unreadable for file in self._files), "annotations have no `image_id`"),
            (sum(file.unreadable_images for file in self._files), "entries of `images` have no `id` or `file_name`"),
            (orphans, "annotations belong to no image in the file"),
        )
        notes = [f"{count:,} COCO {what}, and are left out" for count, what in counts if count]
        if self.relative_boxes * 2 > self.boxes:
            notes.append(
                f"{self.relative_boxes:,} of {self.boxes:,} COCO boxes look like shares of width and height, not pixels"
            )
        return notes


@settings
class Coco(BoxSettings, RunSettings, Drawings):
    """COCO annotations: the mask is the union of an image's segmentations; boxes are passed on.

    An image is found by its `file_name`: the folders and name of the photograph, else its name alone. Regions with
    `iscrowd` count only where a photograph has nothing else.

    Args:
        file: the JSON file, a path or URI; or several, or a pattern such as `photos/*/_annotations.coco.json`.
        categories: names of the categories to use, or those of each category of the recipe (`{red fox: [fox]}`); by
            default that of the photograph, if the file has it, else all.
    """

    name: ClassVar[str] = "coco"
    box_layout: ClassVar[BoxLayout] = "xywh"
    summary: ClassVar[str] = "a COCO annotations file (polygons or run lengths)"
    labels_setting: ClassVar[str] = "categories"

    file: str | tuple[str, ...]
    categories: Labels = ()

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        read = [_File(uri, self.layout) for uri in listed_files(self.file)]
        index = _Index(read)
        listed = list(candidates)
        matches, notes = match_images(listed, index.names, index.folders, index.drawing)
        known = {label for file in read for label in file.labels.values()}
        categories = {one.category for one in listed}
        yield from self.attach_drawings(matches, self.categories, known, notes, categories=categories)
        self._add_notes(index.notes())


def _size(image: dict[str, Any]) -> tuple[int, int] | None:
    try:
        width, height = (round(float(image[side])) for side in ("width", "height"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (width, height) if min(width, height) > 0 else None


def _corners(bbox: Any, layout: BoxLayout) -> Box | None:
    """Return the corners of a `bbox`; ValueError if it is none or is empty."""
    if bbox is None or bbox == []:
        return None
    if (numbers := numbers_of(bbox)) is None:
        raise ValueError(f"a bbox that is no four numbers, {layout}: {bbox!r:.60}")
    x0, y0, x1, y1 = corners_of(numbers, layout)
    if x1 <= x0 or y1 <= y0:
        raise ValueError(f"a bbox without area: {bbox}")
    return x0, y0, x1, y1


def _look(uri: str) -> str:
    """Return advice on what a file looks like."""
    try:
        return advice(files.read_bytes(uri), "coco")
    except Rejected:
        return ""
