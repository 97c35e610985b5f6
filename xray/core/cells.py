"""Read one cell of a Parquet file: bytes, paths of files, or lists of these."""

from __future__ import annotations

import contextlib
import functools
import posixpath
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pyarrow as pa

from xray.core.errors import MALFORMED, ConfigError, Rejected, problem_of
from xray.core.parquet_footer import read_footer
from xray.core.parts import pack, single
from xray.core.table_files import check_unpacked, open_table
from xray.core.uri import join, short_name, to_uri

Reader = Callable[[str], bytes]

_ONE_READER = threading.Lock()
_MAX_VALUES = 32_000_000
"""Of a row group of images that are lists of numbers, if its file has fewer bytes."""
_SPARE = 256_000_000
"""Bytes of values that are held beyond what a column unpacks to: rows of a dictionary may share one large value."""


class _Column:
    """The values of a column of a row group, read as far as they are asked for.

    Args:
        uri: of the file.
        row_group: its row group.
        column: name of the column.

    Raises:
        Rejected: too_large: it would unpack to far more than the file holds.
    """

    def __init__(self, uri: str, row_group: int, column: str) -> None:
        self._file = open_table(uri)
        if column not in self._file.schema_arrow.names:
            raise KeyError(column)
        check_unpacked(uri, row_group, [column], _MAX_VALUES)
        self._of, self._rows = (row_group, column), self._file.metadata.row_group(row_group).num_rows
        self._limit = _SPARE + sum(one.unpacked for one in read_footer(uri).chunks(row_group, column))
        self._restart()

    def _restart(self) -> None:
        self._batches = self._file.iter_batches(1, row_groups=[self._of[0]], columns=[self._of[1]])
        self._first, self._bytes = 0, 0
        self._values = deque[pa.Array]()
        self._problem = "the row group ends early"

    def value(self, row: int) -> Any:
        """Return the value of a row; IndexError if there is no such row."""
        if not 0 <= row < self._rows:
            raise IndexError(row)
        if row < self._first:
            self._restart()
        while self._first + len(self._values) <= row:
            array = self._next()
            self._values.append(array)
            self._bytes += array.nbytes
            while self._bytes > self._limit and len(self._values) > 1:
                self._bytes -= self._values.popleft().nbytes
                self._first += 1
        return self._values[row - self._first][0].as_py()

    def _next(self) -> pa.Array:
        """Read a row; ValueError where the file is damaged, also for all rows behind that."""
        try:
            return next(self._batches).column(0)
        except StopIteration as error:
            raise ValueError(self._problem) from error
        except MALFORMED as error:
            self._problem = problem_of(error)
            raise ValueError(self._problem) from error


@functools.lru_cache(maxsize=2)  # a photograph and its mask may be two columns of one row
def _read_column(uri: str, row_group: int, column: str) -> _Column:
    return _Column(uri, row_group, column)


def read_cell(uri: str, read: Reader) -> bytes:
    """Read the bytes of a cell (see `xray.core.uri.cell_uri`); several of a list are packed (`xray.core.parts`).

    A path is relative to the folder of the Parquet file, or to the folder above it.

    Args:
        uri: of the cell.
        read: reads a file that a path leads to.

    Raises:
        FileNotFoundError, IndexError: the cell, or the item of its list, is empty.
        Rejected: missing_file: the path leads nowhere; too_large: the column unpacks to far more than the file holds.
        Exception: the file is damaged; see `xray.core.errors.MALFORMED`.
    """
    file, _, fragment = uri.partition("#")
    cell = parse_qs(fragment)
    column = cell["column"][0]
    with _ONE_READER:  # threads that read neighbouring cells would all read the same row group
        value = _read_column(file, int(cell["row_group"][0]), column).value(int(cell["row"][0]))
    if "item" in cell and isinstance(value, list):
        value = value[int(cell["item"][0])]
    contents = [_content(item, file, read) for item in _items(value) if item is not None]
    if not contents:
        raise FileNotFoundError(uri)
    return single(contents[0]) if len(contents) == 1 else pack(contents)


def _items(value: Any) -> list[Any]:
    """Return the images in a cell: a list has several, unless it is one of numbers, the bytes of an image."""
    if isinstance(value, dict):
        value = value.get("path") if value.get("bytes") is None else value["bytes"]
    if isinstance(value, list) and not (value and isinstance(value[0], int)):
        return [one for item in value for one in _items(item)]
    return [value]


def _content(value: Any, file: str, read: Reader) -> bytes:
    if isinstance(value, str):
        return _read_path(value, file, read)
    if not isinstance(value, bytes | list):
        raise ValueError(f"an image that is {value!r:.40}")
    return bytes(value)


def _read_path(path: str, file: str, read: Reader) -> bytes:
    for uri in _places(path, file):
        try:
            return read(uri)
        except Rejected as verdict:
            if verdict.reason != "missing_file":
                raise
    web = "; images of the web are not downloaded" if path.startswith(("http://", "https://")) else ""
    raise Rejected("missing_file", f"{path!r}, named in {short_name(file)}{web}")


def _places(path: str, file: str) -> Iterator[str]:
    """Yield where the file of a path may be."""
    if path.startswith(("http://", "https://", "data:")):
        return
    with contextlib.suppress(ConfigError):
        if "://" in path or path.startswith("/"):
            yield to_uri(path)
            return
        names = [name for name in path.replace("\\", "/").split("/") if name not in ("", ".")]
        location, mark, query = file.partition("?")
        for folder in (posixpath.dirname(location), posixpath.dirname(posixpath.dirname(location))):
            yield join(folder + mark + query, *names)
