"""The entries of folders on disk: files, links, and what is neither file nor folder."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from xray.core.errors import StorageError
from xray.core.text import printable

_SYSTEM = ("__MACOSX", "@eaDir", "$RECYCLE.BIN")  # of archives and file servers: copies, thumbnails, waste
_SHOWN = 10
_CLOSED = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOENT)
"""Errors of single folders, not of a disk."""
_KINDS = {
    stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip


class Entry(NamedTuple):
    """A file below a folder.

    Args:
        uri: of the file.
        problem: why it cannot be used: a code of `xray.core.schema.REASONS`, a colon, and what was seen; or empty.
    """

    uri: str
    problem: str = ""


@dataclass
class LeftOut:
    """What a listing leaves out; names of files and folders as they are on disk.

    Args:
        hidden: names that begin with a dot, and folders of archives and file servers.
        outside: links to folders that lead out of the listed folder.
        again: links to folders that are listed anyway, or that contain the link.
        closed: folders that may not be listed, or whose path is too long.
    """

    hidden: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Return one sentence for each kind, with the number and some names."""
        hidden = [name for name in self.hidden if name != ".DS_Store"]
        kinds = (
            (hidden, "hidden files or folders are left out"),
            (self.outside, "links to folders lead elsewhere, and are followed only with `follow_links: true`"),
            (self.again, "links to folders that are listed anyway are left out"),
            (self.closed, "folders cannot be listed, and are left out"),
        )
        return [f"{len(names):,} {what}: {_some(names)}" for names, what in kinds if names]


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is none of the user's data."""
    return name.startswith(".") or name in _SYSTEM


def kind_of(mode: int) -> str:
    """Describe what is not a regular file, from its `st_mode`.

    >>> kind_of(stat.S_IFIFO | 0o600)
    'a pipe'
    """
    return _KINDS.get(stat.S_IFMT(mode), "a special file")


@dataclass
class Walk:
    """A walk through a folder on disk.

    Args:
        folder: where it begins.
        within: the folder that links must not lead out of; None: all links are followed.
        left_out: collects what is not listed.
    """

    folder: Path
    within: Path | None
    left_out: LeftOut

    def __post_init__(self) -> None:
        self._root = None if self.within is None else os.fsencode(os.path.realpath(self.within))
        self._start = os.fsencode(os.path.realpath(self.folder))
        self._seen = {_identity(folder.stat()) for folder in self.folder.absolute().parents}

    def files(self, *, recursive: bool) -> Iterator[Entry]:
        """Yield files in the order of their paths' bytes; also links that lead nowhere, and what cannot be read."""
        return self._files(os.fsencode(self.folder), recursive)

    def folders(self) -> list[str]:
        """Return the names of the folders in the folder, in the order of their bytes."""
        return [os.fsdecode(entry.name) for entry in self._visible(os.fsencode(self.folder)) if self._enters(entry)]

    def _files(self, folder: bytes, recursive: bool) -> Iterator[Entry]:
        within = [self._visible(folder)]  # a stack, since folders may be nested deeper than calls
        while within:
            for entry in within[-1]:
                if not _is_folder(entry):
                    yield Entry("file://" + quote_from_bytes(entry.path), self._problem(entry))
                elif recursive and self._enters(entry) and not self._is_again(entry):
                    within.append(self._visible(entry.path))
                    break
            else:
                within.pop()

    def _visible(self, folder: bytes) -> Iterator[os.DirEntry[bytes]]:
        try:
            self._seen.add(_identity(Path(os.fsdecode(folder)).stat()))
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            if error.errno in _CLOSED and folder != os.fsencode(self.folder):
                self.left_out.closed.append(Path(os.fsdecode(folder)).name)
                return
            raise StorageError(f"cannot list the folder {os.fsdecode(folder)!r}: {error.strerror}") from error
        for entry in entries:
            if is_hidden(os.fsdecode(entry.name)):
                self.left_out.hidden.append(_name(entry))
            else:
                yield entry

    def _enters(self, entry: os.DirEntry[bytes]) -> bool:
        """Return whether an entry is a folder whose files are listed."""
        if _is_folder(entry) and self._leads_out(entry):
            self.left_out.outside.append(_name(entry))
            return False
        return _is_folder(entry)

    def _is_again(self, entry: os.DirEntry[bytes]) -> bool:
        if not entry.is_symlink():
            return False
        below = os.path.relpath(os.path.realpath(entry.path), self._start).split(b"/")
        listed = below[0] != b".." and not any(is_hidden(os.fsdecode(name)) for name in below)
        if not listed and _identity(entry.stat()) not in self._seen:
            return False
        self.left_out.again.append(_name(entry))
        return True

    def _leads_out(self, entry: os.DirEntry[bytes]) -> bool:
        if self._root is None or not entry.is_symlink():
            return False
        return os.path.commonpath([os.path.realpath(entry.path), self._root]) != self._root

    def _problem(self, entry: os.DirEntry[bytes]) -> str:
        """Return why an entry that is no folder cannot be read as a file; empty if it can be tried."""
        if entry.is_file(follow_symlinks=False):
            return ""
        target = ""
        try:
            target = f"leads to {Path(os.fsdecode(entry.path)).readlink()}" if entry.is_symlink() else ""
            mode = entry.stat().st_mode
        except OSError as error:
            return f"missing_file: {target or error.strerror}"
        if self._leads_out(entry):
            return f"link_outside: {target}"
        return "" if stat.S_ISREG(mode) else f"not_a_file: {target or 'it'} is {kind_of(mode)}"


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(printable, names[:_SHOWN])) + more


def _name(entry: os.DirEntry[bytes]) -> str:
    return os.fsdecode(entry.name)


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
