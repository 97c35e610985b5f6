"""COCO files: names of their images and categories, and the labels that they give."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from xray.core.errors import ConfigError
from xray.sources.labels.base import Entry, LabelFile, read_parts, side_area

_IMAGE_NAMES = ("file_name", "coco_url", "flickr_url", "path")


def as_id(value: Any) -> str | None:
    """Return an id as text, equal for numbers of any type; None if it is neither a number nor text.

    >>> as_id(7), as_id("7"), as_id(7.0), as_id(None), as_id([7])
    ('7', '7', '7', None, None)
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if isinstance(value, bool) or not isinstance(value, int | float | str) else str(value)


def image_name(image: Mapping[str, Any]) -> str:
    """Return the name of an image, as written; empty if it has none."""
    names = (image.get(name) for name in _IMAGE_NAMES)
    return next((str(name) for name in names if isinstance(name, str | int) and name), "")


def category_names(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of a file's categories by their ids as text."""
    listed = content.get("categories")
    categories = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    named = ((as_id(one.get("id")), one.get("name")) for one in categories)
    return {key: str(name) for key, name in named if key is not None and isinstance(name, str | int | float)}


def check_category_ids(file: str, known: Collection[str], used: Collection[str]) -> None:
    """Check that the category ids of COCO annotations are not those of its categories, counted from another start.

    Raises:
        ConfigError: they are, so that labels would be those of other objects.
    """
    numbers, names = ({int(one) for one in some if re.fullmatch("[0-9]{1,9}", one)} for some in (used, known))
    for shift in (1, -1):
        if numbers - names and {one + shift for one in numbers} <= names:
            raise ConfigError(
                f"{file!r} is inconsistent: its annotations have the category ids {min(numbers)}–{max(numbers)}, its "
                f"categories are {min(names)}–{max(names)}. One of them counts from another start: correct the file"
            )


def read_coco(content: Mapping[str, Any], file: str) -> LabelFile:
    """Return the labels of a file's images.

    Raises:
        ConfigError: no annotation can be read, or ids do not fit together.
    """
    images = {as_id(one.get("id")): image_name(one) for one in content["images"] if isinstance(one, dict)}
    names, annotations = category_names(content), content["annotations"]
    ids = (as_id(one.get("category_id")) for one in annotations if isinstance(one, dict))
    check_category_ids(file, names, {one for one in ids if one is not None})

    def read(annotation: Mapping[str, Any]) -> Iterator[Entry]:
        key, category = as_id(annotation.get("image_id")), as_id(annotation.get("category_id"))
        image = None if key is None else images.get(key)
        if image and category is not None:
            yield Entry(image, names.get(category, category), _area(annotation))

    return read_parts(file, "COCO annotations", annotations, read)


def without_outlines(item: dict[str, Any]) -> dict[str, Any]:
    """Leave out what takes memory and says no label: the outlines of a million objects take gigabytes."""
    if "image_id" in item:
        item.pop("segmentation", None)
    return item


def _area(annotation: Mapping[str, Any]) -> float | None:
    box, area = annotation.get("bbox"), annotation.get("area")
    known = float(area) if isinstance(area, int | float) else None
    if (known is None or known <= 1) and isinstance(box, list) and len(box) == 4:  # some tools write no area
        return side_area(*box[2:])
    return known
