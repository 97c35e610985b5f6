"""Files inside a Qt resource file (`.rcc`), which Qt's tool `rcc --binary` writes.

The format: a header, a tree of fixed records, names in UTF-16, and blocks of data, all numbers big-endian. Files that
rcc compressed are left out: it compresses text, not photographs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from xray.core.errors import ConfigError

_MAGIC = b"qres"
_HEADER = struct.Struct(">4s4I")  # magic; version, positions of tree, data and names
_RECORD_BYTES = {1: 14, 2: 22, 3: 22}  # by version; since 2 with the time of change
_FOLDER = struct.Struct(">IHII")  # position of the name, flags, number of children, number of the first child
_FILE = struct.Struct(">IH4xI")  # position of the name, flags, (country and language), position of the data
_COMPRESSED, _IS_FOLDER = 0b101, 0b010


def read_resources(data: bytes) -> dict[str, bytes]:
    """Return the uncompressed files in a Qt resource file by path, such as `/photos/fox.webp`.

    Args:
        data: of a trusted file: a hostile one could list its folders within each other.

    Raises:
        ConfigError: it is no Qt resource file of a known version, or cut off.
    """
    magic, version, tree, blocks, names = _HEADER.unpack(data[: _HEADER.size].ljust(_HEADER.size, b"\0"))
    if magic != _MAGIC or version not in _RECORD_BYTES:
        raise ConfigError(f"no Qt resource file of version 1, 2 or 3: it begins with {data[:8]!r}")
    try:
        return dict(_Resources(data, tree, blocks, names, _RECORD_BYTES[version]).files(0, ""))
    except struct.error as error:
        raise ConfigError(f"damaged Qt resource file of {len(data):,} bytes: {error}") from error


@dataclass(frozen=True)
class _Resources:
    data: bytes
    tree: int
    blocks: int
    names: int
    record_bytes: int

    def files(self, record: int, path: str) -> Iterator[tuple[str, bytes]]:
        """Yield the files below a record of the tree, which has this path."""
        start = self.tree + record * self.record_bytes
        _, flags, children, first = _FOLDER.unpack_from(self.data, start)
        if flags & _IS_FOLDER:
            for child in range(first, first + children):
                yield from self.files(child, f"{path}/{self._name(child)}")
        elif not flags & _COMPRESSED:
            yield path, self._block(_FILE.unpack_from(self.data, start)[-1])

    def _name(self, record: int) -> str:
        """Return a name: its number of UTF-16 units, a hash of four bytes, and the units."""
        (position,) = struct.unpack_from(">I", self.data, self.tree + record * self.record_bytes)
        (units,) = struct.unpack_from(">H", self.data, self.names + position)
        (name,) = struct.unpack_from(f"{2 * units}s", self.data, self.names + position + 6)
        return bytes(name).decode("utf-16-be", "replace")

    def _block(self, position: int) -> bytes:
        (size,) = struct.unpack_from(">I", self.data, self.blocks + position)
        (block,) = struct.unpack_from(f"{size}s", self.data, self.blocks + position + 4)
        return bytes(block)
