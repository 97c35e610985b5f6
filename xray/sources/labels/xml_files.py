"""Labels in XML: Pascal VOC (a file per image) and CVAT (one file)."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from xray.core.errors import ConfigError
from xray.sources.labels.base import Entry, LabelFile, box_area, read_parts, side_area, unreadable


def read_xml(text: str, file: str, image: str | None = None) -> LabelFile:
    """Read an XML document.

    Args:
        text: the document.
        file: its name, for errors.
        image: name of the image of a VOC file; None: what the file says.

    Raises:
        ConfigError: it is neither VOC nor CVAT.
    """
    if "<!ENTITY" in text:
        raise unreadable(file, "XML", "it defines entities")
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise unreadable(file, "XML", error) from error
    if root.tag == "annotation":
        name = image or root.findtext("filename") or file
        return read_parts(file, "Pascal VOC", root.iter("object"), functools.partial(_voc, name))
    if root.tag == "annotations":
        if root.find("track") is not None:
            raise unreadable(file, "CVAT for images", "this is CVAT for video: export the task as CVAT for images")
        return read_parts(file, "CVAT XML", root.iter("image"), _cvat)
    raise ConfigError(
        f"{file!r} is XML with <{root.tag}>, neither VOC (<annotation>) nor CVAT (<annotations>)", ("labels",)
    )


def _voc(image: str, thing: ET.Element) -> list[Entry]:
    x0, y0, x1, y1 = (thing.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax"))
    return [Entry(image, (thing.findtext("name") or "").strip(), box_area([(x0, y0), (x1, y1)]))]


def _cvat(image: ET.Element) -> Iterator[Entry]:
    for shape in image:
        if label := shape.get("label"):
            yield Entry(image.get("name", ""), label, _cvat_area(shape))


def _cvat_area(shape: ET.Element) -> float | None:
    if points := shape.get("points"):
        return box_area(one.split(",") for one in points.split(";"))
    if shape.tag == "ellipse":
        return box_area([(0, 0), (shape.get("rx"), shape.get("ry"))], scale=2)
    if shape.tag == "mask":
        return side_area(shape.get("width"), shape.get("height"))
    return box_area([(shape.get("xtl"), shape.get("ytl")), (shape.get("xbr"), shape.get("ybr"))])
