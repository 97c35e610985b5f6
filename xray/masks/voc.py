"""Boxes in Pascal VOC's XML, as ImageNet's localisation data has them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from xray.core import files
from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.base import Annotations, Mask
from xray.masks.pairing import Pairing
from xray.sources.base import Box, Candidate

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def _coordinate(thing: Element, name: str) -> float:
    value = float(thing.findtext(f"bndbox/{name}") or "nan")
    if not math.isfinite(value):
        raise ValueError(f"an object's bndbox has no number as {name}")
    return value


def _box(thing: Element) -> Box:
    """The box of one `<object>`: VOC counts pixels from 1 and includes the last."""
    x0, y0, x1, y1 = (_coordinate(thing, name) for name in ("xmin", "ymin", "xmax", "ymax"))
    if x1 < x0 or y1 < y0:
        raise ValueError(f"a bndbox from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g})")
    return x0 - 1, y0 - 1, x1, y1


def parse_voc(data: bytes, labels: tuple[str, ...] = ()) -> tuple[Box, ...]:
    """The box around each object (of these labels), in pixels with exclusive ends.

    Raises:
        Rejected: corrupt_mask.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml.ElementTree import fromstring

    try:
        objects = fromstring(data).findall("object")
        return tuple(_box(thing) for thing in objects if not labels or thing.findtext("name") in labels)
    except (ParseError, ValueError) as error:  # defusedxml's refusals of entities are ValueErrors
        raise Rejected("corrupt_mask", f"VOC: {error}") from error


@settings
class Voc(Annotations):
    """Pascal VOC XML: gives the box around each object of an image for a refiner to start from, and no mask.

    Coordinates are those of the upright image.

    Args:
        root: the folder of the XML files, a path or URI; by default each lies beside its photo.
        labels: only objects with these names; by default all.
    """

    name: ClassVar[str] = "voc"
    summary: ClassVar[str] = "boxes in Pascal VOC XML (for grabcut and sam)"

    root: str | None = None
    labels: tuple[str, ...] = ()

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        pairing = Pairing(self.root, ".xml")
        for candidate in candidates:
            uri = pairing.find(candidate)
            try:
                boxes = () if uri is None else parse_voc(files.read_bytes(uri), self.labels)
            except Rejected as rejected:
                yield replace(candidate, mask_uri=None, boxes=(), problem=candidate.problem or rejected.reason)
            else:
                yield replace(candidate, mask_uri=None, boxes=boxes)

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """Always missing_mask: boxes are no masks."""
        raise Rejected("missing_mask", "VOC annotations give boxes only: use a refiner that starts from a box")
