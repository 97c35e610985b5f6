"""The source of photographs in Parquet files."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from xray.core.errors import ConfigError
from xray.core.plugins import settings
from xray.core.uri import base_name, cell_uri, to_uri
from xray.sources.base import Box, Candidate, Source, Split, counted_note, join_names, mark_duplicates
from xray.sources.categories.base import Category, categories_by_label, category_of_folder
from xray.sources.categories.from_labels import categories_from_labels
from xray.sources.imagefolder import relative_key
from xray.sources.parquet.columns import BoxFormat, area, as_box
from xray.sources.parquet.rows import Reader, Row

Lookup = Callable[[str], Category | None]


@settings
class Parquet(Source):
    """Rows of one Parquet file or a folder of files; listing reads labels and ids, but no images.

    Args:
        uri: path or URI of the file or folder.
        files: pattern of the files in a folder, such as `train-*.parquet`.
        image: column of images: `struct<bytes, path>`, plain binary, paths, or lists of these. Paths are relative to
            the folder of the Parquet file, or to the folder above it.
        image_item: which image of a list, from 0; needed where lists have several.
        category: column of labels: text, or numbers with names in the schema's ClassLabel or in `names`; null: of
            the largest object in `objects` that has a category of the recipe.
        id: column of unique ids; by default file name and row number.
        mask: column of masks, like `image`; those of a list are parts of one mask.
        objects: column of objects with a box each (`bbox`, `boxes`) and a label (`category`, `label`): boxes of the
            photograph's category become hints for a mask refiner.
        boxes: numbers of a box in pixels: `xywh` (corner, width, height, as in COCO) or `xyxy` (two corners).
        names: of the labels 0, 1, …, if the schema has none.
        split: their part in the training of pretrained models: train, val or test.
        licence: of the photographs.
    """

    name: ClassVar[str] = "parquet"
    summary: ClassVar[str] = "photographs in Parquet files (the Hugging Face image schema)"

    uri: str
    image: str = "image"
    category: str | None = "label"
    id: str | None = None
    mask: str | None = None
    names: tuple[str, ...] | None = None
    split: Split = "unknown"
    licence: str = "unknown"
    files: str = "*.parquet"
    image_item: Annotated[int, Field(ge=0)] | None = None
    objects: str | None = None
    boxes: BoxFormat = "xywh"

    def __post_init__(self) -> None:
        if self.category is None and self.objects is None:
            raise ConfigError("without `category`, `objects` must name a column of objects with labels")

    @property
    def _reader(self) -> Reader:
        return Reader(self)

    def categories(self) -> Sequence[Category]:
        """Return a category for each label that is a WordNet id, or a name or synonym of an ImageNet class."""
        return categories_from_labels(
            list(self.label_counts()), where=f"column {self.category or self.objects!r} of {self.uri!r}"
        )

    def label_counts(self) -> dict[str, int]:
        """Return the number of rows by label; those with several labels count for each."""
        return dict(Counter(label for row in self._reader.all_rows() for label in self._labels(row)))

    def candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        """Yield the rows of these categories, in the order of files and rows."""
        yield from mark_duplicates(self._candidates(categories))

    def notes(self, categories: Sequence[Category]) -> list[str]:
        """Return notes on files, on labels without category, and on rows without a label, with several, or no mask."""
        lookup = _lookup(categories)
        labels, unlabelled, several, problems = Counter[str](), 0, 0, list[str]()
        for row in self._reader.all_rows(problems):
            listed = self._labels(row)
            labels.update(listed)
            unlabelled += not listed
            several += len(self._categories(row, lookup)) > 1
        unmatched = [f"{label} ({n})" for label, n in labels.items() if lookup(label) is None]
        notes = [
            *self._reader.notes(),
            *counted_note(problems, "part of the table cannot be read", "parts of the table cannot be read"),
            *counted_note(unmatched, "label matches no category", "labels match no category"),
        ]
        if unlabelled:
            notes.append(f"{unlabelled:,} row(s) have no label")
        if several:
            outcome = "are left out" if self.category else "get that of the largest object"
            notes.append(f"{several:,} row(s) have labels of several categories, and {outcome}")
        return notes

    def _candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        lookup = _lookup(categories)
        root = to_uri(self.uri)
        empty = True
        for file in self._reader.files():
            stem = relative_key(file, root) or base_name(file)
            for row in self._reader.rows(file, []):
                matching = self._categories(row, lookup)
                if not matching or (self.category and len(matching) > 1):
                    continue
                empty = False
                category = next(iter(matching))
                yield Candidate(
                    key=f"{stem}:{row.number}" if row.key is None else row.key,
                    category=category.name,
                    uri=cell_uri(file, row.group, row.row, self.image, self.image_item),
                    mask_uri=cell_uri(file, row.group, row.row, self.mask) if self.mask else None,
                    boxes=tuple(self._boxes(row, category, lookup)),
                    drawn_on=row.size,
                    split=self.split,
                    licence=self.licence,
                )
        if empty:
            seen = join_names(dict.fromkeys(label for row in self._reader.all_rows() for label in self._labels(row)))
            raise ConfigError(
                f"no row of {self.uri!r} has one of the categories in its column {self.category or self.objects!r} "
                f"(labels: {seen}; categories: {join_names(category.name for category in categories)})"
            )

    def _labels(self, row: Row) -> tuple[str, ...]:
        """Return the labels that decide the category of a row."""
        return row.labels if self.category else tuple(one.label for one in row.objects if one.label is not None)

    def _categories(self, row: Row, lookup: Lookup) -> dict[Category, None]:
        """Return the categories of a row, that of the largest object first."""
        labels = self._labels(row)
        if self.category is None:
            sized = [(one.label, as_box(one.box, self.boxes)) for one in row.objects if one.label is not None]
            labels = tuple(label for label, _ in sorted(sized, key=lambda one: -area(one[1]) if one[1] else 0.0))
        found = map(lookup, labels)
        return {category: None for category in found if category is not None}

    def _boxes(self, row: Row, category: Category, lookup: Lookup) -> Iterator[Box]:
        """Yield the boxes of a row's own category; of objects without labels, all."""
        for one in row.objects:
            if one.label is None or lookup(one.label) == category:
                box = as_box(one.box, self.boxes)
                yield from [] if box is None else [box]


def _lookup(categories: Sequence[Category]) -> Lookup:
    """Return a function that returns the category of a label; each label is looked up once."""
    by_label = categories_by_label(categories)
    return functools.cache(lambda label: category_of_folder(label, by_label))
