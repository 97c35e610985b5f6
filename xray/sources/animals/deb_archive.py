"""Files inside a Debian package: an `ar` archive that holds `data.tar`, compressed by xz or gzip; see deb(5)."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence

from xray.core.errors import ConfigError

_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60
_NAME, _SIZE = slice(16), slice(48, 58)


def read_archive(archive: bytes, paths: Sequence[str]) -> dict[str, bytes]:
    """Return files of a Debian package by path, such as `usr/share/doc/bash/copyright`.

    Raises:
        ConfigError: damaged, compressed in another way, or without one of these files.
    """
    data = next((data for name, data in _members(archive) if name.startswith("data.tar")), None)
    if data is None:
        raise ConfigError("no Debian package: it has no data.tar")
    wanted, found = set(paths), {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                path = member.name.removeprefix("./")
                if path in wanted and (stream := tar.extractfile(member)):
                    found[path] = stream.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ConfigError(f"damaged Debian package: {error}") from error
    if missing := sorted(wanted - found.keys()):
        raise ConfigError(f"the Debian package has no {', '.join(missing)}")
    return found


def _members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the members of an `ar` archive: 60 bytes of header, then the data, at even positions."""
    if not archive.startswith(_MAGIC):
        raise ConfigError(f"no Debian package: it begins with {archive[:8]!r}")
    start = len(_MAGIC)
    while start + _HEADER_BYTES <= len(archive):
        header = archive[start : start + _HEADER_BYTES]
        if not header[_SIZE].strip().isdigit():
            raise ConfigError("damaged Debian package: no size in the header of a member")
        size = int(header[_SIZE])
        start += _HEADER_BYTES
        yield header[_NAME].decode("ascii", "replace").rstrip(" /"), archive[start : start + size]
        start += size + size % 2
