"""Committed files: nothing is used of them that is not as it was committed.

A file's facts are recorded when it is committed. Most files are read and hashed whole. A Parquet file with images has
further hashes (`image_facts`): one of each column chunk of encoded images, and one of everything else. So columns
without images, and the images of single row groups, are checked without reading the whole file.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from xray.core import schema
from xray.core.errors import DamagedError
from xray.core.parquet import reading
from xray.core.uri import local_path, location, open_store

Chunk = tuple[int, int, str]
"""First byte of a column chunk, the byte after its last, and its hash."""

_BLOCK = 8_000_000
_checked: dict[str, tuple[int, int, str]] = {}
"""Modification time, size and sha256 of each file that this process has checked (`Committed.check_once`)."""


@dataclass(frozen=True)
class Committed:
    """A committed file.

    Args:
        uri: where it is.
        facts: what was recorded of it: `sha256`, `bytes`, and what `image_facts` adds. Nothing is compared with facts
            that an earlier version did not record.
        mend: what to do if it is damaged, for people.
        in_place: whether it is large: then it is hashed once, and read where it is.
    """

    uri: str
    facts: Mapping[str, Any]
    mend: str
    in_place: bool = False

    @property
    def chunks(self) -> Sequence[Chunk]:
        """The column chunks that hold encoded images, in the order of the file; empty if there are none."""
        chunks: Sequence[Chunk] = self.facts.get("chunks", ())
        return chunks

    def read(self) -> pa.Buffer:
        """Read the whole file.

        Raises:
            DamagedError: it is missing, or not as it was committed.
            UnreachableError: the store does not answer, or denies access.
        """
        with self.opened() as stream:
            data = stream.read_buffer()
        if self.chunks:  # their hash is many times faster than sha256
            content = memoryview(data)
            self.require(_hash_rest(content, self.chunks) == self.facts["rest"])
            for start, stop, recorded in self.chunks:
                self.require(xxhash.xxh3_64_hexdigest(content[start:stop]) == recorded)
        elif "sha256" in self.facts:
            self.require(hashlib.sha256(data).hexdigest() == self.facts["sha256"])
        return data

    def check_once(self) -> None:
        """Hash the whole file, unless this process has done so since it was written; see `read`."""
        with self.explained():
            store, path = open_store(self.uri)
            info = store.get_file_info(path)
            state = (info.mtime_ns or 0, info.size or 0, self.facts.get("sha256", ""))
            if _checked.get(self.uri) == state:
                return
        sha256 = hashlib.sha256()
        with self.opened() as stream:
            while block := stream.read(_BLOCK):
                sha256.update(block)
        self.require(sha256.hexdigest() == self.facts.get("sha256", sha256.hexdigest()))
        _checked[self.uri] = state

    @contextlib.contextmanager
    def opened(self) -> Iterator[pa.NativeFile]:
        """Open the file, which must have its recorded size."""
        with self.explained():
            store, path = open_store(self.uri)
            local = local_path(self.uri)
            self.require(local is None or not local.exists() or local.is_file())  # to open a pipe would wait for ever
            with store.open_input_file(path) as stream:
                self.require(stream.size() == self.facts.get("bytes", stream.size()))
                yield stream

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Convert the errors of reading the file; see `read`."""
        with reading(self.uri, self.mend):
            yield

    def require(self, intact: bool) -> None:
        """Raise a DamagedError unless the file is intact."""
        if not intact:
            raise DamagedError(f"{location(self.uri)} is not as it was committed; {self.mend}")


class PartlyRead:
    """A committed file with images, of which everything else is read and checked; images are zeros until `read_images`.

    Args:
        file: its facts have chunks.

    Raises:
        DamagedError: as for `Committed.read`.
    """

    def __init__(self, file: Committed) -> None:
        self.file = file
        with file.opened() as stream:  # of the recorded size, or no memory is taken for it
            self._content = np.zeros(file.facts["bytes"], np.uint8).data
            self._read(stream, _between(file.chunks, len(self._content)))
        file.require(_hash_rest(self._content, file.chunks) == file.facts["rest"])

    @property
    def buffer(self) -> pa.Buffer:
        """The file; `read_images` changes it in place."""
        return pa.py_buffer(self._content)

    def read_images(self, row_groups: Sequence[int], of: int) -> None:
        """Read and check the images of some row groups.

        Args:
            row_groups: their indices.
            of: number of all row groups of the file.
        """
        columns = len(self.file.chunks) // of
        chunks = [chunk for group in row_groups for chunk in self.file.chunks[columns * group : columns * (group + 1)]]
        with self.file.opened() as stream:
            self._read(stream, [(start, stop) for start, stop, _ in chunks])
        for start, stop, recorded in chunks:
            self.file.require(xxhash.xxh3_64_hexdigest(self._content[start:stop]) == recorded)

    def _read(self, stream: pa.NativeFile, ranges: Sequence[tuple[int, int]]) -> None:
        for start, stop in ranges:
            stream.seek(start)
            self.file.require(stream.readinto(self._content[start:stop]) == stop - start)


def image_facts(data: bytes, table_schema: pa.Schema) -> dict[str, Any]:
    """Describe a Parquet file with images for partial reads: `chunks` (see `Chunk`), and `rest`, a hash of all else.

    Args:
        data: the file.
        table_schema: of its table. Without image columns the result is empty.
    """
    leaves = [f"{field.name}.bytes" for field in table_schema if field.type == schema.IMAGE]
    if not leaves:
        return {}
    content = memoryview(data)
    footer = pq.read_metadata(pa.BufferReader(data))
    indices = [index for index in range(footer.num_columns) if footer.schema.column(index).path in leaves]
    chunks: list[Chunk] = []
    for group in range(footer.num_row_groups):
        for index in indices:
            column = footer.row_group(group).column(index)
            end = chunks[-1][1] if chunks else 0
            start = max(end, column.data_page_offset)  # which is 0 in a row group without rows
            stop = start + column.total_compressed_size
            chunks.append((start, stop, xxhash.xxh3_64_hexdigest(content[start:stop])))
    return {"rest": _hash_rest(content, chunks), "chunks": chunks}


def _hash_rest(content: memoryview, chunks: Sequence[Chunk]) -> str:
    rest = xxhash.xxh3_64()
    for start, stop in _between(chunks, len(content)):
        rest.update(content[start:stop])
    return rest.hexdigest()


def _between(chunks: Sequence[Chunk], size: int) -> list[tuple[int, int]]:
    """Return the ranges of bytes of a file that lie outside of its chunks."""
    starts = [0, *(stop for _, stop, _ in chunks)]
    stops = [*(start for start, _, _ in chunks), size]
    return [(start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop]
