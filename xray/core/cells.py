"""Read one cell of a Parquet file: bytes, paths of files, or lists of these."""

from __future__ import annotations

import contextlib
import functools
import posixpath
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pyarrow as pa
import pyarrow.parquet as pq

from xray.core.errors import ConfigError, Rejected
from xray.core.parts import pack
from xray.core.uri import join, open_store, short_name, to_uri

Reader = Callable[[str], bytes]

_ONE_READER = threading.Lock()


@functools.lru_cache(maxsize=2)  # a photograph and its mask may be two columns of one row
def _read_column(uri: str, row_group: int, column: str) -> pa.ChunkedArray:
    store, path = open_store(uri)
    with pq.ParquetFile(path, filesystem=store) as file:
        return file.read_row_group(row_group, columns=[column]).column(column)


def read_cell(uri: str, read: Reader) -> bytes:
    """Read the bytes of a cell (see `xray.core.uri.cell_uri`); several of a list are packed (`xray.core.parts`).

    A path is relative to the folder of the Parquet file, or to the folder above it.

    Args:
        uri: of the cell.
        read: reads a file that a path leads to.

    Raises:
        FileNotFoundError, IndexError: the cell, or the item of its list, is empty.
        Rejected: missing_file: the path leads nowhere.
    """
    file, _, fragment = uri.partition("#")
    cell = parse_qs(fragment)
    column = cell["column"][0]
    with _ONE_READER:  # threads that read neighbouring cells would all read the same row group
        values = _read_column(file, int(cell["row_group"][0]), column)
    value = values[int(cell["row"][0])].as_py()
    if "item" in cell and isinstance(value, list):
        value = value[int(cell["item"][0])]
    contents = [_content(item, file, read) for item in _items(value) if item is not None]
    if not contents:
        raise FileNotFoundError(uri)
    return contents[0] if len(contents) == 1 else pack(contents)


def _items(value: Any) -> list[Any]:
    """Return the images in a cell: a list has several, unless it is one of numbers, the bytes of an image."""
    if isinstance(value, dict):
        value = value.get("path") if value.get("bytes") is None else value["bytes"]
    if isinstance(value, list) and not (value and isinstance(value[0], int)):
        return [one for item in value for one in _items(item)]
    return [value]


def _content(value: Any, file: str, read: Reader) -> bytes:
    return _read_path(value, file, read) if isinstance(value, str) else bytes(value)


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
