"""Boxes and polygons in Pascal VOC XML, the format of ImageNet's localisation data, labelImg and Roboflow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import ClassVar
from xml.etree.ElementTree import Element

from xray.core.errors import MALFORMED, Rejected, problem_of
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.core.xml import parse_xml
from xray.masks.base import Mask
from xray.masks.reading.boxes import BoxLayout, BoxSettings, corners_of, numbers_of
from xray.masks.reading.drawings import Drawings
from xray.masks.reading.objects import Drawing, Labels, Object
from xray.masks.reading.pairing import Pairing
from xray.sources.base import Box, Candidate

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def _numbers(element: Element) -> Box | None:
    return numbers_of([element.findtext(f"bndbox/{name}") for name in _CORNERS])


def _box(element: Element, layout: BoxLayout) -> Box:
    """Return the box of one `<object>`; VOC counts pixels from 1 and includes the last."""
    numbers = _numbers(element)
    if numbers is None:
        raise ValueError(f"the bndbox of an object has no finite {', '.join(_CORNERS)}")
    x0, y0, x1, y1 = corners_of(numbers, layout)
    last = 0 if layout in ("xyxy", "yxyx") else 1
    if x1 - last < x0 or y1 - last < y0:
        raise ValueError(f"a bndbox from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g})")
    return x0 - 1, y0 - 1, x1 - last, y1 - last


def _polygon(element: Element) -> list[list[float]] | None:
    """Return the `<polygon>` of an object: x1, y1, x2, y2, …, as Roboflow writes it, or `<pt>` as LabelMe."""
    polygon = element.find("polygon")
    if polygon is None:
        return None
    points = [(point.findtext("x"), point.findtext("y")) for point in polygon.findall("pt")]
    if not points:
        count = len(polygon) // 2
        points = [(polygon.findtext(f"x{number}"), polygon.findtext(f"y{number}")) for number in range(1, count + 1)]
    values = [float(value or "nan") for point in points for value in point]
    if len(values) < 6 or not all(map(math.isfinite, values)):
        raise ValueError(f"a polygon of {len(points)} points without three finite ones")
    return [values]


def _object(element: Element, layout: BoxLayout) -> Object:
    label, outline = element.findtext("name") or "", _polygon(element)
    if outline is not None and element.find("bndbox") is None:
        return Object(label, outline)
    return Object(label, outline, _box(element, layout), numbers=_numbers(element))


def parse_voc(data: bytes, layout: BoxLayout = "xyxy") -> Drawing:
    """Return the objects in a file; bad ones are left out, unless they are all.

    Raises:
        ValueError, SyntaxError: it is no VOC XML, or has no good object.
    """
    root = parse_xml(data)
    if root.tag != "annotation":
        raise ValueError(f"expected <annotation>, not <{root.tag}>")
    objects, problems = list[Object](), list[str]()
    for element in root.findall("object"):
        try:
            objects.append(_object(element, layout))
        except MALFORMED as error:
            problems.append(problem_of(error))
            objects.append(Object(element.findtext("name") or "", left_out=True, numbers=_numbers(element)))
    width, height = (int(float(root.findtext(f"size/{side}") or 0)) for side in ("width", "height"))
    size = (width, height) if min(width, height) > 0 else None
    if size is None and any(one.outline for one in objects):
        raise ValueError("polygons need the width and height in <size>")
    return Drawing(size, tuple(objects), tuple(problems))


@settings
class Voc(BoxSettings, Drawings):
    """Pascal VOC XML: a box around each object, for a refiner to start from, and its polygon if there is one.

    Coordinates refer to an image of the size that the file states: the upright photograph, its stored pixels, or a copy
    of another size. Objects marked as difficult or truncated count like others.

    Args:
        root: the folder of the XML files, a path or URI; by default each is beside its photo.
        labels: only objects with these names, or those of each category (`{red fox: [fox]}`); by default those of the
            photograph's category, if some file has them, else all.
    """

    name: ClassVar[str] = "voc"
    box_layout: ClassVar[BoxLayout] = "xyxy"
    summary: ClassVar[str] = "boxes in Pascal VOC XML (for grabcut and sam), or polygons"

    root: str | None = None
    labels: Labels = ()

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        return self.attach_files(candidates, Pairing(self.root, ".xml"), self._parse, self.labels)

    def _parse(self, data: bytes) -> Drawing:
        return parse_voc(data, self.layout)

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """See `Annotations.read`; without polygons there is no mask."""
        if data is None:
            raise Rejected("missing_mask", "VOC has boxes only: use a refiner that starts from boxes (grabcut, sam)")
        return super().read(data, decoded)
