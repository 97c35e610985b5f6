"""Files by URI, local or in an object store, through pyarrow.fs.

URIs are percent-encoded, so that any file name, also one that is not valid UTF-8, is a plain string in a table.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import posixpath
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote, quote_from_bytes, unquote_to_bytes, urlencode, urlsplit
from urllib.request import urlopen

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from xray.errors import Rejected, UnreachableError, XrayError
from xray.progress import readable_bytes

_SCHEMES = ("file", "s3", "gs", "gcs")
_SECRETS = ("key", "secret", "token", "password", "credential", "signature")
_ONE_READER = threading.Lock()
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


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


@functools.lru_cache(maxsize=2)  # a photograph and its mask may be two columns of one row
def _read_column(uri: str, row_group: int, column: str) -> pa.ChunkedArray:
    store, path = open_store(uri)
    with pq.ParquetFile(path, filesystem=store) as file:
        return file.read_row_group(row_group, columns=[column]).column(column)


def _read_cell(uri: str) -> bytes:
    file, _, fragment = uri.partition("#")
    cell = parse_qs(fragment)
    column = cell["column"][0]
    with _ONE_READER:  # threads that want neighbouring cells would all read the same row group
        values = _read_column(file, int(cell["row_group"][0]), column)
    value = values[int(cell["row"][0])].as_py()
    data = value.get("bytes") if isinstance(value, dict) else value
    if data is None:
        raise FileNotFoundError(uri)
    return bytes(data)


def read_bytes(uri: str) -> bytes:
    """The bytes of a file, of a cell of a Parquet file (see `cell_uri`), or in a `data:` URI.

    Neighbouring cells cost one read of their row group's column.

    Raises:
        Rejected: missing_file, unreadable_file.
    """
    local = local_path(uri)
    try:
        if uri.startswith("data:"):
            with urlopen(uri) as stream:
                return bytes(stream.read())
        if "#" in uri:
            return _read_cell(uri)
        if local is not None:
            return local.read_bytes()
        store, path = open_store(uri)
        with store.open_input_file(path) as stream:
            return stream.read()  # type: ignore[no-any-return]
    except (FileNotFoundError, NotADirectoryError, LookupError) as error:
        raise Rejected("missing_file", uri) from error
    except (OSError, ValueError) as error:
        raise Rejected("unreadable_file", f"{uri}: {error}") from error


def read_committed(uri: str) -> bytes:
    """The bytes of a file that is known to be there: a store that is away is no damage.

    Raises:
        Rejected: missing_file; on a disk, unreadable_file.
        UnreachableError: the store does not answer, or does not let us in.
    """
    if local_path(uri) is not None:
        return read_bytes(uri)
    store, path = open_store(uri)
    try:
        with reaching(uri), store.open_input_file(path) as stream:
            return stream.read()  # type: ignore[no-any-return]
    except FileNotFoundError as error:
        raise Rejected("missing_file", uri) from error


def write_bytes(uri: str, data: bytes) -> None:
    """Write a file so that readers see all of it or none: on disk by another name, flushed, then renamed.

    An object store shows an object only when it is complete.

    Raises:
        XrayError: it cannot be written: no room, a quota, no permission, or the store does not answer; what was there
            before stays.
    """
    local = local_path(uri)
    if local is None:
        with reaching(uri), ThreadPoolExecutor(1) as thread:
            thread.submit(_put, uri, data).result()
        return
    try:
        _write_local(local, data)
    except OSError as error:
        raise _refused("write", local, error, len(data)) from error


def _write_local(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
        flush(path.parent)  # else a receipt might outlive a loss of power, and its file not
    finally:
        partial.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Let what was written to a file on disk, or renamed into a folder, outlive a loss of power."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _refused(verb: str, path: Path, error: OSError, size: int = 0) -> XrayError:
    """Why a file on disk cannot be written or removed, in one line: where, what it takes, and what to do."""
    place, told = repr(str(path)), error.strerror or " ".join(str(error).split())
    if error.errno in _FULL:
        said = (
            f"no space left for {place}, {readable_bytes(size)} ({told}; {_room(path)}): make room, or raise the quota"
        )
    elif error.errno in _FORBIDDEN:
        said = f"cannot {verb} {place} ({told}): its folder must be writable for you, and not mounted read-only"
    else:
        said = f"cannot {verb} {place} ({told})"
    return XrayError(f"{said}. What was there before stays, and the same command goes on")


def _room(path: Path) -> str:
    """What is free on the disk of a file that is to be; where inodes run out first, of these."""
    disk = os.statvfs(next(folder for folder in path.parents if folder.exists()))
    files = ", but no file more" if disk.f_files and not disk.f_favail else ""
    return f"{readable_bytes(disk.f_bavail * disk.f_frsize)} free{files}"


def _put(uri: str, data: bytes) -> None:
    """Write an object, in a thread of its own.

    A stream that an exception leaves early shows what it was given so far as if it were whole. Only the main thread is
    interrupted: by Ctrl-C, by SIGTERM, by Ray when it takes a task back.
    """
    if uri.startswith("s3://"):  # else even an empty object takes three requests, and leaves one half when it fails
        uri += f"{'&' if '?' in uri else '?'}allow_delayed_open=true"
    store, path = open_store(uri)
    with store.open_output_stream(path) as stream:
        stream.write(data)


def delete_file(uri: str) -> None:
    """Remove a file that is there.

    Raises:
        XrayError: it cannot be removed.
    """
    store, path = open_store(uri)
    local = local_path(uri)
    try:
        with reaching(uri):
            store.delete_file(path)
    except OSError as error:
        if local is None:
            raise
        raise _refused("remove", local, error) from error


def exists(uri: str) -> bool:
    """Whether there is a file or folder."""
    local = local_path(uri)
    if local is not None:
        return local.exists()
    store, path = open_store(uri)
    with reaching(uri):
        return bool(store.get_file_info(path).type != fs.FileType.NotFound)


def is_folder(uri: str) -> bool:
    """Whether there is a folder; in an object store, whether anything lies below."""
    store, path = open_store(uri)
    with reaching(uri):
        return bool(store.get_file_info(path).type == fs.FileType.Directory)


def list_files(uri: str, *, recursive: bool = True) -> Iterator[str]:
    """URIs of the files below a folder, sorted by their bytes; hidden ones are left out.

    Raises:
        XrayError: there is no such folder.
    """
    local = local_path(uri)
    if local is not None:
        if not local.is_dir():
            raise XrayError(f"no folder {str(local)!r}")
        yield from _list_local(os.fsencode(local), recursive)
        return
    store, path = open_store(uri)
    try:
        with reaching(uri):
            found = store.get_file_info(fs.FileSelector(path, recursive=recursive))
    except FileNotFoundError as error:
        raise XrayError(f"no folder {uri!r}") from error
    base = len(path.rstrip("/")) + 1
    for info in sorted(found, key=lambda info: info.path.encode()):
        names = info.path[base:].split("/")
        if info.type == fs.FileType.File and not any(name.startswith(".") for name in names):
            yield join(uri, *names)


def paths_below(uri: str) -> list[str]:
    """Paths of all files below a folder, hidden ones too, relative to it; none if there is no such folder."""
    local = local_path(uri)
    if local is not None:
        found = (Path(folder, name) for folder, _, names in os.walk(local) for name in names)
        return sorted(path.relative_to(local).as_posix() for path in found)
    store, path = open_store(uri)
    with reaching(uri):
        below = store.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
    base = len(path.rstrip("/")) + 1
    return sorted(info.path[base:] for info in below if info.type == fs.FileType.File)


def modified(uri: str) -> dict[str, float]:
    """When the files directly in a folder were written, by URI: seconds since 1970 by the clock of the store.

    None where there is no such folder.
    """
    store, path = open_store(uri)
    with reaching(uri):
        found = store.get_file_info(fs.FileSelector(path, allow_not_found=True))
    files = (info for info in found if info.type == fs.FileType.File and not info.base_name.startswith("."))
    return {join(uri, info.base_name): info.mtime_ns / 1e9 for info in files}


def list_folders(uri: str) -> Iterator[str]:
    """URIs of the folders directly below a folder, sorted by their bytes; hidden ones are left out.

    Raises:
        XrayError: there is no such folder.
    """
    local = local_path(uri)
    if local is not None:
        if not local.is_dir():
            raise XrayError(f"no folder {str(local)!r}")
        names = [os.fsdecode(entry.name) for entry in os.scandir(os.fsencode(local)) if entry.is_dir()]
    else:
        store, path = open_store(uri)
        try:
            with reaching(uri):
                found = store.get_file_info(fs.FileSelector(path))
        except FileNotFoundError as error:
            raise XrayError(f"no folder {uri!r}") from error
        names = [info.base_name for info in found if info.type == fs.FileType.Directory]
    for name in sorted(names, key=os.fsencode):
        if not name.startswith("."):
            yield join(uri, name)


def _list_local(folder: bytes, recursive: bool) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith(b"."):
            continue
        if entry.is_dir():
            if recursive:
                yield from _list_local(entry.path, recursive)
        elif entry.is_file():
            yield "file://" + quote_from_bytes(entry.path)
