"""Automatic masks of Segment Anything: one JSON file per photograph with a mask of everything in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from xray.core.errors import MALFORMED, ConfigError, problem_of
from xray.core.plugins import settings
from xray.core.text import load_json
from xray.masks.reading.boxes import finite, overlap_of
from xray.masks.reading.drawings import Drawings
from xray.masks.reading.objects import Drawing, Object
from xray.masks.reading.outlines import read_counts
from xray.masks.reading.pairing import Pairing
from xray.masks.reading.run_order import RunSettings
from xray.sources.base import Box, Candidate

_MIN_OVERLAP = 0.3


def parse_segment_anything(data: bytes) -> Drawing:
    """Return the masks in a file: a list as of `amg.py --convert-to-rle`, or a file as of SA-1B.

    Raises:
        ValueError: it is neither, or holds no mask.
    """
    content = load_json(data)
    entries = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise ValueError("expected a list of masks, or `annotations` with one")
    objects, problems = list[Object](), list[str]()
    for one in entries:
        try:
            objects.append(_object(one))
        except MALFORMED as error:
            problems.append(f"a mask that lacks {error}" if isinstance(error, KeyError) else problem_of(error))
    sizes = {(one.outline["size"][1], one.outline["size"][0]) for one in objects}
    if len(sizes) != 1:
        raise ValueError(problems[0] if problems else f"masks of {len(sizes)} sizes")
    return Drawing(sizes.pop(), tuple(objects), tuple(problems))


def _object(one: dict[str, Any]) -> Object:
    runs, (x, y, width, height) = one["segmentation"], map(finite, one["bbox"])
    if not isinstance(runs, dict):
        raise ValueError("a segmentation that is no run lengths: write them by `amg.py --convert-to-rle`")
    rows, columns = runs["size"]
    if min(int(rows), int(columns)) <= 0:
        raise ValueError(f"a mask of {columns}×{rows}")
    return Object("", {"size": [int(rows), int(columns)], "counts": runs["counts"]}, (x, y, x + width, y + height))


def _is_background(box: Box, size: tuple[int, int]) -> bool:
    """Return whether a box touches three or four sides of its image, as boxes of grass and sky do."""
    x0, y0, x1, y1 = box
    return sum((x0 <= 1, y0 <= 1, x1 >= size[0] - 1, y1 >= size[1] - 1)) >= 3


def _area(one: Object) -> float:
    return 0.0 if one.box is None else (one.box[2] - one.box[0]) * (one.box[3] - one.box[1])


@settings
class SegmentAnything(RunSettings, Drawings):
    """Automatic masks of Segment Anything; `choose` says which of them is the object, since the files do not.

    Masks whose box touches three sides of the image are background, except for `box`.

    Args:
        root: the folder of the JSON files, a path or URI; by default each is beside its photo.
        choose: `largest` (largest box), `central` (largest box of the masks that cover the centre of the image), or
            `box` (for each box of the source, the mask whose box overlaps it most, by at least 0.3 IoU).
    """

    name: ClassVar[str] = "segment_anything"
    summary: ClassVar[str] = "automatic masks of Segment Anything, of which one is chosen"

    root: str | None = None
    choose: Literal["largest", "central", "box"] | None = None

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        if self.choose is None:
            raise ConfigError(
                "Segment Anything makes masks of everything in a photograph, and its files do not say which is the "
                "object: write `choose: largest`, `choose: central`, or `choose: box` where the source has boxes"
            )
        without = 0
        for one in self.attach_files(candidates, Pairing(self.root, ".json"), parse_segment_anything, ()):
            without += one.mask_uri is None and not one.problem
            yield one
        if without:
            self._add_notes([f"{without:,} photographs have no mask that `choose: {self.choose}` finds"])

    def narrow(self, candidate: Candidate, drawing: Drawing, objects: list[Object]) -> list[Object]:
        """Return the masks that are the object, as `choose` says."""
        assert drawing.size is not None
        if self.choose == "box":
            return _by_box(candidate, drawing.size, objects)
        found = [one for one in objects if one.box is not None and not _is_background(one.box, drawing.size)]
        if self.choose == "central":
            found = [one for one in found if _covers_centre(one, drawing.size)]
        return [max(found, key=_area)] if found else []


def _by_box(candidate: Candidate, size: tuple[int, int], objects: Sequence[Object]) -> list[Object]:
    width, height = candidate.drawn_on or size
    scale = (size[0] / width, size[1] / height) * 2
    chosen = list[Object]()
    for box in candidate.boxes:
        x0, y0, x1, y1 = (value * factor for value, factor in zip(box, scale, strict=True))
        overlaps = [(overlap_of(one.box, (x0, y0, x1, y1)), number) for number, one in enumerate(objects) if one.box]
        overlap, number = max(overlaps, default=(0.0, 0))
        if overlap >= _MIN_OVERLAP:
            chosen.append(objects[number])
    return chosen


def _covers_centre(one: Object, size: tuple[int, int]) -> bool:
    x, y = size[0] // 2, size[1] // 2
    if one.box is None or not (one.box[0] <= x <= one.box[2] and one.box[1] <= y <= one.box[3]):
        return False
    try:
        edges = np.cumsum(read_counts(one.outline, size[1], size[0]))
        return bool(np.searchsorted(edges, x * size[1] + y, side="right") % 2)
    except MALFORMED:
        return False
