"""Labels in JSON: COCO, CreateML, Label Studio, labelme, and plain mappings or lists of records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from xray.core.errors import ConfigError
from xray.sources.labels.base import Entry, LabelFile, unreadable
from xray.sources.labels.tables import from_records

_LABELS = "labels"


def read_json(text: str, file: str, columns: tuple[str | None, str | None] = (None, None)) -> LabelFile:
    """Read a JSON or JSON Lines document.

    Args:
        text: the document.
        file: its name, for errors.
        columns: of image and label, for records.

    Raises:
        ConfigError: the text is not JSON, or says nothing about images and labels.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        try:
            value = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            raise unreadable(file, "JSON", error) from error
    try:
        return _read(value, file, columns)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        problem = f"{type(error).__name__} {error}"
        raise unreadable(file, "labels in JSON", f"an entry is not as expected ({problem})") from error


def _read(value: Any, file: str, columns: tuple[str | None, str | None]) -> LabelFile:
    if isinstance(value, dict) and isinstance(value.get("images"), list) and "annotations" in value:
        return LabelFile("COCO annotations", list(_coco(value)))
    if isinstance(value, dict) and isinstance(value.get("shapes"), list):
        return LabelFile("a labelme drawing", list(labelme_entries(value, str(value.get("imagePath") or file))))
    records = value if isinstance(value, list) else []
    if any(isinstance(one, dict) and isinstance(one.get("annotations"), list) and "image" in one for one in records):
        return LabelFile("CreateML", list(_createml(records)))
    if any(isinstance(one, dict) and isinstance(one.get("data"), dict) for one in records):
        return LabelFile("a Label Studio export", list(_label_studio(records)))
    if records and all(isinstance(one, dict) for one in records):
        return from_records(records, file, "JSON records", columns)
    if isinstance(value, dict) and value and all(isinstance(one, str | int | list) for one in value.values()):
        pairs = [(str(image), label) for image, labels in value.items() for label in _listed(labels)]
        return LabelFile("JSON, labels by image", [Entry(image, str(label)) for image, label in pairs])
    raise ConfigError(
        f"{file!r} is JSON, but neither COCO, labelme, CreateML, Label Studio, nor records or a mapping of images to "
        'labels such as {"1.jpg": "red fox"}',
        (_LABELS,),
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _coco(data: Mapping[str, Any]) -> Iterator[Entry]:
    files = {one.get("id"): str(one.get("file_name") or one.get("coco_url") or "") for one in data["images"]}
    names = {one.get("id"): str(one.get("name")) for one in data.get("categories") or []}
    for one in data["annotations"]:
        image, category = files.get(one.get("image_id")), one.get("category_id")
        if image and category is not None:
            yield Entry(image, names.get(category, str(category)), _coco_area(one))


def _coco_area(annotation: Mapping[str, Any]) -> float | None:
    box, area = annotation.get("bbox"), annotation.get("area")
    known = float(area) if isinstance(area, int | float) else None
    if (known is None or known <= 1) and isinstance(box, list) and len(box) == 4:  # some tools write no area
        width, height = box[2:]
        return width * height if isinstance(width, int | float) and isinstance(height, int | float) else known
    return known


def labelme_entries(drawing: Mapping[str, Any], image: str) -> Iterator[Entry]:
    """Yield the labels of a labelme drawing: of its shapes, and the flags that are set."""
    for name, isset in (drawing.get("flags") or {}).items():
        if isset:
            yield Entry(image, str(name))
    for shape in drawing["shapes"]:
        yield Entry(image, str(shape["label"]), box_area(shape.get("points") or []))


def box_area(points: Iterable[Iterable[float]]) -> float:
    """Return the area of the box around points.

    >>> box_area([(0, 0), (2, 3)])
    6.0
    """
    xs, ys = zip(*((float(x), float(y)) for x, y in points), strict=True) if (points := [*points]) else ((0,), (0,))
    return float((max(xs) - min(xs)) * (max(ys) - min(ys)))


def _createml(records: Iterable[Mapping[str, Any]]) -> Iterator[Entry]:
    for record in records:
        for one in record["annotations"]:
            size = one.get("coordinates") or {}
            area = float(size["width"]) * float(size["height"]) if {"width", "height"} <= size.keys() else None
            yield Entry(str(record["image"]), str(one["label"]), area)


def _label_studio(records: Iterable[Mapping[str, Any]]) -> Iterator[Entry]:
    for record in records:
        image = next((value for value in record["data"].values() if isinstance(value, str)), None)
        results = [result for one in record.get("annotations") or [] for result in one.get("result") or []]
        for result in results if image else []:
            value = result.get("value") or {}
            width, height = value.get("width"), value.get("height")
            area = width * height if isinstance(width, int | float) and isinstance(height, int | float) else None
            if "points" in value:
                area = box_area(value["points"])
            for key in ("choices", *(key for key in value if key.endswith("labels"))):
                for label in _listed(value.get(key) or []):
                    yield Entry(str(image), str(label), area)
