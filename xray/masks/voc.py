"""Boxes in Pascal VOC XML, the format of ImageNet's localisation data."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.base import Annotations, Mask
from xray.masks.mask_files import refuse_corrupt
from xray.masks.pairing import Pairing, read_hints
from xray.sources.base import Box, Candidate

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def _coordinate(element: Element, name: str) -> float:
    value = float(element.findtext(f"bndbox/{name}") or "nan")
    if not math.isfinite(value):
        raise ValueError(f"the bndbox of an object has no finite {name}")
    return value


def _box(element: Element) -> Box:
    """Return the box of one `<object>`; VOC counts pixels from 1 and includes the last."""
    x0, y0, x1, y1 = (_coordinate(element, name) for name in ("xmin", "ymin", "xmax", "ymax"))
    if x1 < x0 or y1 < y0:
        raise ValueError(f"a bndbox from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g})")
    return x0 - 1, y0 - 1, x1, y1


def parse_voc(data: bytes, labels: tuple[str, ...] = ()) -> tuple[tuple[Box, ...], tuple[int, int] | None]:
    """Return the box around each object (with one of these labels), in pixels with exclusive ends, and `<size>`.

    Raises:
        Rejected: corrupt_mask.
    """
    from defusedxml.ElementTree import fromstring

    with refuse_corrupt("VOC"):  # defusedxml refuses entities by a ValueError
        root = fromstring(data)
        objects = root.findall("object")
        boxes = tuple(_box(one) for one in objects if not labels or one.findtext("name") in labels)
        width, height = (int(float(root.findtext(f"size/{side}") or 0)) for side in ("width", "height"))
        return boxes, (width, height) if min(width, height) > 0 else None


@settings
class Voc(Annotations):
    """Pascal VOC XML: a box around each object, for a refiner to start from, and no mask.

    Coordinates refer to an image of the size that the file states: the upright photograph, its stored pixels, or a copy
    of another size.

    Args:
        root: the folder of the XML files, a path or URI; by default each is beside its photo.
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
            parse = functools.partial(parse_voc, labels=self.labels)
            boxes, size, problem = read_hints(pairing.find(candidate), parse)
            yield replace(candidate, mask_uri=None, boxes=boxes, drawn_on=size, problem=candidate.problem or problem)

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """Raise missing_mask: VOC has no masks."""
        raise Rejected("missing_mask", "VOC has boxes only: use a refiner that starts from boxes (grabcut, sam)")
