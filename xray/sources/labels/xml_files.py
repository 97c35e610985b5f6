"""Labels in XML: Pascal VOC (a file per image) and CVAT (one file)."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from xray.core.errors import ConfigError
from xray.sources.labels.base import Entry, LabelFile, unreadable
from xray.sources.labels.json_files import box_area


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
        if root.tag == "annotation":
            return LabelFile("Pascal VOC", list(_voc(root, image or root.findtext("filename") or file)))
        if root.tag == "annotations":
            return LabelFile("CVAT XML", list(_cvat(root)))
    except (ET.ParseError, ValueError, TypeError) as error:
        raise unreadable(file, "XML", error) from error
    raise ConfigError(
        f"{file!r} is XML with <{root.tag}>, neither VOC (<annotation>) nor CVAT (<annotations>)", ("labels",)
    )


def _voc(root: ET.Element, image: str) -> Iterator[Entry]:
    for thing in root.iter("object"):
        box = [thing.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
        numbers = [float(side) for side in box if side]
        area = box_area([numbers[:2], numbers[2:]]) if len(numbers) == 4 else None
        yield Entry(image, (thing.findtext("name") or "").strip(), area)


def _cvat(root: ET.Element) -> Iterator[Entry]:
    for image in root.iter("image"):
        for shape in image:
            if label := shape.get("label"):
                yield Entry(image.get("name", ""), label, _cvat_area(shape))


def _cvat_area(shape: ET.Element) -> float | None:
    if points := shape.get("points"):
        return box_area([float(x), float(y)] for x, y in (one.split(",") for one in points.split(";")))
    for sides in (("xtl", "ytl", "xbr", "ybr"), ("width", "height")):
        numbers = [float(shape.get(side, "nan")) for side in sides]
        if not any(number != number for number in numbers):
            return box_area([numbers[:2], numbers[2:]]) if len(sides) == 4 else numbers[0] * numbers[1]
    return None
