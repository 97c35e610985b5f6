"""Labels in JSON: COCO, CreateML, Label Studio, labelme, and plain mappings or lists of records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from xray.core.errors import MALFORMED, ConfigError, problem_of
from xray.core.text import load_json
from xray.sources.labels.base import Entry, LabelFile, box_area, read_parts, side_area, unreadable
from xray.sources.labels.coco import read_coco, without_outlines
from xray.sources.labels.label_studio import Result, Task, is_label_studio, labels_of_result, tasks_of
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
        value = load_json(text, without_outlines)
    except ValueError as error:
        try:
            value = [load_json(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            raise unreadable(file, "JSON", error) from error
    try:
        return _read(value, file, columns)
    except MALFORMED as error:
        if isinstance(error, ConfigError):
            raise
        raise unreadable(file, "labels in JSON", problem_of(error)) from error


def _read(value: Any, file: str, columns: tuple[str | None, str | None]) -> LabelFile:
    if isinstance(value, dict) and isinstance(value.get("images"), list) and "annotations" in value:
        return read_coco(value, file)
    if isinstance(value, dict) and isinstance(value.get("shapes"), list):
        return read_labelme(value, str(value.get("imagePath") or file), file)
    records = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    if any(isinstance(one.get("annotations"), list) and "image" in one for one in records):
        return read_parts(file, "CreateML", records, _createml)
    if is_label_studio(records):
        _check_annotated(records, file)
        return read_parts(file, "a Label Studio export", tasks_of(records), _label_studio)
    if records and len(records) == len(value):
        return from_records(records, file, "JSON records", columns)
    if isinstance(value, dict) and value and all(isinstance(one, str | int | list) for one in value.values()):
        pairs = [(str(image), label) for image, labels in value.items() for label in _listed(labels)]
        return LabelFile("JSON, labels by image", [Entry(image, str(label)) for image, label in pairs])
    raise ConfigError(
        f"{file!r} is JSON, but neither COCO, labelme, CreateML, Label Studio, nor records or a mapping of images to "
        'labels such as {"1.jpg": "red fox"}',
        (_LABELS,),
    )


def _check_annotated(records: Iterable[Mapping[str, Any]], file: str) -> None:
    if any(one.get("predictions") for one in records) and not any(one.get("annotations") for one in records):
        raise ConfigError(
            f"{file!r} has predictions of a model, but no annotations: accept them in Label Studio, and export again",
            (_LABELS,),
        )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def read_labelme(drawing: Mapping[str, Any], image: str, file: str) -> LabelFile:
    """Return the labels of a labelme drawing of an image: of its shapes, and the flags that are set."""

    def read(shape: Mapping[str, Any]) -> Iterable[Entry]:
        return [Entry(image, str(shape["label"] or ""), box_area(shape.get("points") or []))]

    flags = [{"label": name} for name, isset in (drawing.get("flags") or {}).items() if isset]
    return read_parts(file, "a labelme drawing", [*flags, *drawing["shapes"]], read)


def _createml(record: Mapping[str, Any]) -> Iterator[Entry]:
    for one in record["annotations"]:
        size = one.get("coordinates") or {}
        yield Entry(str(record["image"]), str(one["label"]), side_area(size.get("width"), size.get("height")))


def _label_studio(task: Task) -> Iterator[Entry]:
    for result in task.results if task.image else ():
        is_region = not {"x", "points", "rle"}.isdisjoint(result)  # its choices say what it is like, not what it is
        named = {name: value for name, value in result.items() if name != "choices"} if is_region else result
        for label in labels_of_result(named):
            yield Entry(task.image, label, _region_area(result))


def _region_area(result: Result) -> float | None:
    """Return the area of a region, in percent of width times percent of height."""
    if "points" in result:
        return box_area(result["points"])
    if "radiusX" in result:
        return box_area([(0, 0), (result["radiusX"], result.get("radiusY"))], scale=2)
    return side_area(result.get("width"), result.get("height"))
