"""Decide whether annotations of photographs with an EXIF orientation were drawn on the upright or the stored pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from xray.core.errors import Rejected
from xray.core.files import read_bytes
from xray.core.images import Header, Limits
from xray.core.parts import unpack
from xray.core.schema import SOURCE
from xray.core.uri import short_name
from xray.masks import Annotations
from xray.masks.fitting import TurnedPhoto, decide_position, turn_hints
from xray.masks.reading.mask_images import size_of
from xray.sources.base import RELATIVE, Candidate

Row = dict[str, Any]


def turned_photo(candidate: Candidate, header: Header, limits: Limits) -> TurnedPhoto | None:
    """Return what the sizes of a photograph and its annotation tell; None if either needs no turning or is missing."""
    if header.orientation == 1 or not (candidate.mask_uri or candidate.boxes or candidate.points):
        return None
    size = candidate.drawn_on
    if size is None and candidate.mask_uri is not None:
        try:
            size = size_of(unpack(read_bytes(candidate.mask_uri, limits.max_bytes))[0])
        except Rejected:
            return None
    return TurnedPhoto(short_name(candidate.uri), header.orientation, (header.width, header.height), size)


class TurnedPhotos:
    """The photographs of a scan that have an EXIF orientation, by id."""

    def __init__(self) -> None:
        self._photos: dict[str, TurnedPhoto] = {}

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows unchanged, and remember their `turned`."""
        for row in rows:
            if row.get("turned"):
                self._photos[row["image_id"]] = row["turned"]
            yield row

    def place(
        self, source: pa.Table, annotations: Annotations, *, decided: bool = False
    ) -> tuple[pa.Table, Annotations, list[str]]:
        """Decide `drawn_on` unless an earlier plan has, and turn boxes and points of stored pixels in SOURCE.

        Returns:
            SOURCE, the format with its decision, and notes for the user.
        """
        position, notes = annotations.drawn_on, list[str]()
        if position is None and not decided:
            position, notes = decide_position(self._photos.values())
        if position != "stored":
            return source, annotations, notes
        if any(photo.undecided for photo in self._photos.values()):
            source = self._turned(source)
        return source, dataclasses.replace(annotations, drawn_on=position), notes

    def _turned(self, source: pa.Table) -> pa.Table:
        rows = source.select(["image_id", "boxes", "points"]).to_pylist()
        for row in rows:
            photo = self._photos.get(row["image_id"])
            if photo is not None and photo.undecided:
                points = [(x, y, bool(inside)) for x, y, inside in row["points"]]
                boxes, points = turn_hints(
                    row["boxes"], points, photo.photo, photo.orientation, relative=photo.drawn_on == RELATIVE
                )
                row |= {"boxes": [list(box) for box in boxes], "points": [list(point) for point in points]}
        for name in ("boxes", "points"):
            column = pa.array([row[name] for row in rows], SOURCE.field(name).type)
            source = source.set_column(source.schema.get_field_index(name), SOURCE.field(name), column)
        return source
