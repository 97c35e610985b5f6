"""Advisory locks on a run. A lock names its host and process, is renewed during the work, and expires without it.

A lock is a heartbeat file in a folder of the run. Disks and object stores share neither locks nor conditional writes,
but all of them list a file as soon as it is written. A process therefore writes a claim first and then looks for the
claims of others, so that the later of two processes always sees the earlier one. If both see each other, the claim with
the smaller file name wins, and waits until the other is gone. All times are the store's, so clocks need not agree.

Two processes that make the same shard of the same plan commit the same bytes: there, locks save duplicate work. A plan
is written by one process at a time: before it commits a file, it checks its lease, and refuses if it was suspended for
longer than a lock lives, since another may have taken over.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from xray.core.checksummed import check_checksum, with_checksum
from xray.core.errors import (
    ConfigError,
    DamagedError,
    Rejected,
    ResourceError,
    StorageError,
    UnreachableError,
    XrayError,
)
from xray.core.files import delete_file, exists, modified, read_committed, write_bytes
from xray.core.progress import readable_time
from xray.core.uri import join, local_path

RENEW_SECONDS, EXPIRE_SECONDS = 10.0, 60.0
"""Seconds between two renewals of a lock, and the age in seconds at which it expires."""
_RETRY_SECONDS, _ATTEMPTS = 0.5, 5
_RESERVE_FILES, _RESERVE_BYTES = 8, 8_192
"""Room for two files of each kind of work, and for their folders."""
_LOG = logging.getLogger("xray")

P = ParamSpec("P")
T = TypeVar("T")


class Lockable(Protocol):
    """An object with locks: a run."""

    def locked(self, *works: str) -> contextlib.AbstractContextManager[None]:
        """Hold the locks of some kinds of work."""
        ...


L = TypeVar("L", bound=Lockable)


def exclusive(*works: str) -> Callable[[Callable[Concatenate[L, P], T]], Callable[Concatenate[L, P], T]]:
    """Decorate a function that, for a run, its first argument, excludes others that do some kinds of work."""

    def decorate(function: Callable[Concatenate[L, P], T]) -> Callable[Concatenate[L, P], T]:
        @functools.wraps(function)
        def with_lock(run: L, /, *args: P.args, **kwargs: P.kwargs) -> T:
            with run.locked(*works):
                return function(run, *args, **kwargs)

        return with_lock

    return decorate


@dataclass(frozen=True)
class Holder:
    """A process that holds or claims a lock.

    Args:
        host: name of its host.
        process: process id on that host.
        place: boot id, process namespace and start time: distinguishes containers, and reused process ids.
        since: start of the lock, UTC, ISO 8601.
        held: true if the process holds the lock, false if it only claims it.
    """

    host: str
    process: int
    place: str
    since: str
    held: bool = False

    @property
    def gone(self) -> bool:
        """True if the process has certainly ended: it ran on this host, and no longer exists."""
        here = self.host == platform.node() and self.place.rpartition("/")[0] == _namespace()
        return here and self.place != _identity(self.process)

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


def _namespace() -> str:
    """Return boot id and namespace of this process's ids: only processes that share both can be looked up."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return "unknown"


def _identity(process: int) -> str:
    """Return namespace and start time of a process; the time is empty without /proc, or if the process has ended."""
    try:
        start = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        start = ""
    return f"{_namespace()}/{start}"


@dataclass(frozen=True)
class Lock:
    """A lock, as read from its file.

    Args:
        uri: URI of the file.
        holder: the process that wrote it.
        quiet: seconds since it was last written, ≥ 0, by the store's clock.
    """

    uri: str
    holder: Holder
    quiet: float

    @property
    def live(self) -> bool:
        """True if the lock has not expired and its process has not ended."""
        return self.quiet < EXPIRE_SECONDS and not self.holder.gone


class Lease:
    """The lock of this process: it is renewed, and may be lost.

    Args:
        folder: URI of the folder with the locks of this work.
        uri: URI of its file.
        holder: this process.
        what: the work, for messages.
    """

    def __init__(self, folder: str, uri: str, holder: Holder, what: str) -> None:
        self.folder, self.uri, self.holder, self.what = folder, uri, holder, what
        self._renewing = threading.Lock()
        self._gone = self._interrupted = False

    def check(self) -> None:
        """Renew the lock, unless it was taken over.

        Raises:
            ResourceError: it is gone, or was not renewed for as long as it lives, by the clock of the store.
        """
        self._renew()
        if self._gone or self._interrupted:
            raise ResourceError(
                f"{self.holder} was suspended, or cut off, for longer than its lock on {self.what} lives: another "
                "process may have taken over, so nothing more is written. `xray status RUN` names it; run the command "
                "again"
            )

    def _renew(self) -> None:
        with self._renewing:
            before = modified(self.folder).get(self.uri)
            if before is not None:
                _write(self.uri, self.holder)
                now = modified(self.folder).get(self.uri)
                self._interrupted |= now is not None and now - before >= EXPIRE_SECONDS
            self._gone = before is None or now is None

    def keep(self, released: threading.Event) -> None:
        """Renew the lock until it is released, or gone."""
        while not (self._gone or released.wait(RENEW_SECONDS)):
            with contextlib.suppress(OSError, XrayError):  # if the disk or the store fails, the work itself reports it
                self._renew()


def read_locks(folder: str, now: float | None = None) -> list[Lock]:
    """Read all locks in a folder, in the order of file names.

    Args:
        folder: URI of the folder.
        now: current time in seconds since the epoch, by the store's clock; default: this machine's time.

    Raises:
        UnreachableError: the store does not answer, or denies access.
    """
    locks = []
    for uri, written in sorted(modified(folder).items()):
        if (holder := _holder(uri)) is not None:
            locks.append(Lock(uri, holder, max(0.0, (time.time() if now is None else now) - written)))
    return locks


def _holder(uri: str) -> Holder | None:
    """Return the holder of a lock; None if the lock has been released, or is damaged.

    A client requests an object's size and then its bytes. If the lock is rewritten or released in between, that looks
    like damage or like a failing store, so several attempts are made.

    Raises:
        UnreachableError: the store does not answer, or denies access.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return Holder(**check_checksum(read_committed(uri), uri))
        except Rejected:
            return None
        except DamagedError:
            time.sleep(_RETRY_SECONDS / _ATTEMPTS)
        except UnreachableError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_RETRY_SECONDS / _ATTEMPTS)
    return None


@contextlib.contextmanager
def locked(folder: str, what: str) -> Iterator[Lease]:
    """Hold the lock of a folder during the block, and yield it.

    If another process holds the lock but has missed a renewal, wait until its lock expires.

    Args:
        folder: URI of the folder with the locks of this work.
        what: the work, for messages.

    Raises:
        XrayError: another process holds or claims the lock.
    """
    uri = join(folder, f"{uuid.uuid4().hex}.json")
    identity = _identity(os.getpid())
    claim = Holder(platform.node(), os.getpid(), identity, datetime.now(UTC).isoformat(timespec="seconds"))
    try:
        _acquire(folder, uri, claim, what)
        lease, released = Lease(folder, uri, replace(claim, held=True), what), threading.Event()
        renewal = threading.Thread(target=lease.keep, args=(released,), name="xray-lock", daemon=True)
        renewal.start()
        try:
            yield lease
        finally:
            released.set()
            renewal.join()
    finally:
        _drop(uri)


def _acquire(folder: str, uri: str, claim: Holder, what: str) -> None:
    logged = False
    while True:
        _write(uri, claim)
        now = modified(folder)[uri]
        others = [lock for lock in read_locks(folder, now) if lock.uri != uri]
        for lock in others:
            held, recent = lock.holder.held, lock.quiet < 2 * RENEW_SECONDS
            if not lock.live:
                _drop(lock.uri)
            elif (held and recent) or (not held and lock.uri < uri):
                raise ConfigError(
                    f"{lock.holder} has been at work on {what} since {lock.holder.since}, and renewed its lock "
                    f"{readable_time(lock.quiet)} ago. Wait for it or stop it. If it has died, its lock expires within "
                    f"{EXPIRE_SECONDS:g} s"
                )
        if not (live := [lock for lock in others if lock.live]):
            _write(uri, replace(claim, held=True))
            _keep_reserve(folder)
            return
        if not logged:
            logged = True
            _LOG.info(f"waiting for the lock of {live[0].holder} on {what}, which has not been renewed for a while")
        time.sleep(_RETRY_SECONDS)


def _write(uri: str, holder: Holder) -> None:
    data = with_checksum(asdict(holder))
    try:
        write_bytes(uri, data)
    except StorageError:
        if not _free_reserve(uri):
            raise
        write_bytes(uri, data)


def _reserve(folder: str) -> list[Path]:
    """The files that keep room on the disk of a run for its locks, so that a full one can be cleaned."""
    path = local_path(folder)
    return [] if path is None else [path.parent / f".reserve{number}" for number in range(_RESERVE_FILES)]


def _keep_reserve(folder: str) -> None:
    for path in _reserve(folder):
        with contextlib.suppress(OSError):
            if not path.exists():
                path.write_bytes(os.urandom(_RESERVE_BYTES))  # what is all zeros may take no room


def _free_reserve(uri: str) -> bool:
    """Free the room that is kept for locks; return whether there was any that could be freed."""
    freed = False
    for path in _reserve(uri.rpartition("/")[0]):
        with contextlib.suppress(OSError):  # there is none, or the disk can only be read
            path.unlink()
            freed = True
    return freed


def _drop(uri: str) -> None:
    with contextlib.suppress(OSError, XrayError):
        if exists(uri):
            delete_file(uri)
