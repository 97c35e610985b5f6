"""COCO annotations: one JSON file for all images, with polygons or run lengths."""

from __future__ import annotations

import base64
import json
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar
from urllib.parse import unquote

import numpy as np
from pydantic import BaseModel, Field, FiniteFloat, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from xray.core import files
from xray.core.errors import Rejected, XrayError, unknown
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.core.uri import to_uri
from xray.masks.base import Annotations, Mask
from xray.masks.documents import parse_json
from xray.masks.fitting import turn, turn_needed
from xray.sources.base import Box, Candidate

Polygon = Annotated[list[FiniteFloat], Field(min_length=6)]
_CORNER_AND_SIZE = TypeAdapter(tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat])


class _RunLengths(BaseModel):
    size: tuple[PositiveInt, PositiveInt]
    counts: list[NonNegativeInt] | str


class _Outline(BaseModel):
    """The annotation of one image, as it travels in the plan."""

    width: PositiveInt
    height: PositiveInt
    segmentations: list[_RunLengths | list[Polygon]]


class _Image(BaseModel):
    id: int | str
    file_name: str
    width: PositiveInt
    height: PositiveInt


class _Thing(BaseModel):
    image_id: int | str
    category_id: int | None = None
    segmentation: Any = None
    bbox: Any = None


class _Category(BaseModel):
    id: int
    name: str


class _Dataset(BaseModel):
    images: list[_Image]
    annotations: list[_Thing]
    categories: list[_Category] = []


def run_lengths(text: str) -> list[int]:
    """The run lengths in COCO's compressed string: six bits a character, differences from the third number on.

    pycocotools reads past the end of a damaged string, so the project decodes it itself.

    Raises:
        ValueError: it is no such string.

    >>> run_lengths("52203")
    [5, 2, 2, 2, 5]
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"run lengths with {character!r}")
        value |= (bits & 31) << shift
        shift += 5
        if shift > 60:
            raise ValueError("a run length of more than 60 bits")
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("run lengths that are cut off")
    return counts


def _fill_runs(runs: _RunLengths, height: int, width: int) -> Mask:
    counts = run_lengths(runs.counts) if isinstance(runs.counts, str) else runs.counts
    if runs.size != (height, width) or min(counts, default=0) < 0 or sum(counts) != height * width:
        raise ValueError(f"run lengths for {sum(counts)} pixels, size {runs.size}, in an image of {width}×{height}")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T


def _fill_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> Mask:
    try:
        from pycocotools import mask as coco
    except ImportError as error:
        raise XrayError("COCO polygons need pycocotools: pip install 'xray-robustness[formats]'") from error
    if any(len(polygon) % 2 for polygon in polygons):
        raise ValueError("a polygon with half a point")
    # pycocotools allocates by the outline's length: keep what is far outside of the image near.
    reach = np.array([width, height])
    near = [np.clip(np.reshape(polygon, (-1, 2)), -reach, 2 * reach).ravel().tolist() for polygon in polygons]
    united = coco.merge(coco.frPyObjects(near, height, width))
    return _fill_runs(_RunLengths(size=united["size"], counts=united["counts"].decode()), height, width)


def _with_corners(boxes: Iterable[Any]) -> tuple[Box, ...]:
    """COCO's (x, y, width, height) boxes as (x0, y0, x1, y1), ends exclusive."""
    found = [_CORNER_AND_SIZE.validate_python(box) for box in boxes if box is not None]
    return tuple((x, y, x + width, y + height) for x, y, width, height in found)


class _Index:
    """The annotations of a dataset by the file name of their image."""

    def __init__(self, dataset: _Dataset, things: Iterable[_Thing]) -> None:
        self._things: dict[int | str, list[_Thing]] = defaultdict(list)
        for thing in things:
            self._things[thing.image_id].append(thing)
        self._by_path = {image.file_name: image for image in dataset.images}
        self._by_name: dict[str, list[_Image]] = defaultdict(list)
        for image in dataset.images:
            self._by_name[posixpath.basename(image.file_name)].append(image)

    def find(self, key: str) -> tuple[_Image, list[_Thing]] | None:
        """The image with this path, else the only one with this file name."""
        for path in (key, unquote(key)):
            same_name = self._by_name.get(posixpath.basename(path), [])
            image = self._by_path.get(path) or (same_name[0] if len(same_name) == 1 else None)
            if image is not None:
                return image, self._things[image.id]
        return None


def _attach(candidate: Candidate, image: _Image, things: list[_Thing]) -> Candidate:
    outlines = [thing.segmentation for thing in things if thing.segmentation]
    outline = {"width": image.width, "height": image.height, "segmentations": outlines}
    data = base64.b64encode(json.dumps(outline, separators=(",", ":")).encode()).decode()
    mask_uri = f"data:application/json;base64,{data}" if outlines else None
    try:
        return replace(candidate, mask_uri=mask_uri, boxes=_with_corners(thing.bbox for thing in things))
    except ValidationError:
        return replace(candidate, mask_uri=mask_uri, boxes=(), problem=candidate.problem or "corrupt_mask")


@settings
class Coco(Annotations):
    """A COCO annotations file; the outlines of an image are united, each annotation with a box gives it.

    An image is found by its `file_name`: the candidate's key, or its last part where only one image has that name. Its
    annotation travels in the candidate as a `data:` URI, so that the file is parsed once, in the plan.

    Args:
        file: the JSON file, a path or URI.
        categories: only annotations of the categories with these names; by default all.
    """

    name: ClassVar[str] = "coco"
    summary: ClassVar[str] = "a COCO annotations file (polygons or run lengths)"

    file: str
    categories: tuple[str, ...] = ()

    def _read_index(self) -> _Index:
        try:
            dataset = parse_json(_Dataset, files.read_bytes(to_uri(self.file)))
        except (Rejected, ValueError) as error:
            raise XrayError(f"cannot read COCO annotations {self.file!r}: {error}") from error
        ids = {category.name: category.id for category in dataset.categories}
        for name in self.categories:
            if name not in ids:
                raise unknown("COCO category", name, ids)
        wanted = {ids[name] for name in self.categories}
        return _Index(dataset, (thing for thing in dataset.annotations if not wanted or thing.category_id in wanted))

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        index = self._read_index()
        for candidate in candidates:
            found = index.find(candidate.key)
            yield replace(candidate, mask_uri=None) if found is None else _attach(candidate, *found)

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """See `Annotations.read`."""
        if data is None:
            raise Rejected("missing_mask")
        try:
            outline = parse_json(_Outline, data)
            orientation = turn_needed(outline.width, outline.height, decoded)
            mask = np.zeros((outline.height, outline.width), bool)
            for part in outline.segmentations:
                fill = _fill_runs if isinstance(part, _RunLengths) else _fill_polygons
                mask |= fill(part, outline.height, outline.width)  # type: ignore[arg-type]
        except XrayError:
            raise
        except ValueError as error:
            raise Rejected("corrupt_mask", f"COCO: {error}") from error
        return turn(mask, orientation)
