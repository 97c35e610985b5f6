"""Columns of tables of images: what their types mean, the names of their labels, and the boxes of their objects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from xray.core.errors import ConfigError
from xray.core.text import load_json
from xray.sources.base import Box

BoxFormat = Literal["xywh", "xyxy"]
_LABELS = ("category", "categories", "label", "labels", "category_id", "class", "class_id", "name")
_BOXES = ("bbox", "bboxes", "box", "boxes")


class Object(NamedTuple):
    """An object in a photograph: its label, and its box as given, four numbers."""

    label: str | None
    box: tuple[float, ...] | None


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values behind dictionaries and extensions."""
    while isinstance(kind, pa.BaseExtensionType) or pa.types.is_dictionary(kind):
        kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind.value_type
    return kind


def is_list(kind: pa.DataType) -> bool:
    """Return whether a column holds lists, of any kind."""
    kinds = ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view", "is_large_list_view")
    return any(getattr(pa.types, name)(kind) for name in kinds)


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column holds text, of any kind."""
    return any(getattr(pa.types, name)(kind) for name in ("is_string", "is_large_string", "is_string_view"))


def is_image(kind: pa.DataType) -> bool:
    """Return whether values are images: bytes, a struct with `bytes` or `path`, a path, or lists of these.

    >>> is_image(pa.list_(pa.struct([("bytes", pa.binary())]))), is_image(pa.list_(pa.list_(pa.uint8())))
    (True, False)
    """
    kind = plain_type(kind)
    if is_list(kind):
        value = plain_type(kind.value_type)
        return pa.types.is_integer(value) or (not is_list(value) and is_image(value))
    if pa.types.is_struct(kind):
        fields = {field.name: plain_type(field.type) for field in kind}
        return any(name in fields and (_is_binary(fields[name]) or is_text(fields[name])) for name in ("bytes", "path"))
    return _is_binary(kind) or is_text(kind)


def is_image_list(kind: pa.DataType) -> bool:
    """Return whether values are lists of images; a list of integers is the bytes of one image."""
    kind = plain_type(kind)
    return is_list(kind) and not pa.types.is_integer(plain_type(kind.value_type))


def is_image_text(kind: pa.DataType) -> bool:
    """Return whether images are given by paths, or lists of paths."""
    kind = plain_type(kind)
    return is_image_text(kind.value_type) if is_list(kind) else is_text(kind)


def _is_binary(kind: pa.DataType) -> bool:
    names = ("is_binary", "is_large_binary", "is_fixed_size_binary", "is_binary_view")
    return any(getattr(pa.types, name)(kind) for name in names)


def is_label(kind: pa.DataType) -> bool:
    """Return whether values are labels: text, numbers, yes or no, or lists of these."""
    kind = plain_type(kind)
    if is_list(kind):
        return not is_list(plain_type(kind.value_type)) and is_label(kind.value_type)
    return is_text(kind) or is_number(kind) or pa.types.is_null(kind)


def is_number(kind: pa.DataType) -> bool:
    """Return whether labels (or the labels in lists) are numbers, which need names."""
    kind = plain_type(kind)
    if is_list(kind):
        return is_number(kind.value_type)
    names = ("is_integer", "is_floating", "is_decimal", "is_boolean")
    return any(getattr(pa.types, name)(kind) for name in names)


def class_names(schema: pa.Schema, column: str | None, field: str | None = None) -> tuple[str, ...] | None:
    """Return the names of a ClassLabel from the metadata of Hugging Face `datasets`, or None.

    Args:
        schema: of the file.
        column: name of the column.
        field: name of a field in it.
    """
    try:
        feature = load_json((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"][column]
    except (ValueError, LookupError, TypeError):
        return None
    feature = _items_of(feature)
    if field is not None:
        feature = _items_of(feature.get(field)) if isinstance(feature, Mapping) else None
    names = feature.get("names") if isinstance(feature, Mapping) else None
    return tuple(map(str, names)) if isinstance(names, list) and all(isinstance(one, str) for one in names) else None


def _items_of(feature: Any) -> Any:
    """Return the feature of a list's items; one that is no list is its own."""
    while (isinstance(feature, list) and feature) or (isinstance(feature, Mapping) and "feature" in feature):
        feature = feature[0] if isinstance(feature, list) else feature["feature"]
    return feature


def label_text(value: Any, names: Sequence[str] | None, where: str) -> str | None:
    """Return a label as text, or None if it is missing: null, NaN, or (as `datasets` writes it) -1.

    Raises:
        ConfigError: a number that is not whole, or that no name belongs to.

    >>> label_text(1.0, ["cello", "red fox"], "column 'label'")
    'red fox'
    """
    if value is None or value != value:
        return None
    if isinstance(value, str):
        return value if value.strip() else None
    if not math.isfinite(value) or value != int(value):
        raise ConfigError(f"{where} has the value {value}: labels are text, or whole numbers that have names")
    number = int(value)
    if names is None:
        return str(number)
    if number == -1:
        return None
    if not 0 <= number < len(names):
        raise ConfigError(f"{where} has the label {number}, out of range for {len(names)} names")
    return names[number]


@dataclass(frozen=True)
class ObjectColumn:
    """A column with the objects of each photograph: a struct of lists, or a list of structs, with boxes and labels.

    Args:
        name: of the column.
        boxes: name of its field of boxes.
        labels: name of its field of labels; None: objects have no labels.
        names: of labels that are numbers.
    """

    name: str
    boxes: str
    labels: str | None
    names: tuple[str, ...] | None

    @classmethod
    def of(cls, schema: pa.Schema, name: str, names: tuple[str, ...] | None, uri: str) -> ObjectColumn:
        """Understand a column from its schema.

        Raises:
            ConfigError: it has no boxes, or labels without names.
        """
        column = plain_type(schema.field(name).type)
        kind = plain_type(column.value_type) if is_list(column) else column
        fields = {one.name: plain_type(one.type) for one in kind} if pa.types.is_struct(kind) else {}
        boxes = next((field for field in _BOXES if field in fields), None)
        if boxes is None:
            raise wrong_type(uri, name, column, f"structs with a field of boxes ({', '.join(_BOXES)})")
        labels = next((field for field in _LABELS if field in fields and is_label(fields[field])), None)
        if labels is None:
            return cls(name, boxes, None, None)
        found = names or class_names(schema, name, labels)
        if found is None and is_number(fields[labels]):
            raise unnamed(f"{name}.{labels}", uri)
        return cls(name, boxes, labels, found)

    def read(self, value: Any) -> list[Object]:
        """Return the objects in a cell; none if numbers of boxes and labels differ, for they cannot be matched."""
        if isinstance(value, Mapping):
            boxes, labels = value[self.boxes] or [], value[self.labels] if self.labels else None
        else:
            listed = [item for item in value or [] if item]
            boxes, labels = [item[self.boxes] for item in listed], [item[self.labels] for item in listed if self.labels]
        labels = labels if self.labels else [None] * len(boxes)
        if labels is None or len(labels) != len(boxes):
            return []
        where = f"column {self.name!r}"
        return [
            Object(label_text(label, self.names, where), tuple(box) if box and len(box) == 4 else None)
            for box, label in zip(boxes, labels, strict=True)
        ]


def as_box(numbers: Sequence[float] | None, box_format: BoxFormat) -> Box | None:
    """Return a box as corners in pixels, None if it is damaged or has no area.

    >>> as_box([10, 20, 30, 40], "xywh")
    (10.0, 20.0, 40.0, 60.0)
    """
    if numbers is None or any(number is None or not math.isfinite(number) for number in numbers):
        return None
    x0, y0, x1, y1 = map(float, numbers)
    if box_format == "xywh":
        x1, y1 = x0 + x1, y0 + y1
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def area(box: Box) -> float:
    """Return the area of a box in pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])


def unnamed(column: str, uri: str) -> ConfigError:
    """Return the error for labels that are numbers without names."""
    return ConfigError(
        f"column {column!r} of {uri!r} holds numbers, and its schema has no ClassLabel that names them: write "
        " `names: [name of 0, name of 1, …]`"
    )


def wrong_type(uri: str, column: str, kind: pa.DataType, expected: str) -> ConfigError:
    """Return the error for a column of a type that is not understood."""
    shown = str(kind) if len(str(kind)) <= 200 else f"{str(kind)[:200]}…"
    return ConfigError(f"column {column!r} of {uri!r} has the type {shown}: expected {expected}")
