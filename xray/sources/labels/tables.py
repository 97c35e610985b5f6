"""Labels in tables: CSV, TSV, lines of text, and records; the columns are found by their names."""

from __future__ import annotations

import csv
import functools
import io
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from xray.core.errors import ConfigError
from xray.core.text import printable
from xray.core.uri import IMAGE_SUFFIXES
from xray.sources.base import join_names
from xray.sources.labels.base import Entry, LabelFile, unreadable

Columns = tuple[str | None, str | None]
IMAGE_COLUMNS = (
    *("file_name", "filename", "file", "filepath", "file_path", "path", "image", "image_name", "image_path", "img"),
    *("img_name", "img_path", "picture", "photo", "name", "imageid", "image_id", "img_id", "id", "key"),
)
_LABEL = (
    *("label", "class", "category", "class_name", "category_name", "label_name", "classname", "wnid", "synset"),
    *("species", "breed", "target", "choice", "annotation", "predictionstring"),
    *("class_id", "classid", "category_id", "label_id", "labelid", "class_index", "index", "y"),
)
_MAX_COLUMNS, _MAX_ROWS = 50_000, 2_000_000
GROUND_TRUTH = "ImageNet's ground truth"
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_WNID_BOX = re.compile(r"(n\d{8})( \d+){4}")


def read_table(text: str, file: str, columns: Columns = (None, None)) -> LabelFile:
    r"""Read a table of images and labels, with or without a heading; separated by tabs, semicolons, commas or spaces.

    Args:
        text: the table.
        file: its name, for errors.
        columns: names of the columns of images and labels; None: found by name.

    Raises:
        ConfigError: no column can be taken for images, or for labels; names the columns that are there. Or too many
            rows.

    >>> read_table("1.jpg red fox\n2.jpg cello\n", "labels.txt").entries[0].label
    'red fox'
    """
    if (count := max(text.count("\n"), text.count("\r"))) > _MAX_ROWS:
        raise ConfigError(
            f"{file!r} has {count:,} rows, at most {_MAX_ROWS:,} are read: keep those of your photographs, or "
            "split it and write `labels: part_*.csv`",
            ("labels",),
        )
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise ConfigError(f"{file!r} is empty", ("labels",))
    delimiter = next((one for one in "\t;," if one in lines[0]), " ")
    if delimiter == " ":
        rows = [_words(line) for line in lines]
    else:
        try:
            cells = [*csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)]
        except csv.Error as error:
            raise unreadable(file, "a table", f"{error}; is a quotation mark not closed?") from error
        rows = [[cell.strip() for cell in row] for row in cells]
    width = max(map(len, rows))
    if width == 1:
        return _single(lines, file)
    if _image_column(rows[0]) is None and (columns != (None, None) or _is_heading(rows[0])):
        heading, *rows = rows
        records = [dict(zip(heading, row, strict=False)) for row in rows]
        return from_records(records, file, "a table", columns)
    unknown_heading = len(rows) > 1 and _image_column(rows[0]) is None and _image_column(rows[1]) is not None
    return _without_heading(rows[1:] if unknown_heading else rows, file)


def _words(line: str) -> list[str]:
    """Split a line of text into the image and the label, which may have spaces: `1.jpg red fox`, `a b.jpg 7`."""
    match = re.match(r"(.+\.\w{3,4})\s+(\S.*)$", line.strip()) or re.match(r"(\S+)\s+(\S.*)$", line.strip())
    return [match[1], match[2].strip()] if match else [line.strip()]


def _image_column(cells: Sequence[str]) -> int | None:
    """Return the first column that holds the name of an image file."""
    return next((column for column, cell in enumerate(cells) if _suffix(cell) in IMAGE_SUFFIXES), None)


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].removeprefix(".").lower()


def _is_heading(cells: Sequence[str]) -> bool:
    return any(_plain(cell) in (*IMAGE_COLUMNS, *_LABEL) for cell in cells)


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().casefold())


def _single(lines: Sequence[str], file: str) -> LabelFile:
    """Read the ground truth of ImageNet's validation images: ids in the order of the images."""
    if posixpath.basename(file).startswith("ILSVRC2012_validation_ground_truth"):
        entries = [Entry(f"ILSVRC2012_val_{number:08d}.JPEG", line.strip()) for number, line in enumerate(lines, 1)]
        return LabelFile(GROUND_TRUTH, entries)
    raise ConfigError(
        f"{file!r} has one value per line, such as {printable(lines[0], 80)!r}; expected an image and its label in "
        "each, such as 1.jpg,red fox",
        ("labels",),
    )


def _without_heading(rows: Sequence[Sequence[str]], file: str) -> LabelFile:
    width = len(rows[0])
    image = _image_column(rows[0]) or 0
    others = [column for column in range(width) if column != image]
    if len(others) > 1 and not all(_is_number(rows[0][column]) for column in others):
        others = [column for column in others if not _is_number(rows[0][column])]
    if len(others) != 1:
        raise ConfigError(
            f"{file!r} has {width} columns and no heading: add a first line with their names, such as image,label",
            ("labels",),
        )
    entries = [Entry(row[image], row[others[0]]) for row in rows if len(row) > max(image, others[0])]
    return LabelFile("a table without heading", entries)


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text.strip()) is not None


def from_records(
    records: Sequence[Mapping[str, Any]], file: str, format_name: str, columns: Columns = (None, None)
) -> LabelFile:
    """Read records with a field for the image and one for the label, or a field of 0 and 1 for each label.

    Raises:
        ConfigError: see `read_table`.
    """
    names = list(dict.fromkeys(str(name) for record in records for name in record))
    if len(names) > _MAX_COLUMNS:
        raise ConfigError(f"{file!r} has {len(names):,} columns, at most {_MAX_COLUMNS:,} are read", ("labels",))
    image = find_column(names, columns[0], IMAGE_COLUMNS)
    if image is None:
        raise _unknown_columns(file, names, "image", "image_column")
    texts = set[str]()
    for record in records:
        texts.update(name for name, cell in record.items() if name not in texts and not _is_number(str(cell or "0")))
    numbers = {*names} - texts
    label = find_column([name for name in names if name not in numbers | {image}], columns[1], _LABEL)
    label = label or find_column([name for name in names if name != image], columns[1], _LABEL)
    if label is not None:
        cells = [(str(record.get(image) or ""), record.get(label)) for record in records]
        pairs = [(name, one) for name, cell in cells for one in (cell if isinstance(cell, list) else [cell])]
        entries = [Entry(name, _label(str(one))) for name, one in pairs if name and one is not None]
        return LabelFile(f"{format_name} (columns {image!r}, {label!r})", entries)
    others = {name for record in records for name in record if _text(record, name) not in _FLAGS}
    flags = [name for name in names if name in numbers - others]
    if len(flags) > 1:
        order = {name: number for number, name in enumerate(flags)}
        marked = [
            (_text(record, image), name) for record in records
            for name in sorted(order.keys() & record.keys(), key=order.__getitem__) if _text(record, name) in _SET
        ]  # fmt: skip
        return LabelFile(f"{format_name} with a column per label", [Entry(*pair) for pair in marked])
    raise _unknown_columns(file, names, "label", "label_column")


_FLAGS, _SET = {"", "0", "1", "0.0", "1.0"}, {"1", "1.0"}


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return "" if value is None else str(value)


@functools.lru_cache(100_000)
def _label(cell: str) -> str:
    box = _WNID_BOX.match(cell)
    return box[1] if box else cell.removesuffix(".0") if _is_number(cell) else cell


def find_column(names: Sequence[str], wanted: str | None, known: Sequence[str]) -> str | None:
    """Return the column that is wanted, or of None the one called like the first of the known names; None if none is.

    >>> find_column(["Image Name", "label"], None, ["file", "image_name"])
    'Image Name'
    """
    if wanted is not None:
        return wanted if wanted in names else None
    plain = {_plain(name): name for name in reversed(names)}
    return next((plain[name] for name in known if name in plain), None)


def _unknown_columns(file: str, names: Sequence[str], what: str, setting: str) -> ConfigError:
    columns = join_names((repr(printable(name, 80)) for name in names), 20)
    return ConfigError(
        f"no column of {file!r} is called like {'an image' if what == 'image' else 'a label'}; it has "
        f"{columns}: write `labels: {{file: {file}, {setting}: …}}`",
        ("labels",),
    )
