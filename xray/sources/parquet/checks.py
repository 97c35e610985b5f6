"""Checks of Parquet files of images that need no image: kinds of files, lengths of lists, missing values, boxes."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from xray.core.errors import MALFORMED, ConfigError, problem_of, unknown
from xray.core.parquet_footer import read_footer
from xray.core.table_files import read_batches
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
        return ConfigError(f"{uri!r} is not a Parquet file: {problem_of(error)}")
    suffixes = Counter(f".{name.rpartition('.')[2]}" for name in names)
    seen = ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common(5)) or "no files"
    what = ".parquet files" if pattern == "*.parquet" else f"files {pattern!r}"
    return ConfigError(f"no {what} in {uri!r} (it has {seen})")


def null_count(uri: str, column: str) -> int:
    """Return how many images of a file have neither bytes nor path, 0 in row groups that do not count them."""
    footer = read_footer(uri)
    counts = [[one.nulls for one in footer.chunks(group, column)] for group in range(len(footer.row_groups))]
    return sum(min((count for count in some if count is not None), default=0) for some in counts)


def check_one_image(file: pq.ParquetFile, column: str, uri: str) -> None:
    """Refuse lists of several images, which the metadata count.

    Raises:
        ConfigError: there are more images than rows.
    """
    footer = read_footer(uri)
    counts = [[one.values for one in footer.chunks(group, column)] for group in range(len(footer.row_groups))]
    images = sum(max(some, default=0) for some in counts)
    if images > file.metadata.num_rows:
        raise ConfigError(
            f"column {column!r} of {uri!r} holds lists of images, {images:,} in {file.metadata.num_rows:,} rows: write "
            "`image_item: 0` for the first of each"
        )


def _check_paths(file: pq.ParquetFile, column: str, uri: str) -> None:
    """Refuse columns of addresses in the web, by the first path; nothing is read where there are bytes."""
    if not file.num_row_groups:
        return
    chunks = {one.path: one for one in read_footer(uri).chunks(0, column)}
    paths = [path for path in chunks if path.endswith(".path")]
    with_bytes = [one for path, one in chunks.items() if path.endswith(".bytes")]
    if is_image_text(file.schema_arrow.field(column).type):
        paths = [column]
    elif not all(one.nulls == one.values for one in with_bytes):
        return
    first = next((text for one in _first_values(file, paths[:1], uri) if (text := _first_text(one))), "")
    if first.startswith(("http://", "https://")):
        raise ConfigError(
            f"column {column!r} of {uri!r} holds addresses in the web, such as {first[:100]!r}: download the images, "
            "and write their paths or bytes into the column"
        )


def _first_values(file: pq.ParquetFile, columns: Sequence[str], uri: str) -> Iterator[object]:
    """Yield the values of the first row group; none of one that cannot be read: its rows say so."""
    with contextlib.suppress(*MALFORMED):
        for batch in read_batches(uri, file, 0, columns) if columns else ():
            yield from (value for _, row in batch for value in row.values())


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
