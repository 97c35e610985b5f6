"""Checks of Parquet files of images that need no image: kinds of files, lengths of lists, missing values, boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from xray.core.errors import ConfigError, unknown
from xray.sources.parquet.columns import (
    BoxFormat,
    Object,
    as_box,
    class_names,
    is_image,
    is_image_list,
    is_image_text,
    is_label,
    is_number,
    unnamed,
    wrong_type,
)  # fmt: skip

if TYPE_CHECKING:
    from xray.sources.parquet.source import Parquet

Rows = Sequence[tuple[Sequence[Object], tuple[int, int] | None]]

_IMAGES = "images: bytes, a struct of bytes and path, paths of files, or lists of these"
_LABELS = "labels: text, or numbers that have names"
_ARROW = ("dataset_info.json", "state.json", "dataset_dict.json")


def check_columns(file: pq.ParquetFile, source: Parquet, uri: str) -> None:
    """Refuse columns that are missing, or of a type that is not understood.

    Raises:
        ConfigError: names the column, its type and the types that are understood.
    """
    schema = file.schema_arrow
    for column in (source.image, source.category, source.id, source.mask, source.objects):
        if column is not None and column not in schema.names:
            own = column == source.category and source.objects is not None
            hint = "; or write `category: null`, for the category of the largest object" if own else ""
            raise ConfigError(f"{unknown(f'column in {uri!r}', column, schema.names)}{hint}")
    for column in (source.image, source.mask):
        if column is not None and not is_image(schema.field(column).type):
            columns = [one.name for one in schema if is_image(one.type) and not is_image_text(one.type)]
            hint = f". Columns of images: {', '.join(columns)}" if columns else ""
            raise wrong_type(uri, column, schema.field(column).type, _IMAGES + hint)
        if column is not None:
            _check_paths(file, column, uri)
    if source.category is not None:
        kind = schema.field(source.category).type
        if not is_label(kind):
            raise wrong_type(uri, source.category, kind, _LABELS)
        if is_number(kind) and source.names is None and class_names(schema, source.category) is None:
            raise unnamed(source.category, uri)
    if is_image_list(schema.field(source.image).type) and source.image_item is None:
        check_one_image(file, source.image, uri)


def not_parquet(uri: str, names: Sequence[str], pattern: str, error: Exception | None = None) -> ConfigError:
    """Return the error for a file or folder that is not of this kind, with how to convert it.

    Args:
        uri: of the file or folder.
        names: of the files.
        pattern: of the files that were looked for.
        error: of the file's reader.
    """
    if any(name.endswith(".arrow") or name in _ARROW for name in names):
        folder = uri.rpartition("/")[0] if uri.endswith(".arrow") else uri
        return ConfigError(
            f"{uri!r} has Arrow files, as `save_to_disk` of `datasets` writes them: convert it once, by python -c "
            f"\"import datasets; datasets.load_from_disk('{folder}').to_parquet('photos.parquet')\" (of several "
            "splits, `load_from_disk(…)['train']`)"
        )
    if error is not None:
        return ConfigError(f"{uri!r} is not a Parquet file: {' '.join(str(error).split())}")
    suffixes = Counter(f".{name.rpartition('.')[2]}" for name in names)
    seen = ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common(5)) or "no files"
    what = ".parquet files" if pattern == "*.parquet" else f"files {pattern!r}"
    return ConfigError(f"no {what} in {uri!r} (it has {seen})")


def _leaves(file: pq.ParquetFile, group: int, column: str) -> list[pq.ColumnChunkMetaData]:
    """Return the metadata of a column's values in a row group, those of a struct by field."""
    chunks = [file.metadata.row_group(group).column(index) for index in range(file.metadata.num_columns)]
    return [one for one in chunks if f"{one.path_in_schema}.".startswith(f"{column}.")]


def null_count(file: pq.ParquetFile, group: int, column: str) -> int:
    """Return how many images of a row group have neither bytes nor path, 0 where the file does not count them."""
    counts = [leaf.statistics.null_count for leaf in _leaves(file, group, column) if leaf.statistics]
    return min((count for count in counts if count is not None), default=0)


def check_one_image(file: pq.ParquetFile, column: str, uri: str) -> None:
    """Refuse lists of several images, which the metadata count.

    Raises:
        ConfigError: there are more images than rows.
    """
    images = sum(
        max((leaf.num_values for leaf in _leaves(file, group, column)), default=0)
        for group in range(file.num_row_groups)
    )
    if images > file.metadata.num_rows:
        raise ConfigError(
            f"column {column!r} of {uri!r} holds lists of images, {images:,} in {file.metadata.num_rows:,} rows: write "
            "`image_item: 0` for the first of each"
        )


def _check_paths(file: pq.ParquetFile, column: str, uri: str) -> None:
    """Refuse columns of addresses in the web, by the first path; nothing is read where there are bytes."""
    if not file.num_row_groups:
        return
    leaves = {one.path_in_schema: one for one in _leaves(file, 0, column)}
    paths = [path for path in leaves if path.endswith(".path")]
    with_bytes = [one for path, one in leaves.items() if path.endswith(".bytes")]
    if is_image_text(file.schema_arrow.field(column).type):
        paths = [column]
    elif not all(one.statistics and one.statistics.null_count == one.num_values for one in with_bytes):
        return
    values = file.read_row_group(0, columns=paths[:1]).column(0).to_pylist() if paths else []
    first = next((text for text in map(_first_text, values) if text), "")
    if first.startswith(("http://", "https://")):
        raise ConfigError(
            f"column {column!r} of {uri!r} holds addresses in the web, such as {first[:100]!r}: download the images, "
            "and write their paths or bytes into the column"
        )


def _first_text(value: object) -> str:
    """Return the first path in a cell, or an empty text."""
    while isinstance(value, list | dict):
        value = next(iter(value.values() if isinstance(value, dict) else value), None)
    return value if isinstance(value, str) else ""


def check_boxes(rows: Rows, box_format: BoxFormat, where: str) -> None:
    """Refuse boxes that are shares of the image, or that fit their images only in the other format.

    Args:
        rows: objects, and width and height of the image if known.
        box_format: of the boxes.
        where: column and file, for the error.

    Raises:
        ConfigError: all boxes are shares, or more than half of the images have boxes that reach beyond them.
    """
    boxes = [one.box for objects, _ in rows for one in objects if one.box]
    if boxes and all(value is not None and value <= 1 for box in boxes for value in box):
        raise ConfigError(f"the boxes in {where} are shares of the image, such as {list(boxes[0])}: pixels are needed")
    other: BoxFormat = "xyxy" if box_format == "xywh" else "xywh"
    sized = [(objects, size) for objects, size in rows if size is not None and any(one.box for one in objects)]
    wrong = [
        (objects, size) for objects, size in sized
        if not _inside(objects, size, box_format) and _inside(objects, size, other)
    ]  # fmt: skip
    if 2 * len(wrong) > len(sized):
        objects, (width, height) = wrong[0]
        example = next(list(one.box) for one in objects if one.box)
        raise ConfigError(
            f"the boxes in {where} reach beyond their images if read as {box_format}, such as {example} in an image of "
            f"{width}×{height}: write `boxes: {other}`"
        )


def _inside(objects: Sequence[Object], size: tuple[int, int], box_format: BoxFormat) -> bool:
    """Return whether all boxes have an area and lie in the image, but for a pixel."""
    boxes = [as_box(one.box, box_format) for one in objects if one.box]
    return all(box is not None and box[2] <= size[0] + 1 and box[3] <= size[1] + 1 for box in boxes)
