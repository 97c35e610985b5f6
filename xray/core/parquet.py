"""Tables as Parquet files in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import groupby

import pyarrow as pa
import pyarrow.parquet as pq

from xray.core import schema
from xray.core.errors import DamagedError, XrayError
from xray.core.uri import location, translate_errors


def to_parquet(table: pa.Table, row_groups: Sequence[int] | None = None) -> bytes:
    """Encode a table as a Parquet file, its images uncompressed; equal tables give equal bytes.

    `row_groups`: number of rows of each; default: one row group.
    """
    images = {field.name for field in table.schema if field.type == schema.IMAGE}
    leaves = [
        f"{field.name}.{leaf}" if field.name in images else field.name
        for field in table.schema
        for leaf in (("bytes", "path") if field.name in images else ("",))
    ]
    compact = [name for name in leaves if not name.endswith(".bytes")]
    sink = BytesIO()  # Arrow's own streams would be copied
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression={name: "zstd" if name in compact else "none" for name in leaves},
        use_dictionary=compact,
        write_statistics=compact,
    ) as writer:
        start = 0
        for rows in row_groups or [len(table)]:
            writer.write_table(table.slice(start, rows), row_group_size=max(rows, 1))
            start += rows
    return sink.getvalue()


@contextlib.contextmanager
def reading(uri: str, mend: str = "`xray verify RUN` lists all damage") -> Iterator[None]:
    """Convert the errors of reading a committed file; `mend` says what to do if it is damaged.

    Raises:
        DamagedError: it is missing, or not as it was written.
        UnreachableError: the store does not answer, or denies access.
    """
    try:
        with translate_errors(uri):
            yield
    except XrayError:
        raise
    except FileNotFoundError as error:
        raise DamagedError(f"{location(uri)} is missing; {mend}") from error
    except (OSError, pa.ArrowException) as error:
        cause = " ".join(str(error).split())
        raise DamagedError(f"{location(uri)} is damaged ({cause}); {mend}") from error


def column_problem(found: pa.Schema, expected: pa.Schema) -> str | None:
    """Say which column that is never null a table lacks, or has with another type; None if there is none.

    >>> column_problem(pa.schema([("a", pa.int8())]), pa.schema([pa.field("a", pa.string(), nullable=False)]))
    "its column 'a' is of type int8 instead of string"
    """
    for field in expected:
        if field.nullable:
            continue
        if field.name not in found.names:
            return f"it has no column {field.name!r}"
        if (kind := found.field(field.name).type) != field.type:
            return f"its column {field.name!r} is of type {kind} instead of {field.type}"
    return None


def consecutive(values: pa.ChunkedArray) -> list[int]:
    """Lengths of the runs of equal values, in order.

    >>> consecutive(pa.chunked_array([["a", "a", "b", "a"]]))
    [2, 1, 1]
    """
    return [len(list(run)) for _, run in groupby(values.to_pylist())]
