"""The sizes in the footer of a user's Parquet file.

They are read without pyarrow, whose metadata end the process where a damaged footer contradicts itself. The footer is a
struct of Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md);
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift numbers its fields.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from xray.core.uri import open_input

_MAX_FOOTER = 256_000_000
_MAX_DEPTH = 16
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = 1, 2, 3, 7, 8, 9, 10, 11, 12, 13
_WHOLE = (4, 5, 6)


class Chunk(NamedTuple):
    """The values of a column in a row group, or of one field of it.

    Args:
        path: names of the column and its fields, with points between them.
        values: number of values, also missing ones.
        packed: bytes in the file.
        unpacked: bytes when unpacked.
        nulls: number of missing values; None: not counted.
    """

    path: str
    values: int
    packed: int
    unpacked: int
    nulls: int | None

    def is_of(self, column: str) -> bool:
        """Return whether it belongs to a column."""
        return f"{self.path}.".startswith(f"{column}.")


class Footer(NamedTuple):
    """What a footer says of sizes.

    Args:
        bytes: size of the file.
        row_groups: the chunks of each.
    """

    bytes: int
    row_groups: tuple[tuple[Chunk, ...], ...]

    def chunks(self, group: int, column: str) -> list[Chunk]:
        """Return the chunks of a column in a row group."""
        return [one for one in self.row_groups[group] if one.is_of(column)]


def read_footer(uri: str) -> Footer:
    """Read the footer of a Parquet file.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is no Parquet file, or its footer is damaged or encrypted.
    """
    store, path = open_input(uri)
    info = store.get_file_info(path)
    return _footer(uri, int(info.size or 0), info.mtime_ns)


@functools.lru_cache(maxsize=4)
def _footer(uri: str, size: int, changed: int | None) -> Footer:
    store, path = open_input(uri)
    with store.open_input_file(path) as stream:
        tail = stream.read_at(8, max(0, size - 8))
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != b"PAR1" or not length <= min(_MAX_FOOTER, size - 8):
            raise ValueError(f"no footer of a Parquet file at its end, but {tail!r}")
        fields = _Thrift(stream.read_at(length, size - 8 - length)).struct()
    return Footer(size, tuple(tuple(map(_chunk, group[1])) for group in fields[4]))


def _chunk(fields: dict[int, Any]) -> Chunk:
    about = fields[3]
    values, unpacked, packed = (int(about[field]) for field in (5, 6, 7))
    nulls = about.get(12, {}).get(3)
    if min(values, unpacked, packed) < 0:
        raise ValueError("negative sizes")
    return Chunk(b".".join(about[3]).decode("utf-8", "replace"), values, packed, unpacked, nulls)


class _Thrift:
    """A parser of Thrift's compact protocol: structs are dicts by number of the field."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position, self._depth = data, 0, 0

    def struct(self) -> dict[int, Any]:
        """Read a struct."""
        fields, last = dict[int, Any](), 0
        while head := self._byte():
            last = last + (head >> 4) if head >> 4 else self._whole()
            fields[last] = (head & 15) == _TRUE if head & 15 in (_TRUE, _FALSE) else self._value(head & 15)
        return fields

    def _byte(self) -> int:
        if self._position >= len(self._data):
            raise ValueError("the footer ends early")
        self._position += 1
        return self._data[self._position - 1]

    def _bytes(self, count: int) -> bytes:
        if count > len(self._data) - self._position:
            raise ValueError("the footer ends early")
        self._position += count
        return self._data[self._position - count : self._position]

    def _natural(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits in the footer")

    def _whole(self) -> int:
        value = self._natural()
        return value >> 1 ^ -(value & 1)

    def _value(self, kind: int) -> Any:
        if kind in _WHOLE:
            return self._whole()
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind == _BINARY:
            return self._bytes(self._natural())
        if kind in (_DOUBLE, _UUID):
            return self._bytes(8 if kind == _DOUBLE else 16)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ValueError("the footer is nested too deeply")
        value = self.struct() if kind == _STRUCT else self._items(kind)
        self._depth -= 1
        return value

    def _items(self, kind: int) -> list[Any]:
        """Read a list, a set, or the keys and values of a map."""
        if kind == _MAP:
            count = self._natural()
            kinds = self._byte() if count else 0
            return [self._value(one) for _ in range(self._possible(count)) for one in (kinds >> 4, kinds & 15)]
        if kind not in (_LIST, _SET):
            raise ValueError(f"a field of the unknown type {kind} in the footer")
        head = self._byte()
        count = self._natural() if head >> 4 == 15 else head >> 4
        return [self._value(head & 15) for _ in range(self._possible(count))]

    def _possible(self, count: int) -> int:
        """Return a number of items, each of which takes a byte at least."""
        if count > len(self._data) - self._position:
            raise ValueError("the footer ends early")
        return count
