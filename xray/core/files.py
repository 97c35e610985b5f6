"""Read, write and list files by URI, local or in an object store, through pyarrow.fs."""

from __future__ import annotations

import errno
import fnmatch
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote
from urllib.request import urlopen

import pyarrow as pa
from pyarrow import fs

from xray.core.cells import read_cell
from xray.core.errors import Rejected, StorageError
from xray.core.parts import pack, split_uri
from xray.core.progress import readable_bytes
from xray.core.uri import join, local_path, open_store, to_uri, translate_errors

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SYSTEM = ("__MACOSX", "@eaDir", "$RECYCLE.BIN")  # of archives and file servers: copies, thumbnails, waste
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


def read_bytes(uri: str) -> bytes:
    """Read a file, a cell of a Parquet file (see `cell_uri`), a `data:` URI, or several of these (`xray.core.parts`).

    Neighbouring cells cost one read of their row group's column.

    Raises:
        Rejected: missing_file, unreadable_file.
    """
    if " " in uri:
        return pack(map(read_bytes, split_uri(uri)))
    local = local_path(uri)
    try:
        if uri.startswith("data:"):
            with urlopen(uri) as stream:
                return bytes(stream.read())
        if "#" in uri:
            return read_cell(uri, read_bytes)
        return _get(uri) if local is None else local.read_bytes()
    except (FileNotFoundError, NotADirectoryError, LookupError) as error:
        raise Rejected("missing_file", uri) from error
    except (OSError, ValueError, TypeError, pa.ArrowException) as error:
        raise Rejected("unreadable_file", f"{uri}: {error}") from error


def read_committed(uri: str) -> bytes:
    """Read a file that was committed: a store that cannot be reached does not count as a missing file.

    Raises:
        Rejected: missing_file; on a disk, unreadable_file.
        UnreachableError: the store does not answer, or denies access.
    """
    if local_path(uri) is not None:
        return read_bytes(uri)
    try:
        with translate_errors(uri):
            return _get(uri)
    except FileNotFoundError as error:
        raise Rejected("missing_file", uri) from error


def _get(uri: str) -> bytes:
    store, path = open_store(uri)
    with store.open_input_file(path) as stream:
        return stream.read()  # type: ignore[no-any-return]


def write_bytes(uri: str, data: bytes) -> None:
    """Write a file atomically: on disk under another name, flushed, then renamed.

    An object store shows an object only once it is complete. A StorageError leaves a previous file as it was.
    """
    local = local_path(uri)
    if local is None:
        with translate_errors(uri), ThreadPoolExecutor(1) as thread:
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
        flush(path.parent)  # or a receipt might survive a power failure, and its file not
    finally:
        partial.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Make a written file, or a rename in a folder, survive a power failure (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(verb: str, path: Path, error: OSError, size: int = 0) -> StorageError:
    """Explain in one line why a file on disk cannot be written or removed, and what to do."""
    file, cause = repr(str(path)), error.strerror or " ".join(str(error).split())
    if error.errno in _FULL:
        problem = (
            f"no space left for {file}, {readable_bytes(size)} ({cause}; {_free_space(path)}): free some, or raise the "
            "quota"
        )
    elif error.errno in _FORBIDDEN:
        problem = f"cannot {verb} {file} ({cause}): its folder must be writable, and not mounted read-only"
    else:
        problem = f"cannot {verb} {file} ({cause})"
    return StorageError(f"{problem}. Committed data is safe; rerun the command to resume")


def _free_space(path: Path) -> str:
    """Free space on the disk of a file that is to be written, or that there are no inodes left."""
    disk = os.statvfs(next(folder for folder in path.parents if folder.exists()))
    inodes = ", but no inode" if disk.f_files and not disk.f_favail else ""
    return f"{readable_bytes(disk.f_bavail * disk.f_frsize)} free{inodes}"


def _put(uri: str, data: bytes) -> None:
    """Write an object; must run in a thread of its own.

    A stream that an exception leaves early shows the bytes so far as a complete object. Only the main thread is
    interrupted: by Ctrl-C, by SIGTERM, by Ray when it cancels a task.
    """
    if uri.startswith("s3://"):  # or even an empty object takes three requests, and a failure leaves half of it
        uri += f"{'&' if '?' in uri else '?'}allow_delayed_open=true"
    store, path = open_store(uri)
    with store.open_output_stream(path) as stream:
        stream.write(data)


def delete_file(uri: str) -> None:
    """Remove an existing file; a StorageError if it cannot be removed."""
    store, path = open_store(uri)
    local = local_path(uri)
    try:
        with translate_errors(uri):
            store.delete_file(path)
    except OSError as error:
        if local is None:
            raise
        raise _refused("remove", local, error) from error


def exists(uri: str) -> bool:
    """Return whether a file or folder exists."""
    local = local_path(uri)
    if local is not None:
        return local.exists()
    store, path = open_store(uri)
    with translate_errors(uri):
        return bool(store.get_file_info(path).type != fs.FileType.NotFound)


def is_folder(uri: str) -> bool:
    """Return whether a folder exists; in an object store, whether it contains anything."""
    store, path = open_store(uri)
    with translate_errors(uri):
        return bool(store.get_file_info(path).type == fs.FileType.Directory)


def list_files(uri: str, *, recursive: bool = True) -> Iterator[str]:
    """Yield the URIs of the files below a folder, sorted by their bytes, without hidden ones.

    Raises:
        StorageError: there is no such folder.
    """
    local = _local_folder(uri)
    if local is not None:
        above = tuple(folder.stat() for folder in local.absolute().parents)
        yield from _list_local(os.fsencode(local), recursive, above)
        return
    for name in sorted(_stored(uri, fs.FileType.File, recursive=recursive), key=str.encode):
        names = name.split("/")
        if not any(map(_is_hidden, names)):
            yield join(uri, *names)


def matching_files(pattern: str) -> list[str]:
    """Return the URIs of files by a path or URI with `*`, any text, sorted; none if there is no such folder."""
    folder = to_uri(pattern.partition("*")[0].rpartition("/")[0] or ".")
    wanted = unquote(to_uri(pattern)).replace("[", "[[]")
    listed = list_files(folder) if is_folder(folder) else ()
    return sorted(uri for uri in listed if fnmatch.fnmatchcase(unquote(uri), wanted))


def list_folders(uri: str) -> Iterator[str]:
    """Yield the URIs of the folders directly below a folder, sorted by their bytes, without hidden ones.

    Raises:
        StorageError: there is no such folder.
    """
    local = _local_folder(uri)
    if local is not None:
        names = [os.fsdecode(entry.name) for entry in _entries(os.fsencode(local)) if _is_folder(entry)]
    else:
        names = [*_stored(uri, fs.FileType.Directory, recursive=False)]
    for name in sorted(names, key=os.fsencode):
        if not _is_hidden(name):
            yield join(uri, name)


def paths_below(uri: str) -> list[str]:
    """Relative paths of all files below a folder, including hidden ones; none if there is no such folder."""
    local = local_path(uri)
    if local is not None:
        paths = (Path(folder, name) for folder, _, names in os.walk(local) for name in names)
        return sorted(path.relative_to(local).as_posix() for path in paths)
    return sorted(_stored(uri, fs.FileType.File, recursive=True, missing_ok=True))


def modified(uri: str) -> dict[str, float]:
    """Modification times of the files directly in a folder, by URI: seconds since 1970 by the clock of the store.

    Empty if there is no such folder.
    """
    found = _stored(uri, fs.FileType.File, recursive=False, missing_ok=True)
    return {join(uri, name): info.mtime_ns / 1e9 for name, info in found.items() if not name.startswith(".")}


def _stored(uri: str, kind: fs.FileType, *, recursive: bool, missing_ok: bool = False) -> dict[str, fs.FileInfo]:
    """Return the entries of one kind below a folder, by relative path; a StorageError if there is no such folder."""
    store, path = open_store(uri)
    try:
        with translate_errors(uri):
            found = store.get_file_info(fs.FileSelector(path, recursive=recursive, allow_not_found=missing_ok))
    except FileNotFoundError as error:
        raise StorageError(f"no folder {uri!r}") from error
    base = len(path.rstrip("/")) + 1
    return {info.path[base:]: info for info in found if info.type == kind}


def _local_folder(uri: str) -> Path | None:
    """The path of a folder on disk, None in an object store; a StorageError if there is no such folder."""
    local = local_path(uri)
    try:
        missing = local is not None and not local.is_dir()
    except OSError as error:
        raise StorageError(f"no folder {str(local)!r}: {error.strerror}") from error
    if missing:
        raise StorageError(f"no folder {str(local)!r}")
    return local


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _SYSTEM


def _list_local(folder: bytes, recursive: bool, above: tuple[os.stat_result, ...]) -> Iterator[str]:
    """Yield the URIs of files; a link to a folder that it lies in is left out: its files are no further ones."""
    above = (*above, Path(os.fsdecode(folder)).stat())
    for entry in _entries(folder):
        if _is_hidden(os.fsdecode(entry.name)):
            continue
        if _is_folder(entry):
            if recursive and not (entry.is_symlink() and any(os.path.samestat(entry.stat(), one) for one in above)):
                yield from _list_local(entry.path, recursive, above)
        elif entry.is_symlink() or entry.is_file():  # a link that leads nowhere is a file that cannot be read
            yield "file://" + quote_from_bytes(entry.path)


def _entries(folder: bytes) -> list[os.DirEntry[bytes]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise StorageError(f"cannot list the folder {os.fsdecode(folder)!r}: {error.strerror}") from error


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
