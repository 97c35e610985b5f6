"""Rows of Parquet files of images, without the images."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from xray.core import files
from xray.core.errors import MALFORMED, ConfigError, XrayError, problem_of, refusing
from xray.core.table_files import open_table, read_batches
from xray.core.uri import base_name, to_uri
from xray.sources.imagefolder import relative_key
from xray.sources.parquet.checks import check_boxes, check_columns, not_parquet, null_count
from xray.sources.parquet.columns import Object, ObjectColumn, class_names, label_text

if TYPE_CHECKING:
    from xray.sources.parquet.source import Parquet

_SPLIT = re.compile(r"(?:^|[-_/.])(train|training|validation|valid|val|dev|test|testing)(?=[-_/.])", re.IGNORECASE)


class Row(NamedTuple):
    """What is known of a row without its images.

    Args:
        group: its row group.
        row: its number there.
        number: its number in the file.
        labels: in its column of labels.
        key: its id.
        objects: in its column of objects.
        size: width and height of the image in pixels, if columns say them.
    """

    group: int
    row: int
    number: int
    labels: tuple[str, ...]
    key: str | None
    objects: tuple[Object, ...]
    size: tuple[int, int] | None


@dataclass(frozen=True)
class Reader:
    """A reader of the files of a source, which says what is wrong with them."""

    source: Parquet

    def files(self) -> list[str]:
        """Return the URIs of the files.

        Raises:
            ConfigError: there are none.
        """
        uri, pattern = to_uri(self.source.uri), self.source.files
        if not files.is_folder(uri):
            return [uri]
        listed = list(files.list_files(uri))
        tables = [file for file in listed if fnmatch.fnmatch(base_name(file), pattern)]
        tables = tables or [file for file in listed if fnmatch.fnmatch(relative_key(file, uri), pattern)]
        if not tables:
            raise not_parquet(self.source.uri, [base_name(file) for file in listed], pattern)
        return tables

    def all_rows(self, problems: list[str] | None = None) -> Iterator[Row]:
        """Yield the rows of all files; `problems`: as of `rows`.

        Raises:
            ConfigError: as `rows`, or no row can be read.
        """
        problems, empty = [] if problems is None else problems, True
        for file in self.files():
            for row in self.rows(file, problems):
                empty = False
                yield row
        if empty and problems:
            raise ConfigError(f"no row of {self.source.uri!r} can be read: {problems[0]}")

    def rows(self, uri: str, problems: list[str]) -> Iterator[Row]:
        """Yield the rows of a file; those of a row group whose labels cannot be read are left out.

        Args:
            uri: of the file.
            problems: to add to what is wrong with row groups.

        Raises:
            ConfigError: it is no Parquet file, or its columns are not understood.
        """
        source, start = self.source, 0
        with self.open(uri) as file:
            schema = file.schema_arrow
            objects = ObjectColumn.of(schema, source.objects, source.names, uri) if source.objects else None
            sizes = [one.name for one in schema if one.name in ("width", "height") and pa.types.is_integer(one.type)]
            names = [name for name in (source.category, source.id, source.objects) if name]
            columns = list(dict.fromkeys([*names, *(sizes if objects and len(sizes) == 2 else [])]))
            parser = _Parser(source, source.names or class_names(schema, source.category), objects)
            for group in range(file.num_row_groups):
                end = start + file.metadata.row_group(group).num_rows
                try:
                    for batch in read_batches(uri, file, group, columns):
                        rows = [parser.row(group, row, start, values) for row, values in batch]
                        if objects:
                            sized = [(row.objects, row.size) for row in rows]
                            check_boxes(sized, source.boxes, f"{objects.name} of {uri!r}")
                        yield from rows
                except ConfigError:
                    raise
                except MALFORMED as error:
                    where = f"row group {group} of {base_name(uri)}, rows {start}–{end - 1}"
                    problems.append(f"{where}: {problem_of(error)}")
                start = end

    def open(self, uri: str) -> pq.ParquetFile:
        """Open a file, and check the types of its columns.

        Raises:
            ConfigError: as `rows`.
        """
        try:
            file = open_table(uri)
        except FileNotFoundError as error:
            raise ConfigError(f"no file {uri!r}") from error
        except XrayError:
            raise
        except MALFORMED as error:
            raise not_parquet(uri, [base_name(uri)], "*.parquet", error) from error
        try:
            with refusing(f"the columns of {uri!r}"):
                check_columns(file, self.source, uri)
        except ConfigError:
            file.close()
            raise
        return file

    def notes(self) -> list[str]:
        """Return notes on files of several splits, all of which are read, and on rows without a mask."""
        root, uris = to_uri(self.source.uri), self.files()
        matches = [_SPLIT.search(relative_key(file, root) or base_name(file)) for file in uris]
        splits = Counter(match[1].lower() for match in matches if match)
        notes = []
        if len(splits) > 1:
            listed = ", ".join(f"{split} ({count} file{'s' if count > 1 else ''})" for split, count in splits.items())
            notes.append(f"files of several splits are read: {listed}; `files: '{next(iter(splits))}*'` reads one")
        if self.source.mask is not None:
            notes += self._mask_notes(uris, self.source.mask)
        return notes

    def _mask_notes(self, uris: list[str], mask: str) -> list[str]:
        rows = lacking = 0
        for uri in uris:
            with self.open(uri) as file:
                rows += file.metadata.num_rows
                lacking += null_count(uri, mask)
        return [f"{lacking:,} of {rows:,} rows have no mask in column {mask!r}"] if lacking else []


@dataclass(frozen=True)
class _Parser:
    """The meaning of a file's columns; `names`: of labels that are numbers."""

    source: Parquet
    names: tuple[str, ...] | None
    objects: ObjectColumn | None

    def row(self, group: int, row: int, start: int, values: Mapping[str, Any]) -> Row:
        """Return a row of a row group; `start`: number of rows in the groups before."""
        source, objects = self.source, self.objects
        label = values[source.category] if source.category else None
        where = f"column {source.category!r}"
        labels = [label_text(one, self.names, where) for one in (label if isinstance(label, list) else [label])]
        key = values[source.id] if source.id else None
        width, height = (values.get("width"), values.get("height")) if objects else (None, None)
        return Row(
            group,
            row,
            start + row,
            tuple(dict.fromkeys(text for text in labels if text is not None)),
            None if key is None else str(key),
            tuple(objects.read(values[objects.name])) if objects else (),
            (width, height) if width and height else None,
        )
