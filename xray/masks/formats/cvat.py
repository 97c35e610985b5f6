"""Exports of CVAT as "CVAT for images 1.1": one XML file with polygons, masks, ellipses, boxes and points."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import ClassVar
from xml.etree.ElementTree import Element

import numpy as np

from xray.core.errors import MALFORMED, Rejected, problem_of
from xray.core.plugins import settings
from xray.masks.reading.annotation_files import Images
from xray.masks.reading.boxes import finite
from xray.masks.reading.drawings import Drawings
from xray.masks.reading.objects import MAX_PAINTED, Drawing, Labels, Object, too_large
from xray.masks.reading.outlines import box_around, ellipse, encode_runs, rectangle
from xray.sources.base import Candidate
from xray.sources.labels.xml_files import cvat_images

_MAX_PIXELS = 1 << 28


def parse_cvat(data: bytes) -> Images:
    """Return the images of an export, and notes.

    Raises:
        ValueError, SyntaxError: it is no XML of CVAT for images.
    """
    return [(image.get("name", ""), _drawing(image)) for image in cvat_images(data)], []


def _drawing(image: Element) -> Drawing | Rejected:
    width = height = 0
    with contextlib.suppress(*MALFORMED):
        width, height = (int(image.get(side) or 0) for side in ("width", "height"))
    if min(width, height) <= 0 or width * height > _MAX_PIXELS:
        return Rejected("corrupt_mask", f"cvat: an image of {image.get('width')}×{image.get('height')}")
    masks = len(image.findall("mask"))
    if masks * width * height > MAX_PAINTED:
        return too_large(masks, (width, height), "cvat")
    objects, problems = list[Object](), list[str]()
    for element in image:
        label = element.get("label", "")
        try:
            one = _object(element, label, (width, height))
        except MALFORMED as error:
            problems.append(f"<{element.tag}> of {label!r}: {problem_of(error)}")
            one = Object(label, left_out=True)
        if one is not None:
            objects.append(one)
    return Drawing((width, height), tuple(objects), tuple(problems))


def _object(element: Element, label: str, size: tuple[int, int]) -> Object | None:
    """Return the object of a shape; None for tags, lines and other shapes without area."""
    if element.tag in ("polygon", "points"):
        points = [tuple(map(finite, point.split(","))) for point in element.get("points", "").split(";") if point]
        if any(len(point) != 2 for point in points):
            raise ValueError("points that are not x,y;x,y")
        if element.tag == "points":
            return Object(label, points=tuple((x, y, True) for x, y in points))
        if len(points) < 3:
            raise ValueError(f"a polygon of {len(points)} points")
        return Object(label, [[value for point in points for value in point]])
    if element.tag == "ellipse":
        x, y, radius_x, radius_y = _numbers(element, "cx", "cy", "rx", "ry")
        return Object(label, [ellipse(x, y, radius_x, radius_y, finite(element.get("rotation") or 0))])
    if element.tag == "box":
        x0, y0, x1, y1 = _numbers(element, "xtl", "ytl", "xbr", "ybr")
        if x1 <= x0 or y1 <= y0:
            raise ValueError(f"a box from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g})")
        degrees, centre = finite(element.get("rotation") or 0), ((x0 + x1) / 2, (y0 + y1) / 2)
        return Object(
            label, box=box_around(rectangle((x0, y0, x1, y1), degrees, centre)) if degrees else (x0, y0, x1, y1)
        )
    return _mask(element, label, size) if element.tag == "mask" else None


def _numbers(element: Element, *names: str) -> list[float]:
    absent = [name for name in names if element.get(name) is None]
    if absent:
        raise ValueError(f"without {', '.join(absent)}")
    return [finite(element.get(name, "")) for name in names]


def _mask(element: Element, label: str, size: tuple[int, int]) -> Object:
    """Return the object of a `<mask>`: run lengths, row by row in its box, the first of the background."""
    left, top, width, height = (int(number) for number in _numbers(element, "left", "top", "width", "height"))
    runs = [int(run) for run in element.get("rle", "").split(",") if run.strip()]
    if min(left, top, *runs, 0) < 0 or left + width > size[0] or top + height > size[1]:
        raise ValueError(f"a mask of {width}×{height} at ({left}, {top}) in an image of {size[0]}×{size[1]}")
    if sum(runs) != width * height:
        raise ValueError(f"run lengths of {sum(runs)} pixels for a mask of {width}×{height}")
    mask = np.zeros((size[1], size[0]), bool)
    mask[top : top + height, left : left + width] = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(
        height, width
    )
    return Object(label, encode_runs(mask))


@settings
class Cvat(Drawings):
    """The XML of "CVAT for images 1.1": polygons, masks and ellipses are masks; boxes and points are for a refiner.

    Args:
        file: the XML file, a path or URI; or several, or a pattern with `*`.
        labels: labels of the object, or those of each category (`{red fox: [fox]}`); by default that of the
            photograph's category, if the file has it, else all.
    """

    name: ClassVar[str] = "cvat"
    summary: ClassVar[str] = "XML of CVAT for images 1.1"

    file: str | tuple[str, ...]
    labels: Labels = ()

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        return self.attach_images(candidates, self.file, parse_cvat, self.labels)
