"""Labels of YOLO data sets (Ultralytics, Roboflow, Darknet): one text file per photograph."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from xray.core import files, yaml
from xray.core.errors import MALFORMED, ConfigError, problem_of, refusing
from xray.core.plugins import settings
from xray.core.text import decode_text
from xray.core.uri import base_name, to_uri
from xray.masks.reading.boxes import BoxLayout, BoxSettings, corners_of, numbers_of
from xray.masks.reading.drawings import Drawings
from xray.masks.reading.objects import Drawing, Labels, Object
from xray.masks.reading.outlines import box_around
from xray.masks.reading.pairing import Pairing
from xray.sources.base import RELATIVE, Box, Candidate, join_names
from xray.sources.labels.names import find_names, read_names

_MARGIN = 0.02  # coordinates may be rounded a little beyond the image


@dataclass(frozen=True)
class ClassNames:
    """The names of class ids.

    Args:
        by_id: names; empty if no file has them.
        file: their file, for messages.
        keypoint_numbers: numbers per object that keypoints take, as `kpt_shape` of data.yaml says.
    """

    by_id: Mapping[int, str] = field(default_factory=dict)
    file: str = ""
    keypoint_numbers: int = 0

    @classmethod
    def read(cls, uri: str) -> ClassNames:
        """Read a data.yaml with `names`, or a text file with one name per line.

        Raises:
            ConfigError: the file is missing, or has no names.
        """
        try:
            with refusing(base_name(uri)):
                return cls(read_names(uri), base_name(uri), _keypoint_numbers(uri))
        except ConfigError as error:
            raise ConfigError(str(error)) from error  # at another place in the recipe


def _keypoint_numbers(uri: str) -> int:
    if not uri.endswith((".yaml", ".yml")):
        return 0
    content, _ = yaml.load(decode_text(files.read_bytes(uri)), base_name(uri))
    shape = content.get("kpt_shape") if isinstance(content, dict) else None
    is_shape = isinstance(shape, list) and all(isinstance(one, int) for one in shape)
    return math.prod(shape) if shape and is_shape else 0


def parse_yolo(data: bytes, names: ClassNames, layout: BoxLayout = "cxcywh") -> Drawing:
    """Return the objects in a label file; lines that cannot be read are left out.

    Raises:
        ValueError: no line can be read.

    >>> parse_yolo(b"0 0.5 0.5 0.2 0.4", ClassNames({0: "fox"})).objects[0].box
    (0.4, 0.3, 0.6, 0.7)
    """
    objects, problems = list[Object](), list[str]()
    for number, line in enumerate(decode_text(data).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            objects.append(_object(line.split(), names, layout))
        except MALFORMED as error:
            problems.append(f"line {number}: {problem_of(error)}")
    if problems and not objects:
        raise ValueError(problems[0])
    unnamed = {one.label for one in objects} - {*names.by_id.values()}
    if names.by_id and unnamed:
        known = join_names(f"{key} {name}" for key, name in names.by_id.items())
        problems.append(f"{join_names(sorted(unnamed))} without a name in {names.file} ({known})")
    return Drawing(RELATIVE, tuple(objects), tuple(problems))


def _object(words: list[str], names: ClassNames, layout: BoxLayout) -> Object:
    number = float(words[0])
    values = [float(word) for word in words[1:]]
    outside = [value for value in values if not -_MARGIN <= value <= 1 + _MARGIN]
    count = len(values)
    if number != int(number) or number < 0:
        raise ValueError(f"class {words[0]}: expected a whole number")
    label = names.by_id.get(int(number), f"class {int(number)}")
    if names.keypoint_numbers and count == 4 + names.keypoint_numbers:
        values, outside, count = values[:4], [one for one in values[:4] if one in outside], 4
    if count == 5:  # a box and its confidence
        values, count = values[:4], 4
    if outside:
        raise ValueError(f"{outside[0]:g} is no share of width or height (0–1): YOLO has no pixels")
    if count == 4:
        return Object(label, box=_box(values, layout), numbers=numbers_of(values))
    if count < 6 or count % 2:
        raise ValueError(
            f"{count} numbers after the class: expected 4 (box), 8 (oriented box), an even number from 6 (polygon), or "
            "4 and the keypoints that `kpt_shape` in data.yaml describes"
        )
    if count == 8 and _is_parallelogram(values):
        return Object(label, box=box_around(values))
    return Object(label, [values])


def _box(values: list[float], layout: BoxLayout) -> Box:
    x0, y0, x1, y1 = (round(edge, 9) for edge in corners_of(values, layout))
    if x1 <= x0 or y1 <= y0:
        raise ValueError(f"a box of {x1 - x0:g}×{y1 - y0:g}")
    return x0, y0, x1, y1


def _is_parallelogram(values: list[float]) -> bool:
    """Return whether four corners are those of an oriented box, which is no outline of an object."""
    x, y = values[::2], values[1::2]
    return max(abs(side[0] - side[1] + side[2] - side[3]) for side in (x, y)) < 0.005


@settings
class Yolo(BoxSettings, Drawings):
    """YOLO labels, `labels/x.txt` for `images/x.jpg`: polygons are masks; boxes, also oriented, are for a refiner.

    Four corners of a parallelogram are an oriented box. Keypoints are not used. Files without lines have no object.

    Args:
        root: folder of the labels or of the data set, a path or URI; by default `labels` instead of `images` in the
            photograph's path, or beside it.
        names: file of the class names (data.yaml, classes.txt); by default one that lies up to three folders above the
            labels.
        labels: names of the object's classes, or those of each category (`{red fox: [fox]}`); by default that of the
            photograph's category, if some file has it, else all.
    """

    name: ClassVar[str] = "yolo"
    box_layout: ClassVar[BoxLayout] = "cxcywh"
    summary: ClassVar[str] = "YOLO labels (Ultralytics, Roboflow): polygons and boxes in text files"

    root: str | None = None
    names: str | None = None
    labels: Labels = ()

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        pairing = Pairing(self.root, ".txt")
        pairs = list(pairing.pair(candidates) if self.root is not None else _beside(candidates, pairing))
        names = self._class_names([uri for _, uri in pairs if uri is not None])
        parse = functools.partial(parse_yolo, names=names, layout=self.layout)
        matches = [(candidate, self.read_drawing(uri, parse)) for candidate, uri in pairs]
        known = {one.label for _, drawing in matches if isinstance(drawing, Drawing) for one in drawing.objects}
        notes = [*pairing.notes(), *self.other_files(matches)]
        if names.by_id:
            notes.append(f"class names of YOLO labels are from {names.file}: {join_names(names.by_id.values())}")
        elif known:
            shown = join_names(sorted(known))
            notes.append(f"no file names the classes of YOLO labels ({shown}): write `names: data.yaml`")
        yield from self.attach_drawings(matches, self.labels, known | {*names.by_id.values()}, notes)

    def _class_names(self, uris: list[str]) -> ClassNames:
        if self.names is not None:
            return ClassNames.read(to_uri(self.names))
        folder = uris[0].partition("?")[0].rpartition("/")[0] if uris else ""
        found = find_names(folder) if folder else None
        return ClassNames() if found is None else ClassNames.read(found)


def _beside(candidates: Iterable[Candidate], pairing: Pairing) -> Iterator[tuple[Candidate, str | None]]:
    """Yield photographs with their labels: `labels` for the last `images` in the path, else beside the photograph."""
    is_folder = functools.lru_cache(maxsize=16)(files.is_folder)
    for candidate in candidates:
        before, images, after = candidate.uri.rpartition("/images/")
        moved = f"{before}/labels/{after}"
        uri = None
        if images and is_folder(moved.partition("?")[0].rpartition("/")[0]):
            uri = pairing.find(replace(candidate, uri=moved))
        yield candidate, uri or pairing.find(candidate)
