"""Tables of committed Parquet files, each of which is checked before anything of it is used (`xray.core.verified`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xray.core import schema
from xray.core.uri import open_store
from xray.core.verified import Committed, PartlyRead

if TYPE_CHECKING:
    import pyarrow.dataset as ds

_READERS = 8
_FILES, _BYTES = 1024, 256_000_000
"""Number and size of the files that are in memory together."""


@dataclass(frozen=True)
class TableReader:
    """Reads some columns and rows of committed Parquet files.

    Args:
        schema: of the table. Columns that a file lacks are null.
        columns: only these; None: all.
        where: only the rows for which this holds; images of row groups without such rows are not read.
        dictionaries: text columns that are read as dictionaries.
    """

    schema: pa.Schema
    columns: Sequence[str] | None = None
    where: pc.Expression | None = None
    dictionaries: Collection[str] = ()

    def read(self, files: Iterable[Committed], limit: int | None = None) -> pa.Table:
        """Read files, or as many as it takes to have `limit` rows.

        Raises:
            DamagedError: one is missing, or not as it was committed.
            UnreachableError: the store does not answer, or denies access.
        """
        import pyarrow.dataset as ds  # imports pandas: 0.4 s and 39 MB that not every command needs

        known = self.schema
        for at, field in enumerate(known):
            if field.name in self.dictionaries:
                known = known.set(at, field.with_type(pa.dictionary(pa.int32(), pa.string())))
        options = ds.ParquetReadOptions(dictionary_columns=list(self.dictionaries))
        parquet = ds.ParquetFileFormat(read_options=options)
        columns = list(self.columns) if self.columns is not None else None
        tables: list[pa.Table] = []
        for window in self._windows(files, single=limit is not None):
            fragments = self._fragments(window, parquet)
            with window[0].explained():
                dataset = ds.FileSystemDataset(fragments, known, parquet)
                tables.append(dataset.to_table(columns=columns, filter=self.where))
            if limit is not None and sum(map(len, tables)) >= limit:
                break
        if not tables:
            return known.empty_table().select(columns if columns is not None else known.names)
        return pa.concat_tables(tables).slice(0, limit)

    @property
    def _with_images(self) -> bool:
        images = {field.name for field in self.schema if field.type == schema.IMAGE}
        return bool(images) if self.columns is None else not images.isdisjoint(self.columns)

    def _windows(self, files: Iterable[Committed], *, single: bool) -> Iterator[list[Committed]]:
        """Group files that are read together."""
        window: list[Committed] = []
        size = 0
        for file in files:
            window.append(file)
            size += self._size(file)
            if single or len(window) == _FILES or size > _BYTES:
                yield window
                window, size = [], 0
        if window:
            yield window

    def _size(self, file: Committed) -> int:
        """Return the number of bytes that are read of a file, at most."""
        if file.in_place:
            return 0
        size: int = file.facts.get("bytes", 0)
        return size if self._with_images else size - sum(stop - start for start, stop, _ in file.chunks)

    def _fragments(self, files: Sequence[Committed], parquet: ds.ParquetFileFormat) -> list[ds.ParquetFileFragment]:
        if len(files) == 1:
            return [self._fragment(files[0], parquet)]
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(lambda file: self._fragment(file, parquet), files))

    def _fragment(self, file: Committed, parquet: ds.ParquetFileFormat) -> ds.ParquetFileFragment:
        """Read and check what is needed of a file."""
        if file.in_place:
            file.check_once()
            store, path = open_store(file.uri)
            return parquet.make_fragment(path, store)
        if not file.chunks or (self._with_images and self.where is None):
            return parquet.make_fragment(file.read())
        partly = PartlyRead(file)
        fragment = parquet.make_fragment(partly.buffer)
        if self._with_images:
            groups = fragment.num_row_groups
            fragment = fragment.subset(filter=self.where, schema=self.schema)
            partly.read_images([group.id for group in fragment.row_groups], groups)
        return fragment


def read_row(file: Committed, row_group: int) -> dict[str, Any]:
    """Read the first row of a row group of a file with images, and no other images; errors as of `TableReader.read`."""
    if not file.chunks:
        data = file.read()
    else:
        partly = PartlyRead(file)
        data = partly.buffer
    with file.explained(), pq.ParquetFile(data) as parquet:
        if file.chunks:
            partly.read_images([row_group], parquet.num_row_groups)
        row: dict[str, Any] = parquet.read_row_group(row_group).to_pylist()[0]
        return row


def read_schema(file: Committed) -> pa.Schema:
    """Read the schema of a file; errors as of `TableReader.read`."""
    data = file.read()
    with file.explained():
        return pq.read_schema(data)
