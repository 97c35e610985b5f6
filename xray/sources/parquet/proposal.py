"""Choose the columns of Parquet files, for a starter recipe."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from xray.core.errors import MALFORMED, ConfigError
from xray.core.files import is_folder, list_files
from xray.core.table_files import open_table
from xray.core.uri import base_name, to_uri
from xray.sources.base import join_names
from xray.sources.parquet.checks import not_parquet
from xray.sources.parquet.columns import ObjectColumn, class_names, is_image, is_image_text, is_label, is_number

_IMAGES = ("image", "img", "photo", "picture", "pixel_values", "jpg", "image_path", "file_name", "path")
_LABELS = ("label", "labels", "category", "categories", "class", "class_name", "species", "fine_label")
_MASK = re.compile(r"mask|segm|annot|matte", re.IGNORECASE)
_OBJECTS = ("objects", "annotations", "detections", "instances")


def propose_columns(uri: str) -> dict[str, str | None]:
    """Return the settings of `kind: parquet` for a file or folder, from the types and names of the columns.

    Images are columns of bytes before columns of paths. Labels are text, or numbers that the schema names; without them
    the largest of the objects with boxes decides.

    Args:
        uri: path or URI of a Parquet file, or of a folder with some.

    Returns:
        `uri`, `image` and `category`, and those of `mask` and `objects` that are there.

    Raises:
        ConfigError: there are no Parquet files, or no column is certain; names the columns and their types.
    """
    schema = _schema(to_uri(uri))
    kinds = {one.name: one.type for one in schema}
    images = [name for name, kind in kinds.items() if is_image(kind) and not is_image_text(kind)]
    masks = [name for name in images if _MASK.search(name)]
    paths = [name for name in _IMAGES if name in kinds and is_image_text(kinds[name])]
    image = _choose([name for name in images if name not in masks] or paths, _IMAGES)
    named = [name for name in kinds if class_names(schema, name) is not None]
    texts = [name for name, kind in kinds.items() if name in _LABELS and is_label(kind) and not is_number(kind)]
    category = _choose(named or texts, _LABELS)
    objects = [name for name in _OBJECTS if name in kinds and _has_boxes(schema, name)]
    if image is None or (category is None and not objects):
        missing = "images" if image is None else "labels (text, or numbers that the schema names)"
        columns = [f"{one.name} ({str(one.type)[:60]})" for one in schema]
        raise ConfigError(
            f"which column of {uri!r} has the {missing}? write `source: {{kind: parquet, uri: {uri}, image: …, "
            f"category: …, mask: …}}` in a recipe; its columns are {join_names(columns, 12)}"
        )
    found: dict[str, str | None] = {"uri": uri, "image": image, "category": category}
    found |= {"mask": masks[0]} if masks else {}
    return found | ({"objects": objects[0]} if objects and not (masks and category) else {})


def _schema(uri: str) -> pa.Schema:
    listed = list(list_files(uri)) if is_folder(uri) else [uri]
    tables = [file for file in listed if base_name(file).endswith(".parquet")]
    if not tables:
        raise not_parquet(uri, [base_name(file) for file in listed], "*.parquet")
    try:
        with open_table(tables[0]) as file:
            return file.schema_arrow
    except MALFORMED as error:
        raise not_parquet(tables[0], [base_name(tables[0])], "*.parquet", error) from error


def _has_boxes(schema: pa.Schema, name: str) -> bool:
    try:
        return ObjectColumn.of(schema, name, None, name).labels is not None
    except ConfigError:
        return False


def _choose(names: Sequence[str], usual: Sequence[str]) -> str | None:
    """Return the first of the usual names; else the only name."""
    known = [name for name in usual if name in names]
    return known[0] if known else names[0] if len(names) == 1 else None
