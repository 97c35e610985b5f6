"""xray.core.uri."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, quote_from_bytes, unquote_to_bytes, urlencode, urlsplit

import pyarrow as pa
from pyarrow import fs

from xray.core.errors import UnreachableError, XrayError

_SCHEMES = ("file", "s3", "gs", "gcs")


_SECRETS = ("key", "secret", "token", "password", "credential", "signature")


def to_uri(location: str | os.PathLike[str]) -> str:
    """A location as a percent-encoded URI; a path becomes an absolute `file://` URI.

    >>> to_uri("/data/a photo.jpg")
    'file:///data/a%20photo.jpg'
    """
    text = os.fspath(location)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return "file://" + quote_from_bytes(os.fsencode(Path(text).absolute()))
    if scheme not in _SCHEMES:
        raise XrayError(f"cannot read {text!r}: scheme {scheme!r} is none of {', '.join(_SCHEMES)}, or a plain path")
    path, mark, query = rest.partition("?")
    if "@" in path.partition("/")[0] or _has_secrets(query):
        raise XrayError(f"no credentials in a {scheme} URI, it is stored in tables: set AWS_ACCESS_KEY_ID and the like")
    return f"{scheme}://{quote(path.rstrip('/'), safe='/%')}{mark}{query}"


def _has_secrets(query: str) -> bool:
    pairs = [(name.lower(), value) for name, value in parse_qsl(query, keep_blank_values=True)]
    return any("@" in value or any(word in name for word in _SECRETS) for name, value in pairs)


def join(uri: str, *names: str) -> str:
    """The URI of something below a folder; the names are quoted, those of files on disk may be surrogate-escaped.

    >>> join("s3://bucket/photos?region=eu-west-1", "red fox", "1.jpg")
    's3://bucket/photos/red%20fox/1.jpg?region=eu-west-1'

    Raises:
        XrayError: a name would lead elsewhere (it holds a slash, or is `.` or `..`).
    """
    for name in names:
        if "/" in name or name in ("", ".", ".."):
            raise XrayError(f"{name!r} cannot be the name of a file or folder")
    folder, mark, query = uri.partition("?")
    return "/".join([folder.rstrip("/"), *(quote_from_bytes(os.fsencode(name)) for name in names)]) + mark + query


def name_of(uri: str) -> str:
    """The last part of a URI as people wrote it, bytes that are no UTF-8 replaced; empty for a cell or inline data."""
    if "#" in uri or uri.startswith("data:"):
        return ""
    return unquote_to_bytes(posixpath.basename(urlsplit(uri).path)).decode("utf-8", "replace")


def local_path(uri: str) -> Path | None:
    """The path of a `file://` URI; None for others."""
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(uri).path))) if uri.startswith("file://") else None


def open_store(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI and the path in it, for what pyarrow reads and writes itself."""
    local = local_path(uri)
    if local is not None:
        return fs.LocalFileSystem(), str(local)
    try:
        with reaching(uri):
            store, path = fs.FileSystem.from_uri(uri)
    except pa.ArrowInvalid as error:
        raise XrayError(f"cannot use {uri}: {error}") from error
    return store, path


@contextlib.contextmanager
def reaching(uri: str) -> Iterator[None]:
    """Say in one line what an object store answers, once its client has given up; a disk's errors stay what they are.

    Raises:
        UnreachableError: it does not answer, or does not let us in.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if local_path(uri) is not None:
            raise
        raise UnreachableError(
            f"cannot reach {uri} ({' '.join(str(error).split())}). What is committed stays; once the store answers and "
            "lets you in (AWS_ACCESS_KEY_ID and the like), the same command goes on"
        ) from error


def check_bucket(uri: str) -> None:
    """Refuse an object store's bucket that is not there, before there is anything to write to it.

    Raises:
        XrayError: there is none.
    """
    if local_path(uri) is not None:
        return
    store, path = open_store(uri)
    bucket = path.partition("/")[0]
    with reaching(uri):
        there = store.get_file_info(bucket).type != fs.FileType.NotFound
    if not there:
        raise XrayError(f"no bucket {bucket!r}, for {uri}: make it first, or name another")


def cell_uri(uri: str, row_group: int, row: int, column: str) -> str:
    """The URI of the bytes in one cell of a Parquet file; `row` counts inside the row group."""
    return f"{uri}#{urlencode({'row_group': row_group, 'row': row, 'column': column})}"
