"""Photographs in Parquet files with image columns of Hugging Face `datasets`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from xray.core import files
from xray.core.errors import ConfigError, unknown
from xray.core.plugins import settings
from xray.core.uri import base_name, cell_uri, open_store, to_uri
from xray.sources.base import Candidate, Source, Split, counted_note, mark_duplicates
from xray.sources.categories.base import Category, categories_by_label, category_of_folder
from xray.sources.categories.imagenet1k import categories_from_labels
from xray.sources.imagefolder import relative_key


@settings
class Parquet(Source):
    """Rows of one Parquet file or a folder of files; listing reads labels and ids, but no images.

    Args:
        uri: path or URI of the file or folder.
        image: column of images: `struct<bytes, path>`, or plain binary.
        category: column of labels: text, or integers with names in the schema's ClassLabel or in `names`.
        id: column of unique ids; by default file name and row number.
        mask: column of masks, like `image`.
        names: of the integer labels 0, 1, …, if the schema has none.
        split: their part in the training of pretrained models: train, val or test.
        licence: of the photographs.
    """

    name: ClassVar[str] = "parquet"
    summary: ClassVar[str] = "photographs in Parquet files (the Hugging Face image schema)"

    uri: str
    image: str = "image"
    category: str = "label"
    id: str | None = None
    mask: str | None = None
    names: tuple[str, ...] | None = None
    split: Split = "unknown"
    licence: str = "unknown"

    def categories(self) -> Sequence[Category]:
        """Return a category for each label that is a WordNet id, or a name or synonym of an ImageNet class."""
        labels = [label for label in self._labels() if label is not None]
        return categories_from_labels(labels, where=f"column {self.category!r} of {self.uri!r}")

    def candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        """Yield the rows of these categories, in the order of files and rows."""
        yield from mark_duplicates(self._candidates(categories))

    def notes(self, categories: Sequence[Category]) -> list[str]:
        """Return notes on labels without category, with their number of rows, and on rows without a label."""
        by_label = categories_by_label(categories)
        rows = self._labels()
        unlabelled = rows.pop(None, 0)
        unmatched = [f"{label} ({n})" for label, n in rows.items() if category_of_folder(str(label), by_label) is None]
        notes = counted_note(unmatched, "label matches no category", "labels match no category")
        return [*notes, f"{unlabelled} row(s) have no label"] if unlabelled else notes

    def _candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        by_label = categories_by_label(categories)
        root = to_uri(self.uri)
        empty = True
        for file in self._files():
            stem = relative_key(file, root) or base_name(file)
            for number, (group, row, label, key) in enumerate(self._rows(file)):
                category = None if label is None else category_of_folder(label, by_label)
                if category is None:
                    continue
                empty = False
                yield Candidate(
                    key=f"{stem}:{number}" if key is None else key,
                    category=category.name,
                    uri=cell_uri(file, group, row, self.image),
                    mask_uri=cell_uri(file, group, row, self.mask) if self.mask else None,
                    split=self.split,
                    licence=self.licence,
                )
        if empty:
            raise ConfigError(f"no row of {self.uri!r} has one of the categories in its column {self.category!r}")

    def _files(self) -> list[str]:
        uri = to_uri(self.uri)
        if not files.is_folder(uri):
            return [uri]
        tables = [file for file in files.list_files(uri) if base_name(file).endswith(".parquet")]
        if not tables:
            raise ConfigError(f"no .parquet files in {self.uri!r}")
        return tables

    def _open(self, uri: str) -> pq.ParquetFile:
        store, path = open_store(uri)
        try:
            file = pq.ParquetFile(path, filesystem=store)
        except FileNotFoundError as error:
            raise ConfigError(f"no file {uri!r}") from error
        except pa.ArrowInvalid as error:
            raise ConfigError(f"{uri!r} is not a Parquet file: {error}") from error
        names = file.schema_arrow.names
        for column in (self.image, self.category, self.id, self.mask):
            if column is not None and column not in names:
                file.close()
                raise unknown(f"column in {uri!r}", column, names)
        return file

    def _rows(self, uri: str) -> Iterator[tuple[int, int, str | None, str | None]]:
        """Yield row group, row within it, label and id of every row."""
        columns = [column for column in (self.category, self.id) if column]
        with self._open(uri) as file:
            names = self.names or _class_names(file.schema_arrow, self.category)
            if names is None and pa.types.is_integer(file.schema_arrow.field(self.category).type):
                raise ConfigError(
                    f"column {self.category!r} of {uri!r} holds integers, and its schema has no ClassLabel that names "
                    "them: give `names`"
                )
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=columns)
                labels = table.column(self.category).to_pylist()
                keys = table.column(self.id).to_pylist() if self.id else [None] * len(labels)
                for row, (label, key) in enumerate(zip(labels, keys, strict=True)):
                    yield group, row, _label(label, names), None if key is None else str(key)

    def _labels(self) -> Counter[str | None]:
        """Return the number of rows by label, in the order of their first rows."""
        return Counter(label for file in self._files() for _, _, label, _ in self._rows(file))


def _class_names(schema: pa.Schema, column: str) -> tuple[str, ...] | None:
    """Return the names of a ClassLabel column from the metadata of Hugging Face `datasets`, or None."""
    metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    feature = metadata.get("info", {}).get("features", {}).get(column, {})
    return tuple(feature["names"]) if isinstance(feature, dict) and "names" in feature else None


def _label(value: Any, names: Sequence[str] | None) -> str | None:
    """Return a label as text, or None; `datasets` stores a missing label as -1."""
    if value is None or (names and value == -1):
        return None
    if names and isinstance(value, int):
        if not 0 <= value < len(names):
            raise ConfigError(f"label {value} is out of range for {len(names)} names")
        return names[value]
    return str(value)
