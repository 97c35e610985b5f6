"""Read users' tables by path or URI: CSV, TSV or Parquet. Text stays text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from xray.core.errors import ConfigError, StorageError, unknown
from xray.core.uri import base_name, open_store, to_uri

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_PARQUET = (".parquet", ".pq")
_NO_NUMBER = ("", "NA", "NaN", "nan")


def read_table(location: str, texts: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """Read columns of a table; its rows are numbered from 1, without the heading.

    A CSV or TSV (UTF-8, also compressed as `.gz`) has no types: `texts` are read exactly as written, so that `01` is
    not `1`, and `NA` is a name; only an empty cell is missing. In `numbers`, `NA` and `NaN` are missing too. The types
    of a Parquet file are kept.

    Args:
        location: path or URI (`s3://`, `gs://`).
        texts: columns of categories.
        numbers: columns of numbers; one that holds text stays text.

    Raises:
        ConfigError: no such file or column, a duplicate column, or a file that is not what its name says.
        StorageError: an object store fails.
    """
    uri = to_uri(location)
    suffix = PurePosixPath(base_name(uri).lower().removesuffix(".gz")).suffix
    if suffix not in (*_DELIMITERS, *_PARQUET):
        raise unknown("kind of table", suffix or base_name(uri), (*_DELIMITERS, *_PARQUET))
    columns = list(dict.fromkeys([*texts, *numbers]))
    try:
        table = _parquet(uri, columns) if suffix in _PARQUET else _delimited(uri, _DELIMITERS[suffix], texts, columns)
    except StorageError:
        raise
    except FileNotFoundError as error:
        raise ConfigError(f"no file {location!r}") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {location!r} as {suffix[1:]}: {str(error).splitlines()[0]}") from error
    for index, name in enumerate(columns):
        if name not in texts and (pa.types.is_boolean(table[name].type) or pa.types.is_null(table[name].type)):
            table = table.set_column(index, name, table[name].cast(pa.float64()))
    frame: pd.DataFrame = table.to_pandas()
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1))


def _parquet(uri: str, columns: list[str]) -> pa.Table:
    store, path = open_store(uri)
    with pq.ParquetFile(path, filesystem=store) as file:
        _check(file.schema_arrow.names, columns)
        return file.read(columns=columns).select(columns)


def _delimited(uri: str, delimiter: str, texts: Sequence[str], columns: list[str]) -> pa.Table:
    store, path = open_store(uri)
    with store.open_input_stream(path) as stream:
        table = csv.read_csv(
            stream,
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(texts, pa.string()), null_values=_NO_NUMBER, strings_can_be_null=False
            ),
        )
    _check(table.column_names, columns)
    table = table.select(columns)
    for index, name in enumerate(columns):
        if pa.types.is_string(table[name].type):
            filled = pc.if_else(pc.equal(table[name], ""), pa.scalar(None, pa.string()), table[name])
            table = table.set_column(index, name, filled)
    return table


def _check(names: Sequence[str], columns: Sequence[str]) -> None:
    for name in columns:
        if name not in names:
            raise unknown("column", name, names)
        if list(names).count(name) > 1:
            raise ConfigError(f"column {name!r} appears twice")
