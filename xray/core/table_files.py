"""Parquet files of users: what would unpack to far more than the file holds is refused from the metadata.

Text is read as dictionaries, so that a value that a file holds once is held once, however many rows have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xray.core.errors import Rejected
from xray.core.parquet_footer import read_footer
from xray.core.progress import readable_bytes
from xray.core.uri import open_input

Rows = list[tuple[int, dict[str, Any]]]
"""The numbers of some rows in their row group, with their values by column."""

_BATCH = 8192
_MAX_TEXT = 4096
"""Bytes of a label, an id or a path."""
_MAX_UNPACKED, _MAX_RATIO = 256_000_000, 20
"""Bytes that a column of a row group may unpack to whatever its size; and the most by which photographs compress."""
_MAX_VALUES = 100_000
"""Values of a column of a row group, if its file has fewer bytes: a photograph takes at least one."""


def open_table(uri: str) -> pq.ParquetFile:
    """Open a Parquet file; a StorageError for a pipe or a device.

    Raises:
        FileNotFoundError: there is no file.
        Exception: it is none; see `xray.core.errors.MALFORMED`.
    """
    store, path = open_input(uri)
    return pq.ParquetFile(path, filesystem=store)


def check_unpacked(uri: str, group: int, columns: Sequence[str], max_values: int = _MAX_VALUES) -> None:
    """Refuse columns of a row group that would unpack to far more than the file holds.

    Args:
        uri: of the file.
        group: its row group.
        columns: to be read.
        max_values: maximum number of values, if the file has fewer bytes.

    Raises:
        Rejected: too_large.
        ValueError: the footer is damaged.
    """
    footer = read_footer(uri)
    for chunk in (one for column in columns for one in footer.chunks(group, column)):
        where = f"row group {group}, column {chunk.path!r}"
        limit = max(_MAX_UNPACKED, _MAX_RATIO * chunk.packed)
        if chunk.unpacked > limit:
            raise Rejected(
                "too_large",
                f"{where} would unpack {readable_bytes(chunk.packed)} to {readable_bytes(chunk.unpacked)}, at most "
                f"{readable_bytes(limit)}: write smaller row groups",
            )
        if chunk.values > max(max_values, footer.bytes):
            raise Rejected(
                "too_large", f"{where} has {chunk.values:,} values in a file of {readable_bytes(footer.bytes)}"
            )


def read_batches(
    uri: str, file: pq.ParquetFile, group: int, columns: Sequence[str]
) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """Yield the rows of a row group, a few thousand at a time, as plain values.

    Raises:
        Rejected: too_large: columns that would unpack to far more than the file holds, or text that is no label or id.
        Exception: the row group is damaged; see `xray.core.errors.MALFORMED`.
    """
    check_unpacked(uri, group, columns)
    store, path = open_input(uri)
    leaf_columns = [file.schema.column(index) for index in range(len(file.schema))]
    texts = [one.path for one in leaf_columns if one.physical_type == "BYTE_ARRAY"]
    with pq.ParquetFile(path, filesystem=store, metadata=file.metadata, read_dictionary=texts) as compact:
        start = 0
        for batch in compact.iter_batches(_BATCH, row_groups=[group], columns=list(columns)):
            arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
            if (longest := max(map(_longest, arrays.values()), default=0)) > _MAX_TEXT:
                raise Rejected("too_large", f"row group {group} has a label or id of {readable_bytes(longest)}")
            values = {name: array.to_pylist() for name, array in arrays.items()}
            yield [(start + row, {name: some[row] for name, some in values.items()}) for row in range(len(batch))]
            start += len(batch)


def _longest(array: pa.Array) -> int:
    """Return the bytes of the longest text in an array, also in its lists and structs."""
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_struct(array.type):
        return max(map(_longest, array.flatten()), default=0)
    if pa.types.is_nested(array.type):
        return _longest(array.flatten())
    kinds = ("is_string", "is_large_string", "is_binary", "is_large_binary")
    is_text = any(getattr(pa.types, kind)(array.type) for kind in kinds)
    return (pc.max(pc.binary_length(array)).as_py() or 0) if is_text else 0
