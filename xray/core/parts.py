"""Several files as one: their URIs are joined by spaces, their bytes are packed one after the other."""

from __future__ import annotations

from collections.abc import Iterable

_MAGIC = b"\x00parts\x00"
_SIZE = 8


def join_uris(uris: Iterable[str]) -> str:
    """Join URIs to one; `xray.core.files.read_bytes` then returns the packed files. URIs contain no spaces.

    >>> split_uri(join_uris(["file:///a.png", "file:///b.png"]))
    ['file:///a.png', 'file:///b.png']
    """
    return " ".join(uris)


def split_uri(uri: str) -> list[str]:
    """Return the URIs that were joined; a single URI is a list of one."""
    return uri.split(" ")


def pack(files: Iterable[bytes]) -> bytes:
    """Pack the contents of several files.

    >>> unpack(pack([b"one", b""])), unpack(b"a plain file")
    ([b'one', b''], [b'a plain file'])
    """
    return _MAGIC + b"".join(len(data).to_bytes(_SIZE, "big") + data for data in files)


def single(data: bytes) -> bytes:
    """Return the content of one file; packed, if it begins as packed files do, so that it is not taken for several.

    >>> unpack(single(pack([b"one", b"two"])))[1:]
    []
    """
    return pack([data]) if data.startswith(_MAGIC) else data


def unpack(data: bytes) -> list[bytes]:
    """Return the contents of the files in packed bytes; other bytes are those of one file."""
    if not data.startswith(_MAGIC):
        return [data]
    files, start = [], len(_MAGIC)
    while start < len(data):
        end = start + _SIZE + int.from_bytes(data[start : start + _SIZE], "big")
        files.append(data[start + _SIZE : end])
        start = end
    return files
