"""COCO files: names of their images and categories, and the labels that they give."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from xray.core.errors import ConfigError
from xray.sources.labels.base import Entry, LabelFile, read_parts, side_area

_IMAGE_NAMES = ("file_name", "coco_url", "flickr_url", "path")


def image_name(image: Mapping[str, Any]) -> str:
    """Return the name of an image, as written; empty if it has none."""
    return next((str(image[name]) for name in _IMAGE_NAMES if image.get(name)), "")


def category_names(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of a file's categories by their ids as text."""
    listed = content.get("categories")
    categories = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return {str(one.get("id")): str(one["name"]) for one in categories if one.get("name") is not None}


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
    images = {str(one.get("id")): image_name(one) for one in content["images"] if isinstance(one, dict)}
    names, annotations = category_names(content), content["annotations"]
    ids = (one.get("category_id") for one in annotations if isinstance(one, dict))
    check_category_ids(file, names, {str(one) for one in ids if one is not None})

    def read(annotation: Mapping[str, Any]) -> Iterator[Entry]:
        image, category = images.get(str(annotation.get("image_id"))), annotation.get("category_id")
        if image and category is not None:
            yield Entry(image, names.get(str(category), str(category)), _area(annotation))

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
