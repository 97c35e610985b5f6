"""COCO annotations: JSON files for many images, with polygons or run-length encodings (RLE)."""

from __future__ import annotations

import contextlib
import marshal
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from xray.core import files
from xray.core.errors import MALFORMED, ConfigError, Rejected, problem_of
from xray.core.plugins import settings
from xray.core.text import load_json
from xray.core.uri import base_name
from xray.masks.reading.annotation_files import MAX_SHARED, folder_of, listed_files, match_images
from xray.masks.reading.boxes import BoxLayout, BoxSettings, corners_of, numbers_of
from xray.masks.reading.drawings import Drawings
from xray.masks.reading.objects import MAX_OBJECTS, Drawing, Labels, Object, too_many
from xray.masks.reading.outlines import outline_of
from xray.masks.reading.run_order import RunSettings
from xray.sources.base import Box, Candidate, join_names
from xray.sources.image_names import path_of
from xray.sources.labels.coco import as_id, category_names, check_category_ids, image_name
from xray.sources.recognize import advice, read_head

_CONTENT = ("segmentation", "bbox", "category_id")
_NO_BOX = (0, 0, 1, 1)
"""What tools write that have only an outline."""


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
            if not isinstance(one, tuple):
                self.unreadable += 1
                continue
            image, category, data = one
            self.annotations[image].append(data)
            if category is not None:
                used.add(category)
        check_category_ids(base_name(uri), self.labels, used)
        self.images = [
            one for one in content["images"]
            if isinstance(one, dict) and as_id(one.get("id")) is not None and image_name(one)
        ]  # fmt: skip
        self.unreadable_images = len(content["images"]) - len(self.images)
        if not self.images:
            entries = len(content["images"])
            raise ConfigError(f"{base_name(uri)!r} lists no image with `id` and `file_name` ({entries} entries)")

    def objects(self, image_id: str) -> tuple[list[Object], list[str]]:
        """Return the objects of an image, and what is wrong with parts that are left out."""
        objects, problems = list[Object](), list[str]()
        for content in self.annotations.get(image_id, ()):
            category, segmentation, bbox, crowd = marshal.loads(content)
            outline = box = None
            before = len(problems)
            try:
                outline = outline_of(segmentation)
            except MALFORMED as error:
                problems.append(problem_of(error))
            left_out = len(problems) > before
            try:
                box = _corners(bbox, self.layout)
            except MALFORMED as error:
                problems.append(problem_of(error))
                left_out = left_out or outline is None
            label = "" if category is None else self.labels.get(category, category)
            numbers = numbers_of(bbox)
            objects.append(Object(label, outline, box, crowd=crowd in (1, True), left_out=left_out, numbers=numbers))
        return objects, problems


def _shrink(item: dict[str, Any]) -> Any:
    """Return an annotation as a tuple of its image, category and content: as objects, a million take gigabytes."""
    image, category = as_id(item.get("image_id")), as_id(item.get("category_id"))
    if image is None or not any(name in item for name in _CONTENT):
        return item
    content = [category, *(item.get(name) for name in ("segmentation", "bbox", "iscrowd"))]
    try:
        return sys.intern(image), category and sys.intern(category), marshal.dumps(content)
    except ValueError:  # nested too deeply
        return item


def _parse(uri: str) -> dict[str, Any]:
    """Parse a COCO file, its annotations as tuples."""
    name = base_name(uri)
    try:
        content = load_json(files.read_bytes(uri, MAX_SHARED), _shrink)
    except MALFORMED as error:
        raise ConfigError(f"cannot read COCO annotations {name!r}: {problem_of(error)}{_look(uri)}") from error
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
        by_path, listed = dict[tuple[str, ...], int](), set[tuple[int, int, str | None]]()
        for file in read:
            for image in file.images:
                name = image_name(image)
                index = by_path.setdefault((file.folder, *path_of(name)), len(self.names))
                if index == len(self.names):
                    self.names.append(name)
                    self.folders.append(file.folder)
                    self._entries.append([])
                if (entry := (index, id(file), as_id(image["id"]))) not in listed:
                    listed.add(entry)
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
        keys = [(file, as_id(image["id"]) or "") for file, image in self._entries[index]]
        count = sum(len(file.annotations.get(key, ())) for file, key in keys)
        if count > MAX_OBJECTS:
            return too_many(count, "coco")
        for file, key in keys:
            some, wrong = file.objects(key)
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
        ids = {id(file): {as_id(image["id"]) for image in file.images} for file in self._files}
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
        raise ValueError(f"a bbox that is no four numbers, {layout}: {str(bbox)[:60]}")
    x0, y0, x1, y1 = corners_of(numbers, layout)
    if x1 <= x0 or y1 <= y0:
        raise ValueError(f"a bbox without area: {bbox}")
    return x0, y0, x1, y1


def _look(uri: str) -> str:
    """Return advice on what a file looks like."""
    with contextlib.suppress(*MALFORMED):
        return advice(read_head(uri), "coco")
    return ""
