"""Files by URI, local or in an object store, through pyarrow.fs.

URIs are percent-encoded, so that any file name, also one that is not valid UTF-8, is a plain string in a table.
"""

from __future__ import annotations

import errno
import functools
import os
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, quote_from_bytes
from urllib.request import urlopen

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from xray.core.errors import Rejected, XrayError
from xray.core.progress import readable_bytes
from xray.core.uri import join, local_path, open_store, reaching

_ONE_READER = threading.Lock()
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


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
