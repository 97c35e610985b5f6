"""Read, write and list files by URI, local or in an object store, through pyarrow.fs."""

from __future__ import annotations

import errno
import fnmatch
import functools
import os
import stat
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote
from urllib.request import urlopen

from pyarrow import fs

from xray.core.cells import read_cell
from xray.core.errors import MALFORMED, Rejected, StorageError
from xray.core.listing import Entry, LeftOut, Walk, is_hidden, kind_of
from xray.core.parts import pack, single, split_uri
from xray.core.progress import readable_bytes
from xray.core.uri import join, local_path, open_store, to_uri, translate_errors

MAX_BYTES = 2_000_000_000
"""Of files that are read whole, unless they have a limit of their own: COCO's largest annotations have 0.5 GB."""
_REASONS = {errno.ENXIO: "not_a_file", errno.ELOOP: "missing_file"}
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


def read_bytes(uri: str, limit: int | None = MAX_BYTES) -> bytes:
    """Read a file, a cell of a Parquet file (see `cell_uri`), a `data:` URI, or several of these (`xray.core.parts`).

    Neighbouring cells cost one read of their row group's column.

    Args:
        uri: of the file.
        limit: largest size in bytes, of several files together, checked before a file is read; None: none.

    Raises:
        Rejected: missing_file, unreadable_file, not_a_file, too_large.
    """
    if " " in uri:
        return pack(_read_parts(split_uri(uri), limit))
    local = local_path(uri)
    try:
        if uri.startswith("data:"):
            with urlopen(uri) as stream:
                return bytes(stream.read())
        if "#" in uri:
            data = read_cell(uri, functools.partial(read_bytes, limit=limit))
            _check_size(len(data), limit)
            return data
        return single(_get(uri, limit) if local is None else _read_local(local, limit))
    except (FileNotFoundError, NotADirectoryError, LookupError) as error:
        raise Rejected("missing_file", uri) from error
    except Rejected:
        raise
    except MALFORMED as error:
        number = error.errno if isinstance(error, OSError) else 0
        raise Rejected(_REASONS.get(number or 0, "unreadable_file"), f"{uri}: {error}") from error


def _read_parts(uris: Sequence[str], limit: int | None) -> Iterator[bytes]:
    for uri in uris:
        data = read_bytes(uri, limit)
        limit = None if limit is None else limit - len(data)
        yield data


def _read_local(path: Path, limit: int | None) -> bytes:
    """Read a file on disk; a pipe that nobody writes to would never open, and a device never end."""
    with os.fdopen(os.open(os.fspath(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Rejected("not_a_file", f"{path} is {kind_of(status.st_mode)}")
        _check_size(status.st_size, limit)
        data = stream.read(status.st_size)
        if stream.read(1):  # it grows, or is one of the system's that have no size
            raise Rejected("unreadable_file", f"{path} has more bytes than its size, {status.st_size:,}")
        return data


def _check_size(size: int, limit: int | None) -> None:
    if limit is not None and size > limit:
        raise Rejected("too_large", f"{readable_bytes(size)}, at most {readable_bytes(max(limit, 0))}")


def read_committed(uri: str) -> bytes:
    """Read a file that was committed: a store that cannot be reached does not count as a missing file.

    Raises:
        Rejected: missing_file; on a disk, unreadable_file.
        UnreachableError: the store does not answer, or denies access.
    """
    try:
        with translate_errors(uri):
            if local_path(uri) is None:
                return _get(uri)
            try:
                return read_bytes(uri, None)
            except Rejected as verdict:
                if isinstance(verdict.__cause__, PermissionError):
                    raise verdict.__cause__ from verdict
                raise
    except FileNotFoundError as error:
        raise Rejected("missing_file", uri) from error


def _get(uri: str, limit: int | None = None) -> bytes:
    store, path = open_store(uri)
    with store.open_input_file(path) as stream:
        _check_size(stream.size(), limit)
        return stream.read()  # type: ignore[no-any-return]


def write_bytes(uri: str, data: bytes, before_commit: Callable[[], None] = lambda: None) -> None:
    """Write a file atomically: on disk under another name, flushed, then renamed.

    An object store shows an object only once it is complete. A StorageError leaves a previous file as it was, and so
    does an error of `before_commit`, which is called at the last moment.
    """
    local = local_path(uri)
    if local is None:
        before_commit()
        with translate_errors(uri), ThreadPoolExecutor(1) as thread:
            thread.submit(_put, uri, data).result()
        return
    try:
        _write_local(local, data, before_commit)
    except StorageError:
        raise
    except OSError as error:
        raise _refused("write", local, error, len(data)) from error


def _write_local(path: Path, data: bytes, before_commit: Callable[[], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        before_commit()
        partial.replace(path)
        flush(path.parent)  # or a receipt might survive a power failure, and its file not
    finally:
        partial.unlink(missing_ok=True)


def move_file(uri: str, to: str) -> None:
    """Rename a file of a run over another one; in an object store it is copied, then removed."""
    source, target = local_path(uri), local_path(to)
    if source is None or target is None:
        write_bytes(to, read_committed(uri))
        delete_file(uri)
        return
    try:
        source.replace(target)
        flush(target.parent)
    except OSError as error:
        raise _refused("write", target, error) from error


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


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError:
        raise
    except (OSError, ValueError):  # a link loop; a name that is too long, or has a NUL
        return False
    return True


def exists(uri: str) -> bool:
    """Return whether a file or folder exists; an UnreachableError if that cannot be known."""
    local = local_path(uri)
    with translate_errors(uri):
        if local is not None:
            return _is_there(local)
        store, path = open_store(uri)
        return bool(store.get_file_info(path).type != fs.FileType.NotFound)


def is_folder(uri: str) -> bool:
    """Return whether a folder exists; in an object store, whether it contains anything."""
    if (local := local_path(uri)) is not None:
        return os.path.isdir(local)  # noqa: PTH112 - also of names that are too long
    store, path = open_store(uri)
    with translate_errors(uri):
        return bool(store.get_file_info(path).type == fs.FileType.Directory)


def list_files(uri: str, *, recursive: bool = True) -> Iterator[str]:
    """Yield the URIs of the files below a folder, sorted by their bytes, without hidden ones; links are followed.

    Raises:
        StorageError: there is no such folder.
    """
    for entry in list_entries(uri, recursive=recursive):
        if not entry.problem.startswith("not_a_file"):
            yield entry.uri


def list_entries(
    uri: str, *, recursive: bool = True, within: str | None = None, left_out: LeftOut | None = None
) -> Iterator[Entry]:
    """Yield the files below a folder as `list_files`, also those that are seen to be unusable, with the reason.

    Args:
        uri: of the folder.
        recursive: false for files directly in it.
        within: URI of the folder that links must not lead out of; None: all links are followed.
        left_out: collects what is not listed.

    Raises:
        StorageError: there is no such folder.
    """
    left_out = LeftOut() if left_out is None else left_out
    local = _local_folder(uri)
    if local is not None:
        yield from Walk(local, None if within is None else local_path(within), left_out).files(recursive=recursive)
        return
    for name in sorted(_stored(uri, fs.FileType.File, recursive=recursive), key=str.encode):
        names = name.split("/")
        if any(map(is_hidden, names)):
            left_out.hidden.append(name)
        else:
            yield Entry(join(uri, *names))


def matching_files(pattern: str) -> list[str]:
    """Return the URIs of files by a path or URI with `*`, any text, sorted; none if there is no such folder."""
    folder = to_uri(pattern.partition("*")[0].rpartition("/")[0] or ".")
    wanted = unquote(to_uri(pattern)).replace("[", "[[]")
    listed = list_files(folder) if is_folder(folder) else ()
    return sorted(uri for uri in listed if fnmatch.fnmatchcase(unquote(uri), wanted))


def list_folders(uri: str, *, within: str | None = None, left_out: LeftOut | None = None) -> Iterator[str]:
    """Yield the URIs of the folders directly below a folder, sorted by their bytes, without hidden ones.

    Arguments as for `list_entries`.

    Raises:
        StorageError: there is no such folder.
    """
    left_out = LeftOut() if left_out is None else left_out
    local = _local_folder(uri)
    if local is not None:
        names = Walk(local, None if within is None else local_path(within), left_out).folders()
    else:
        found = sorted(_stored(uri, fs.FileType.Directory, recursive=False), key=os.fsencode)
        names = [name for name in found if not is_hidden(name)]
    for name in names:
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
