"""Labels in XML: Pascal VOC (a file per image) and CVAT (one file)."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from xray.core.errors import MALFORMED, ConfigError, problem_of
from xray.core.xml import parse_xml, read_elements
from xray.sources.labels.base import Entry, LabelFile, box_area, read_parts, side_area, unreadable


def read_xml(content: bytes | str, file: str, image: str | None = None) -> LabelFile:
    """Read an XML document.

    Args:
        content: the document.
        file: its name, for errors.
        image: name of the image of a VOC file; None: what the file says.

    Raises:
        ConfigError: it is neither VOC nor CVAT.
    """
    try:
        _, root = next(read_elements(content))
        if root.tag == "annotation":
            root = parse_xml(content)
            name = image or root.findtext("filename") or file
            return read_parts(file, "Pascal VOC", root.iter("object"), functools.partial(_voc, name))
        if root.tag == "annotations":
            return read_parts(file, "CVAT XML", cvat_images(content), _cvat)
    except MALFORMED as error:
        if isinstance(error, ConfigError):
            raise
        raise unreadable(file, "XML", problem_of(error)) from error
    raise ConfigError(
        f"{file!r} is XML with <{root.tag}>, neither VOC (<annotation>) nor CVAT (<annotations>)", ("labels",)
    )


def cvat_images(content: bytes | str) -> Iterator[Element]:
    """Yield the images of an export of CVAT, one at a time.

    Raises:
        ValueError, SyntaxError: it is no XML of CVAT for images.
    """
    root = None
    for event, element in read_elements(content):
        root = element if root is None else root
        if root.tag != "annotations":
            raise ValueError(f"expected <annotations>, not <{root.tag}>")
        if element.tag == "track":
            raise ValueError("this is CVAT for video: export the task as CVAT for images, or as COCO")
        if event == "end" and element.tag == "image":
            yield element
            root.clear()


def _voc(image: str, thing: Element) -> list[Entry]:
    x0, y0, x1, y1 = (thing.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax"))
    return [Entry(image, (thing.findtext("name") or "").strip(), box_area([(x0, y0), (x1, y1)]))]


def _cvat(image: Element) -> Iterator[Entry]:
    for shape in image:
        if label := shape.get("label"):
            yield Entry(image.get("name", ""), label, _cvat_area(shape))


def _cvat_area(shape: Element) -> float | None:
    if points := shape.get("points"):
        return box_area(one.split(",") for one in points.split(";"))
    if shape.tag == "ellipse":
        return box_area([(0, 0), (shape.get("rx"), shape.get("ry"))], scale=2)
    if shape.tag == "mask":
        return side_area(shape.get("width"), shape.get("height"))
    return box_area([(shape.get("xtl"), shape.get("ytl")), (shape.get("xbr"), shape.get("ybr"))])
