"""The base of annotation formats that describe objects: labels with outlines, boxes or points."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, PositiveInt

from xray.core import files
from xray.core.errors import MALFORMED, ConfigError, Rejected, problem_of, refusing, rejecting
from xray.core.images import Decoded
from xray.core.progress import readable_bytes
from xray.core.uri import base_name, to_uri
from xray.masks.base import Annotations, Mask
from xray.masks.mask_files import apply_orientation, orientation_of_mask, parse_json
from xray.masks.reading.annotation_files import (
    MAX_OWN,
    MAX_SHARED,
    Images,
    Match,
    folder_of,
    listed_files,
    match_images,
    other_files,
)  # fmt: skip
from xray.masks.reading.boxes import BoxSettings, Layouts
from xray.masks.reading.extents import Extents
from xray.masks.reading.objects import MAX_OBJECTS, Drawing, Labels, Object, Selection, too_many
from xray.masks.reading.outlines import fill_all
from xray.masks.reading.pairing import Pairing
from xray.masks.reading.run_order import RunOrders, RunSettings, along_rows
from xray.sources.base import RELATIVE, Box, Candidate, join_names
from xray.sources.recognize import advice

_LEFT_OUT = "mask_parts_left_out"
_SHOWN = 5
_MAX_DOCUMENT = 64_000_000
"""Bytes of the outlines of one photograph."""
_MAX_SIDE = 1_000_000
"""Pixels of the side of an image."""


class _Document(BaseModel):
    """The annotation of one image as the plan stores it, in a `data:` URI."""

    width: PositiveInt
    height: PositiveInt
    segmentations: list[Any]
    left_out: bool = False


class Drawings(Annotations):
    """The base of formats that describe objects: `attach` chooses them by label, `read` unites their outlines.

    What is chosen is stored in the candidate as a `data:` URI, so that workers need no other file.
    """

    labels_setting: ClassVar[str] = "labels"
    _notes: ClassVar[tuple[str, ...]] = ()

    def notes(self) -> list[str]:
        """See `Annotations.notes`."""
        return [*self._notes]

    def _add_notes(self, notes: Iterable[str]) -> None:
        """Remember what `attach` noticed; it is no setting."""
        object.__setattr__(self, "_notes", (*self._notes, *notes))

    def attach_drawings(
        self,
        matches: Iterable[Match],
        labels: Labels,
        known: Collection[str],
        notes: Sequence[str] = (),
        *,
        categories: Collection[str] = (),
    ) -> Iterator[Candidate]:
        """Yield candidates with the chosen objects of their drawings.

        Args:
            matches: photographs with their drawing, a refusal of it, or None.
            labels: of the recipe.
            known: all labels in the annotations.
            notes: to add to those of the choice.
            categories: of all photographs; by default those of `matches`, if it is a list.
        """
        object.__setattr__(self, "_notes", ())
        if isinstance(matches, list):
            categories = {candidate.category for candidate, _ in matches}
        selection = Selection(labels, known, self.name, self.labels_setting, categories)
        extents, problems = Extents(), list[str]()
        doubts = self._doubts()
        for candidate, drawing in matches:
            if isinstance(drawing, Drawing) and len(drawing.objects) > MAX_OBJECTS:
                drawing = too_many(len(drawing.objects), self.name)
            if isinstance(drawing, Drawing) and max(drawing.size or (0,)) > _MAX_SIDE:
                drawing = Rejected("corrupt_mask", f"{self.name}: an image of {drawing.size} pixels")
            if isinstance(drawing, Drawing):
                if isinstance(self, RunSettings) and self.runs == "rows":
                    drawing = along_rows(drawing)
                for doubt in doubts:
                    doubt.watch(candidate.key, drawing)
                boxes = [one.box for one in drawing.objects if one.box and not _touches(one.box, drawing.size)]
                outside = [f"box {box} outside of the image" for box in boxes]
                problems += [f"{candidate.key}: {problem}" for problem in (*drawing.problems, *outside)]
            yield self._attached(candidate, drawing, selection, extents)
        if problems:
            problems = [f"{len(problems):,} parts of annotations are left out: {join_names(problems, _SHOWN)}"]
        doubtful = [note for doubt in doubts for note in doubt.check(self.name)]
        self._add_notes((*notes, *problems, *doubtful, *extents.notes(), *selection.notes()))

    def _doubts(self) -> list[Layouts | RunOrders]:
        """Return what questions whether the set is what its format says, unless the recipe says what it is."""
        doubts = list[Layouts | RunOrders]()
        if isinstance(self, BoxSettings) and self.boxes is None:
            doubts.append(Layouts(self.box_layout))
        if isinstance(self, RunSettings) and self.runs is None:
            doubts.append(RunOrders())
        return doubts

    def attach_files(
        self, candidates: Iterable[Candidate], pairing: Pairing, parse: Callable[[bytes], Drawing], labels: Labels
    ) -> Iterator[Candidate]:
        """Yield candidates with the chosen objects, for formats with one file per photograph."""
        matches = [(one, self.read_drawing(uri, parse)) for one, uri in pairing.pair(candidates)]
        known = {one.label for _, drawing in matches if isinstance(drawing, Drawing) for one in drawing.objects}
        yield from self.attach_drawings(matches, labels, known, [*pairing.notes(), *self.other_files(matches)])

    def other_files(self, matches: Sequence[Match]) -> list[str]:
        """Return a note on files of another format, if no photograph has a file of this one."""
        if not matches or any(drawing is not None for _, drawing in matches):
            return []
        root: str | None = getattr(self, "root", None)
        return other_files(matches[0][0].uri.rpartition("/")[0] if root is None else to_uri(root), self.name)

    def attach_images(
        self,
        candidates: Iterable[Candidate],
        file: str | tuple[str, ...],
        parse: Callable[[bytes], Images],
        labels: Labels,
    ) -> Iterator[Candidate]:
        """Yield candidates with the chosen objects, for formats with one file for many images.

        `parse` returns the name and drawing of each image, and notes; it raises ValueError for another format.

        Raises:
            ConfigError: a file is missing, damaged or of another format.
        """
        images, folders, notes = list[tuple[str, Drawing | Rejected]](), list[str](), list[str]()
        for uri in listed_files(file):
            some, more = self._parse_file(uri, parse)
            images += some
            folders += [folder_of(uri)] * len(some)
            notes += more
        drawings = [drawing for _, drawing in images]
        known = {one.label for drawing in drawings if isinstance(drawing, Drawing) for one in drawing.objects}
        listed = list(candidates)
        matches, unused = match_images(listed, [name for name, _ in images], folders, drawings.__getitem__)
        categories = {one.category for one in listed}
        yield from self.attach_drawings(matches, labels, known, [*notes, *unused], categories=categories)

    def _parse_file(self, uri: str, parse: Callable[[bytes], Images]) -> Images:
        with refusing(f"{self.name} annotations {base_name(uri)!r}"):
            data = files.read_bytes(uri, MAX_SHARED)
            try:
                images, notes = parse(data)
            except MALFORMED as error:
                raise ValueError(problem_of(error) + advice(data, self.name)) from error
        if not images:
            raise ConfigError(f"{base_name(uri)!r} has no image with annotations{advice(data, self.name)}")
        return images, notes

    def read_drawing(self, uri: str | None, parse: Callable[[bytes], Drawing]) -> Drawing | Rejected | None:
        """Read a photograph's own file; a file that cannot be read gives a refusal that says what it looks like."""
        if uri is None:
            return None
        try:
            data = files.read_bytes(uri, MAX_OWN)
            try:
                with rejecting("corrupt_mask", self.name):
                    return parse(data)
            except Rejected as rejected:
                return Rejected(rejected.reason, rejected.detail + advice(data, self.name))
        except Rejected as rejected:
            return rejected

    def _attached(
        self, candidate: Candidate, drawing: Drawing | Rejected | None, selection: Selection, extents: Extents
    ) -> Candidate:
        if drawing is None:
            return replace(candidate, mask_uri=None)
        if isinstance(drawing, Rejected):
            problem = candidate.problem or str(drawing)
            return replace(candidate, mask_uri=None, boxes=(), points=(), problem=problem)
        chosen = self.narrow(candidate, drawing, selection.choose(candidate, drawing.objects))
        boxes = tuple(one.box for one in chosen if one.box is not None and _touches(one.box, drawing.size))
        points = tuple(point for one in chosen for point in one.points)
        try:
            with rejecting("corrupt_mask", self.name):
                mask_uri = self._mask_uri(drawing, chosen)
        except Rejected as rejected:
            return self._attached(candidate, rejected, selection, extents)
        problem = candidate.problem or extents.problem_of(candidate, drawing, chosen)
        if not (mask_uri or boxes or points or problem):
            problem = self._problem(drawing, chosen)
        return replace(candidate, mask_uri=mask_uri, boxes=boxes, points=points, drawn_on=drawing.size, problem=problem)

    def _problem(self, drawing: Drawing, chosen: Sequence[Object]) -> str:
        """Return why nothing can be used of objects that were chosen; empty if there are none."""
        if drawing.problems and (not drawing.objects or any(one.left_out for one in chosen)):
            return f"corrupt_mask: {self.name}: {drawing.problems[0]}"
        outside = [one.box for one in chosen if one.box is not None]
        return f"corrupt_mask: {self.name}: box {outside[0]} in an image of {drawing.size}" if outside else ""

    def narrow(self, candidate: Candidate, drawing: Drawing, objects: list[Object]) -> list[Object]:
        """Return those of the objects with the right label that are the object; by default all."""
        return objects

    def _mask_uri(self, drawing: Drawing, chosen: Sequence[Object]) -> str | None:
        if drawing.uri is not None and len(chosen) == len(drawing.objects):
            return drawing.uri
        if not any(one.outline is not None for one in chosen):
            return None
        data = json.dumps(self.document(drawing, chosen), separators=(",", ":")).encode()
        if len(data) > _MAX_DOCUMENT:
            raise Rejected("corrupt_mask", f"{self.name}: outlines of {readable_bytes(len(data))}")
        return f"data:application/json;base64,{base64.b64encode(data).decode()}"

    def document(self, drawing: Drawing, chosen: Sequence[Object]) -> dict[str, Any]:
        """Return what the plan stores of the chosen objects, as `read` takes it."""
        assert drawing.size is not None, "outlines have a size"
        width, height = drawing.size
        content = {"width": width, "height": height, "segmentations": [one.outline for one in chosen if one.outline]}
        left_out = any(one.left_out or (one.outline is None and one.box is not None) for one in chosen)
        return content | ({"left_out": True} if left_out else {})

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """See `Annotations.read`; parts that cannot be read are left out, unless they are all."""
        if data is None:
            raise Rejected("missing_mask")
        with rejecting("corrupt_mask", self.name):
            document = parse_json(_Document, data)
            (width, height), orientation, scale = self._frame(document, decoded)
            mask, left_out = fill_all(_scaled(document.segmentations, scale), height, width)
        mask, notes = apply_orientation(np.ascontiguousarray(mask), orientation)
        return mask, (_LEFT_OUT, *notes) if left_out or document.left_out else notes

    def _frame(self, document: _Document, decoded: Decoded) -> tuple[tuple[int, int], int, tuple[int, int] | None]:
        """Return the size to draw on, the EXIF orientation to apply, and the factors of relative coordinates."""
        size = (document.width, document.height)
        if size != RELATIVE:
            return size, orientation_of_mask(*size, decoded), None
        height, width = decoded.image.shape[:2]
        stored = self.drawn_on == "stored"
        size = (height, width) if stored and decoded.orientation >= 5 else (width, height)
        return size, decoded.orientation if stored else 1, size


def _touches(box: Box, size: tuple[int, int] | None) -> bool:
    """Return whether a box has pixels of its image."""
    x0, y0, x1, y1 = box
    return x1 > 0 and y1 > 0 and (size is None or (x0 < size[0] and y0 < size[1]))


def _scaled(outlines: Sequence[Any], scale: tuple[int, int] | None) -> Sequence[Any]:
    if scale is None:
        return outlines
    return [
        [[value * scale[index % 2] for index, value in enumerate(polygon)] for polygon in outline]
        for outline in outlines
    ]
