"""URIs of local files and object stores.

They are percent-encoded, so that any file name, even one that is not valid UTF-8, is a plain string in a table.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, quote_from_bytes, unquote_to_bytes, urlencode, urlsplit

import pyarrow as pa
from pyarrow import fs

from xray.core.errors import ConfigError, StorageError, UnreachableError
from xray.core.listing import kind_of

IMAGE_SUFFIXES = (
    "jpg", "jpeg", "jpe", "jfif", "mpo", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic", "heif",
)  # fmt: skip
"""Of file names of photographs, in lower case."""
_SCHEMES = ("file", "s3", "gs", "gcs")
_SECRETS = ("key", "secret", "token", "password", "credential", "signature")


def to_uri(location: str | os.PathLike[str]) -> str:
    """Convert a location to a percent-encoded URI; a path becomes an absolute `file://` URI.

    Raises:
        ConfigError: the scheme is not supported, or the URI contains credentials.

    >>> to_uri("/data/a photo.jpg")
    'file:///data/a%20photo.jpg'
    """
    text = os.fspath(location)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return "file://" + quote_from_bytes(os.fsencode(Path(text).absolute()))
    if scheme not in _SCHEMES:
        raise ConfigError(
            f"cannot read {text!r}: unknown scheme {scheme!r}; write one of {', '.join(_SCHEMES)}, or a plain path"
        )
    path, mark, query = rest.partition("?")
    if not path.strip("/"):
        raise ConfigError(f"{text!r} names no folder: write {scheme}://{'' if scheme == 'file' else 'BUCKET'}/FOLDER")
    if "@" in path.partition("/")[0] or _has_secrets(query):
        raise ConfigError(
            f"a {scheme} URI must not contain credentials, since tables store it: set AWS_ACCESS_KEY_ID and the like"
        )
    return f"{scheme}://{quote(path.rstrip('/'), safe='/%')}{mark}{query}"


def _has_secrets(query: str) -> bool:
    pairs = [(name.lower(), value) for name, value in parse_qsl(query, keep_blank_values=True)]
    return any("@" in value or any(word in name for word in _SECRETS) for name, value in pairs)


def join(uri: str, *names: str) -> str:
    """The URI of something below a folder; names are quoted, and may be surrogate-escaped as those of files on disk.

    >>> join("s3://bucket/photos?region=eu-west-1", "red fox", "1.jpg")
    's3://bucket/photos/red%20fox/1.jpg?region=eu-west-1'

    Raises:
        ConfigError: a name leads elsewhere (it contains a slash, or is `.` or `..`).
    """
    for name in names:
        if "/" in name or name in ("", ".", ".."):
            raise ConfigError(f"{name!r} cannot be the name of a file or folder")
    folder, mark, query = uri.partition("?")
    root = folder.rstrip("/") if folder != "file:///" else "file://"
    return "/".join([root, *(quote_from_bytes(os.fsencode(name)) for name in names)]) + mark + query


def base_name(uri: str) -> str:
    """The decoded last part of a (first) URI, invalid UTF-8 replaced; empty for a cell of a table or inline data."""
    uri = uri.partition(" ")[0]
    if "#" in uri or uri.startswith("data:"):
        return ""
    return unquote_to_bytes(posixpath.basename(urlsplit(uri).path)).decode("utf-8", "replace")


def is_image(uri: str, suffixes: Collection[str] = IMAGE_SUFFIXES) -> bool:
    """Return True if a file name has one of the suffixes, in upper or lower case."""
    _, dot, suffix = base_name(uri).rpartition(".")
    return bool(dot) and suffix.lower() in suffixes


def short_name(uri: str) -> str:
    """The decoded last two parts of a URI's path, for people.

    >>> short_name("file:///data/photos/red%20fox/1.jpg")
    'red fox/1.jpg'
    """
    first, *others = uri.split(" ")  # see `xray.core.parts`
    if others:
        return f"{short_name(first)} and {len(others)} more"
    if uri.startswith("data:"):
        return uri.partition(",")[0]
    parts = urlsplit(uri)
    path = unquote_to_bytes("/".join(parts.path.split("/")[-2:])).decode("utf-8", "replace")
    return f"{path}#{parts.fragment}" if parts.fragment else path


def local_path(uri: str) -> Path | None:
    """The path of a `file://` URI; None for others."""
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(uri).path))) if uri.startswith("file://") else None


def location(uri: str) -> str:
    """Return a path if the URI is one of a local file, else the URI: for messages, and to be pasted.

    >>> location("file:///a%20b"), location("s3://bucket/a")
    ('/a b', 's3://bucket/a')
    """
    return str(local_path(uri) or uri)


def open_store(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI and the path in it; a ConfigError if the URI is not valid for its store."""
    local = local_path(uri)
    if local is not None:
        check_utf8(local)
        return fs.LocalFileSystem(), str(local)
    try:
        with translate_errors(uri):
            return fs.FileSystem.from_uri(uri)  # type: ignore[no-any-return]
    except pa.ArrowInvalid as error:
        raise ConfigError(f"cannot use {uri}: {error}") from error


def open_input(uri: str) -> tuple[fs.FileSystem, str]:
    """As `open_store`, for reading a file; a StorageError for a pipe, which would be waited for, or a device."""
    local = local_path(uri)
    if local is not None and os.path.exists(local) and not (local.is_file() or local.is_dir()):  # noqa: PTH110
        raise StorageError(f"{str(local)!r} is {kind_of(local.stat().st_mode)}, not a file")
    return open_store(uri)


def check_utf8(path: Path) -> None:
    """Refuse the path of a run or a root folder that is not UTF-8: recipes and Arrow cannot hold it."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"the path {os.fsencode(path)!r} is not UTF-8: rename it") from error


@contextlib.contextmanager
def translate_errors(uri: str) -> Iterator[None]:
    """Convert errors of an object store's client to UnreachableError, one line.

    Those of a disk pass unchanged, but for lacking permissions, which say nothing about what is there either.
    """
    try:
        yield
    except (FileNotFoundError, StorageError):
        raise
    except OSError as error:
        if local_path(uri) is not None:
            if error.errno not in (errno.EACCES, errno.EPERM):
                raise
            message = f"no permission to read {location(uri)}: run as a user who may, or change its mode or owner"
            raise UnreachableError(message) from error
        raise UnreachableError(
            f"cannot reach {uri} ({' '.join(str(error).split())}). Committed data is safe. Check connectivity and "
            "credentials (AWS_ACCESS_KEY_ID and the like), then rerun the command to resume"
        ) from error


def check_bucket(uri: str) -> None:
    """Raise a StorageError if an object store's bucket does not exist."""
    if local_path(uri) is not None:
        return
    store, path = open_store(uri)
    bucket = path.partition("/")[0]
    with translate_errors(uri):
        missing = store.get_file_info(bucket).type == fs.FileType.NotFound
    if missing:
        raise StorageError(f"no bucket {bucket!r}, for {uri}: create it first, or name another")


def cell_uri(uri: str, row_group: int, row: int, column: str, item: int | None = None) -> str:
    """The URI of the bytes in one cell of a Parquet file; `row` counts inside the row group, `item` in a list."""
    cell = {"row_group": row_group, "row": row, "column": column} | ({} if item is None else {"item": item})
    return f"{uri}#{urlencode(cell)}"
