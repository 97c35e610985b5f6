"""Photographs in Parquet files with the image columns of Hugging Face `datasets`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from xray.core import files
from xray.core.errors import XrayError, unknown
from xray.core.plugins import settings
from xray.core.uri import cell_uri, name_of, open_store, to_uri
from xray.sources.base import Candidate, Source, Split, remark, without_duplicates
from xray.sources.categories.base import Category, categories_by_label, category_of_folder
from xray.sources.categories.imagenet1k import categories_called
from xray.sources.imagefolder import relative_key


@settings
class Parquet(Source):
    """Rows of one Parquet file or a folder of them; listing reads labels and ids, never images.

    Args:
        uri: path or URI of the file or folder.
        image: column of images: `struct<bytes, path>`, or plain binary.
        category: column of labels: text, or integers that the schema's ClassLabel (or `names`) names.
        id: column of unique ids; without one, a row is called by its file and number.
        mask: column of masks, like `image`.
        names: what the integer labels 0, 1, … mean, if the schema does not say.
        split: whether pretrained models have seen the photographs.
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
        """A category for each label that is a WordNet id, or the name or a synonym of an ImageNet class."""
        labels = {label: None for file in self._files() for label in self._labels_in(file) if label is not None}
        return categories_called(list(labels), where=f"column {self.category!r} of {self.uri!r}")

    def candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        """The rows of these categories, in the order of the files and rows."""
        yield from without_duplicates(self._candidates(categories))

    def remarks(self, categories: Sequence[Category]) -> list[str]:
        """Labels that are no category, with their rows, and rows without a label."""
        by_label = categories_by_label(categories)
        rows = Counter(label for file in self._files() for label in self._labels_in(file))
        bare = rows.pop(None, 0)
        foreign = [f"{label} ({n})" for label, n in rows.items() if category_of_folder(str(label), by_label) is None]
        said = remark(foreign, "label is no category of the recipe", "labels are no category of the recipe")
        return [*said, f"{bare} row(s) have no label"] if bare else said

    def _candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        by_label = categories_by_label(categories)
        root = to_uri(self.uri)
        found = False
        for file in self._files():
            stem = relative_key(file, root) or name_of(file)
            number = -1
            for group, row, label, key in self._rows(file):
                number += 1
                category = None if label is None else category_of_folder(label, by_label)
                if category is None:
                    continue
                found = True
                yield Candidate(
                    key=f"{stem}:{number}" if key is None else key,
                    category=category.name,
                    uri=cell_uri(file, group, row, self.image),
                    mask_uri=cell_uri(file, group, row, self.mask) if self.mask else None,
                    split=self.split,
                    licence=self.licence,
                )
        if not found:
            raise XrayError(f"no row of {self.uri!r} has one of the categories in its column {self.category!r}")

    def _files(self) -> list[str]:
        uri = to_uri(self.uri)
        if not files.is_folder(uri):
            return [uri]
        found = [file for file in files.list_files(uri) if name_of(file).endswith(".parquet")]
        if not found:
            raise XrayError(f"no .parquet files in {self.uri!r}")
        return found

    def _open(self, uri: str) -> pq.ParquetFile:
        store, path = open_store(uri)
        try:
            file = pq.ParquetFile(path, filesystem=store)
        except FileNotFoundError as error:
            raise XrayError(f"no file {uri!r}") from error
        except pa.ArrowInvalid as error:
            raise XrayError(f"{uri!r} is no Parquet file: {error}") from error
        names = file.schema_arrow.names
        for column in (self.image, self.category, self.id, self.mask):
            if column is not None and column not in names:
                file.close()
                raise unknown(f"column in {uri!r}", column, names)
        return file

    def _rows(self, uri: str) -> Iterator[tuple[int, int, str | None, str | None]]:
        """Row group, row in it, label and id of every row."""
        columns = [self.category, *([self.id] if self.id else [])]
        with self._open(uri) as file:
            names = self.names or _class_names(file.schema_arrow, self.category)
            if names is None and pa.types.is_integer(file.schema_arrow.field(self.category).type):
                raise XrayError(
                    f"column {self.category!r} of {uri!r} holds integers, and its schema has no ClassLabel that names "
                    "them: give `names`"
                )
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=columns)
                labels = table.column(self.category).to_pylist()
                keys = table.column(self.id).to_pylist() if self.id else [None] * len(labels)
                for row, (label, key) in enumerate(zip(labels, keys, strict=True)):
                    yield group, row, _label(label, names), None if key is None else str(key)

    def _labels_in(self, uri: str) -> Iterator[str | None]:
        return (label for _, _, label, _ in self._rows(uri))


def _class_names(schema: pa.Schema, column: str) -> tuple[str, ...] | None:
    """The names of a ClassLabel column, from the metadata that Hugging Face `datasets` writes."""
    described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    feature = described.get("info", {}).get("features", {}).get(column, {})
    return tuple(feature["names"]) if isinstance(feature, dict) and "names" in feature else None


def _label(value: Any, names: Sequence[str] | None) -> str | None:
    """A label as text; -1 is how `datasets` writes that there is none."""
    if value is None or (names and value == -1):
        return None
    if names and isinstance(value, int):
        if not 0 <= value < len(names):
            raise XrayError(f"label {value} is none of the {len(names)} names")
        return names[value]
    return str(value)
