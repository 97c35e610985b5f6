"""COCO annotations: one JSON file for all images, with polygons or run-length encodings (RLE)."""

from __future__ import annotations

import base64
import json
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import unquote

import numpy as np
from pydantic import BaseModel, FiniteFloat, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from xray.core import files
from xray.core.errors import ConfigError, Rejected, extra, unknown
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.core.uri import to_uri
from xray.masks.base import Annotations, Mask
from xray.masks.mask_files import apply_orientation, normal_name, orientation_of_mask, parse_json, refuse_corrupt
from xray.sources.base import Candidate

_MIN_COORDINATES = 6
_BOXES = TypeAdapter(list[tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]])


class _Rle(BaseModel):
    size: tuple[PositiveInt, PositiveInt]
    counts: list[NonNegativeInt] | str


class _ImageAnnotation(BaseModel):
    """The annotation of one image, stored in the plan as a `data:` URI."""

    width: PositiveInt
    height: PositiveInt
    segmentations: list[_Rle | list[list[FiniteFloat]]]


class _Image(BaseModel):
    id: int | str
    file_name: str
    width: PositiveInt
    height: PositiveInt


class _Annotation(BaseModel):
    image_id: int | str
    category_id: int | None = None
    segmentation: Any = None
    bbox: Any = None


class _Category(BaseModel):
    id: int
    name: str


class _Dataset(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category] = []


def decode_counts(text: str) -> list[int]:
    """Decode the run lengths in COCO's compressed string: six bits per character, differences from the third number on.

    pycocotools reads past the end of a damaged string; this decoder raises ValueError.

    >>> decode_counts("52203")
    [5, 2, 2, 2, 5]
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"invalid character {character!r} in RLE counts")
        value |= (bits & 31) << shift
        shift += 5
        if shift > 60:
            raise ValueError("a run length of more than 60 bits in RLE counts")
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("truncated RLE counts")
    return counts


def _fill_rle(rle: _Rle, height: int, width: int) -> Mask:
    counts = decode_counts(rle.counts) if isinstance(rle.counts, str) else rle.counts
    if rle.size != (height, width) or min(counts, default=0) < 0 or sum(counts) != height * width:
        raise ValueError(f"RLE of {sum(counts)} pixels, size {rle.size}, in an image of {width}×{height}")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T


def _fill_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> Mask:
    with extra("formats"):
        from pycocotools import mask as coco
    if any(len(polygon) % 2 for polygon in polygons):
        raise ValueError("a polygon with an odd number of coordinates")
    # pycocotools allocates memory by the polygon's length: clip it to the neighbourhood of the image.
    size = np.array([width, height])
    clipped = [np.clip(np.reshape(polygon, (-1, 2)), -size, 2 * size).ravel().tolist() for polygon in polygons]
    union = coco.merge(coco.frPyObjects(clipped, height, width))
    return _fill_rle(_Rle(size=union["size"], counts=union["counts"].decode()), height, width)


class _Index:
    """A lookup of annotations by the file name of their image."""

    def __init__(self, dataset: _Dataset, categories: Sequence[str]) -> None:
        self._ids: dict[str, set[int | None]] = defaultdict(set)
        for category in dataset.categories:
            self._ids[normal_name(category.name)].add(category.id)
        self._selected = set().union(*(self._ids[normal_name(name)] for name in categories))
        self._annotations: dict[int | str, list[_Annotation]] = defaultdict(list)
        for annotation in dataset.annotations:
            self._annotations[annotation.image_id].append(annotation)
        paths = [(image.file_name.replace("\\", "/"), image) for image in dataset.images]  # of Windows
        self._by_path = dict(paths)
        self._by_name: dict[str, list[_Image]] = defaultdict(list)
        for path, image in paths:
            self._by_name[posixpath.basename(path)].append(image)

    def find(self, candidate: Candidate) -> tuple[_Image, list[_Annotation]] | None:
        """Return the image with the candidate's path, else the only image with its file name, and its annotations.

        Only annotations of the selected categories count; by default, those of the candidate's category, if the file
        has a category of that name.
        """
        ids = self._selected or self._ids.get(normal_name(candidate.category))
        for path in (candidate.key, unquote(candidate.key)):
            same_name = self._by_name.get(posixpath.basename(path), [])
            image = self._by_path.get(path) or (same_name[0] if len(same_name) == 1 else None)
            if image is not None:
                annotations = self._annotations[image.id]
                return image, [one for one in annotations if ids is None or one.category_id in ids]
        return None


def _attach(candidate: Candidate, image: _Image, annotations: list[_Annotation]) -> Candidate:
    segmentations = [annotation.segmentation for annotation in annotations if annotation.segmentation]
    content = {"width": image.width, "height": image.height, "segmentations": segmentations}
    data = base64.b64encode(json.dumps(content, separators=(",", ":")).encode()).decode()
    mask_uri = f"data:application/json;base64,{data}" if segmentations else None
    try:
        boxes = _BOXES.validate_python([one.bbox for one in annotations if one.bbox is not None])
    except ValidationError:
        return replace(candidate, mask_uri=mask_uri, boxes=(), problem=candidate.problem or "corrupt_mask")
    corners = tuple((x, y, x + w, y + h) for x, y, w, h in boxes)
    return replace(candidate, mask_uri=mask_uri, boxes=corners, drawn_on=(image.width, image.height))


@settings
class Coco(Annotations):
    """A COCO annotations file: the mask is the union of an image's segmentations; boxes are passed on.

    An image is found by its `file_name`: the candidate's key, or its last part if only one image has that name. Its
    annotation is stored in the candidate as a `data:` URI, so that the file is parsed once, in the plan.

    Args:
        file: the JSON file, a path or URI.
        categories: names of the categories to use; by default that of the photograph, if the file has it, else all.
    """

    name: ClassVar[str] = "coco"
    summary: ClassVar[str] = "a COCO annotations file (polygons or run lengths)"

    file: str
    categories: tuple[str, ...] = ()

    def _read_index(self) -> _Index:
        try:
            dataset = parse_json(_Dataset, files.read_bytes(to_uri(self.file)))
        except (Rejected, ValueError) as error:
            raise ConfigError(f"cannot read COCO annotations {self.file!r}: {error}") from error
        names = {category.name for category in dataset.categories}
        for name in self.categories:
            if name not in names:
                raise unknown("COCO category", name, sorted(names))
        return _Index(dataset, self.categories)

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        index = self._read_index()
        for candidate in candidates:
            match = index.find(candidate)
            yield replace(candidate, mask_uri=None) if match is None else _attach(candidate, *match)

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """See `Annotations.read`."""
        if data is None:
            raise Rejected("missing_mask")
        left_out = False
        with refuse_corrupt("COCO"):
            annotation = parse_json(_ImageAnnotation, data)
            height, width = annotation.height, annotation.width
            orientation = orientation_of_mask(width, height, decoded)
            mask = np.zeros((height, width), bool)
            for part in annotation.segmentations:
                if isinstance(part, _Rle):
                    mask |= _fill_rle(part, height, width)
                    continue
                polygons = [polygon for polygon in part if len(polygon) >= _MIN_COORDINATES]
                left_out |= len(polygons) < len(part)
                if polygons:
                    mask |= _fill_polygons(polygons, height, width)
        mask, notes = apply_orientation(mask, orientation)
        return mask, ("mask_parts_left_out", *notes) if left_out else notes
