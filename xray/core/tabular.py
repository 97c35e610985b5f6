"""Read users' tables by path or URI: CSV, text of spreadsheets, or Parquet. Text stays text."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from xray.core.errors import MALFORMED, ConfigError, StorageError, problem_of, unknown
from xray.core.numbers import parse_numbers
from xray.core.progress import readable_bytes
from xray.core.table_files import check_unpacked, open_table
from xray.core.text import decode_text, printable
from xray.core.uri import base_name, open_input, to_uri

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
_PARQUET = (".parquet", ".pq")
_EXCEL = (".xlsx", ".xls", ".xlsm", ".ods")
_HEAD_ROWS, _HEAD = 20, 65_536
_MAX_TEXT = 1 << 28
"""Bytes of text, unpacked: the text of seven million predictions."""
_MAX_ROWS = 20_000_000
"""Of a row group of a Parquet file, if the file has fewer bytes."""


def read_table(location: str, texts: Sequence[str], numbers: Sequence[str], percent: float = 0.01) -> pd.DataFrame:
    """Read columns of a table; its rows are numbered from 1, without the heading.

    A text table (`.csv`, `.tsv`, `.tab`, `.txt`, also `.gz`; see `xray.core.text` for encodings) is separated by what
    its name says, or by semicolons, tabs, commas or `|`. `texts` are read exactly as written, so that `01` is not `1`,
    and `NA` is a name; only an empty cell is missing. `numbers` are read as people write them, see
    `xray.core.numbers`. Rows of nothing at the end are left out. The types of a Parquet file are kept.

    Args:
        location: path or URI (`s3://`, `gs://`).
        texts: columns of categories.
        numbers: columns of numbers; one that holds text stays text.
        percent: the number that 1% is.

    Raises:
        ConfigError: no such file or column, a duplicate column, a heading that is not the first line, one column per
            category, or a file that is not what its name says.
        StorageError: an object store fails.
    """
    uri, suffix = to_uri(location), _suffix(location)
    wanted = Wanted(location, tuple(texts), tuple(name for name in numbers if name not in texts))
    with _explained(location, suffix):
        table = _parquet(uri, wanted) if suffix in _PARQUET else _delimited(uri, _DELIMITERS[suffix], wanted)
    frame = _with_numbers(table, wanted.numbers, percent)
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1))


def read_heading(location: str) -> list[str]:
    """Return the names of a table's columns, in order; of text the cells of the first line.

    Args:
        location: as for `read_table`.

    Raises:
        ConfigError: no such file, or it is not what its name says.
        StorageError: an object store fails.
    """
    uri, suffix = to_uri(location), _suffix(location)
    with _explained(location, suffix):
        if suffix in _PARQUET:
            with open_table(uri) as file:
                return list(file.schema_arrow.names)
        text, declared = _text_of(uri, location)
        marks = [declared] if declared else dict.fromkeys([_DELIMITERS[suffix], ";", "\t", ",", "|"])
        rows = [next(_rows(text[:_HEAD], mark))[1] for mark in marks]
        return [name.strip() for name in max(rows, key=len)]


def _suffix(location: str) -> str:
    """Return the suffix that says what kind of table a file is."""
    name = base_name(to_uri(location))
    suffix = PurePosixPath(name.lower().removesuffix(".gz")).suffix
    if suffix in _EXCEL:
        raise _workbook(location)
    if suffix not in (*_DELIMITERS, *_PARQUET):
        raise unknown("kind of table", suffix or name, (*_DELIMITERS, *_PARQUET))
    return suffix


@contextlib.contextmanager
def _explained(location: str, suffix: str) -> Iterator[None]:
    """Turn what may be wrong with a file into a ConfigError."""
    try:
        yield
    except StorageError:
        raise
    except FileNotFoundError as error:
        raise ConfigError(f"no file {location!r}") from error
    except ConfigError:
        raise
    except MALFORMED as error:
        raise ConfigError(f"cannot read {location!r} as {suffix[1:]}: {problem_of(error)}") from error


@dataclass(frozen=True)
class Wanted:
    """The columns to read from a table: categories and numbers."""

    location: str
    texts: tuple[str, ...]
    numbers: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """All columns, each once."""
        return list(dict.fromkeys([*self.texts, *self.numbers]))

    def problem(self, names: Sequence[str], numeric: Sequence[str], read: str) -> ConfigError | None:
        """Return what is wrong with the heading of a table: a column is missing or appears twice; None if nothing.

        Args:
            names: its columns.
            numeric: those of numbers.
            read: the call of pandas that reads the file.
        """
        lacking = [name for name in self.columns if name not in names]
        values = [name for name in numeric if name not in self.columns]
        factors = [name for name in lacking if name in self.texts]
        if len(lacking) == 2 and len(factors) == 1 and len(values) > 1:
            return self._wide(factors[0], [name for name in names if name and name not in values], values, read)
        if lacking:
            return unknown("column", lacking[0], filter(None, names))
        twice = [name for name in self.columns if list(names).count(name) > 1]
        return ConfigError(f"column {twice[0]!r} appears twice") if twice else None

    def _wide(self, factor: str, kept: list[str], values: list[str], read: str) -> ConfigError:
        response = next(name for name in self.numbers if name not in kept)
        call = f"pandas.{read.format(self.location)}.melt({kept}, {values}, {factor!r}, {response!r})"
        return ConfigError(
            f"{self.location!r} has no columns {factor!r} and {response!r}, but {', '.join(values)}. If these are "
            f"values of {factor!r}, bring them into one column: "
            f"python -c \"import pandas; {call}.to_csv('long.csv', index=False)\""
        )


def _parquet(uri: str, wanted: Wanted) -> pa.Table:
    with open_table(uri) as file:
        schema = file.schema_arrow
        numeric = [
            field.name for field in schema if pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
        ]
        if problem := wanted.problem(schema.names, numeric, "read_parquet({!r})"):
            raise problem
        for name in wanted.columns:
            if pa.types.is_nested(schema.field(name).type):
                raise ConfigError(
                    f"column {name!r} of {wanted.location!r} holds {schema.field(name).type}: one text or number a row "
                    "is needed"
                )
        for group in range(file.num_row_groups):
            check_unpacked(uri, group, wanted.columns, _MAX_ROWS)
        table = file.read(columns=wanted.columns).select(wanted.columns)
    return table.cast(pa.schema([field.with_type(_as_text(field.type)) for field in table.schema]))


def _as_text(kind: pa.DataType) -> pa.DataType:
    """Return the type in which a column is read: bytes are UTF-8 text."""
    is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    return pa.string() if is_bytes else kind


def _text_of(uri: str, location: str) -> tuple[str, str | None]:
    """Return the text of a table, and the delimiter if the file declares one."""
    store, path = open_input(uri)
    with store.open_input_stream(path) as stream:
        data = stream.read(_MAX_TEXT + 1)
    if len(data) > _MAX_TEXT:
        raise ConfigError(
            f"{location!r} has more than {readable_bytes(_MAX_TEXT)} of text: save the columns that you need as Parquet"
        )
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise _workbook(location)
    try:
        text = decode_text(data)
    except ValueError as error:
        raise ConfigError(f"cannot read {location!r}: {error}") from error
    declared = re.match(r'"?sep=(.)"?\r?\n', text)  # the first line that Excel writes and reads
    text = text[declared.end() :] if declared else text
    if not text.strip():
        raise ConfigError(f"{location!r} is empty")
    return text, declared[1] if declared else None


def _delimited(uri: str, delimiter: str, wanted: Wanted) -> pa.Table:
    text, declared = _text_of(uri, wanted.location)
    delimiter = declared or delimiter
    delimiter = _check_heading(text, delimiter, wanted)
    text = _without_empty_end(text, delimiter)
    heading = next(_rows(text, delimiter))[1]
    used = [name for name in heading if name.strip() in wanted.columns]
    table = arrow_csv.read_csv(
        io.BytesIO(text.encode()),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(used, pa.string()), include_columns=used, null_values=[""],
            strings_can_be_null=True,
        ),
    )  # fmt: skip
    return table.rename_columns([name.strip() for name in used]).select(wanted.columns)


def _without_empty_end(text: str, delimiter: str) -> str:
    """Remove the lines at the end that have nothing but delimiters."""
    empty = rf"[\s{re.escape(delimiter)}]"
    end = re.search(rf"(?<!{empty}){empty}*+\Z", text)
    first = end and re.search(r"[\r\n]", end[0])
    return f"{text[: end.start() + first.start()]}\n" if end and first else text


def _check_heading(text: str, delimiter: str, wanted: Wanted) -> str:
    """Return the delimiter of the heading that has all columns, or explain why there is none."""
    head = text[:_HEAD]
    delimiters = dict.fromkeys([delimiter, ";", "\t", ",", "|"])
    for candidate in delimiters:
        for line, row in itertools.islice(_rows(head, candidate), _HEAD_ROWS):
            names = [name.strip() for name in row]
            if set(wanted.columns) <= set(names):
                first, cells = next(_rows(head, candidate))
                if line != first:
                    raise ConfigError(
                        f"the heading of {wanted.location!r} is line {line}: delete the lines above it, which begin "
                        f"with {printable(candidate.join(cells), 60)!r}"
                    )
                if problem := wanted.problem(names, (), ""):
                    raise problem
                return candidate
    raise _no_heading(head, delimiters, wanted)


def _no_heading(head: str, delimiters: Iterable[str], wanted: Wanted) -> ConfigError:
    """Explain which columns are missing, from the row that looks most like the heading."""
    heads = {
        mark: [[cell.strip() for cell in row] for _, row in itertools.islice(_rows(head, mark), _HEAD_ROWS)]
        for mark in delimiters
    }

    def known(row: list[str]) -> int:
        return len({*row} & {*wanted.columns})

    nearest = max(heads, key=lambda mark: (max(map(known, heads[mark])), len(heads[mark][0])))
    names = max(heads[nearest], key=known)
    rows = heads[nearest][heads[nearest].index(names) + 1 :]
    numeric = [name for name, cell in zip(names, rows[0] if rows else (), strict=False) if _is_number(cell)]
    read = "read_csv({!r})" if nearest == "," else f"read_csv({{!r}}, sep={nearest!r})"
    return wanted.problem(names, numeric, read) or ConfigError(f"{wanted.location!r} has no heading")


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, with the number of their line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    yield from ((reader.line_num, row) for row in reader if row)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?[\d.,\s]*\d\s?%?", text))


def _with_numbers(table: pa.Table, numbers: Sequence[str], percent: float) -> pd.DataFrame:
    """Return a table with the texts of columns of numbers parsed."""
    texts = []
    for name in numbers:
        index, kind = table.column_names.index(name), table.schema.field(name).type
        if pa.types.is_boolean(kind) or pa.types.is_null(kind) or pa.types.is_decimal(kind):
            table = table.set_column(index, name, table[name].cast(pa.float64()))
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            texts.append(name)
    plain = {name: _plain_numbers(table[name]) for name in texts}
    frame: pd.DataFrame = table.to_pandas()
    if all(column is not None for column in plain.values()):
        return frame.assign(**{name: column.to_pandas() for name, column in plain.items() if column is not None})
    return frame.assign(**parse_numbers({name: frame[name] for name in texts}, percent))


def _plain_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Cast text to numbers, a hundred times as fast as the parser; None if it is not all digits and points."""
    for kind in (pa.int64(), pa.float64()):
        with contextlib.suppress(pa.ArrowInvalid):
            return column.cast(kind)
    return None


def _workbook(location: str) -> ConfigError:
    return ConfigError(
        f"{location!r} is a workbook, not text: save the sheet as 'CSV UTF-8', or write "
        f"python -c \"import pandas; pandas.read_excel({location!r}).to_csv('table.csv', index=False)\""
    )
