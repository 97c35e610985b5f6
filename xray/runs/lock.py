"""Advisory locks on a run. A lock names its host and process, is renewed during the work, and expires without it.

A lock is a heartbeat file in a folder of the run. Disks and object stores share neither locks nor conditional writes,
but all of them list a file as soon as it is written. A process therefore writes a claim first and then looks for the
claims of others, so that the later of two processes always sees the earlier one. If both see each other, the claim with
the smaller file name wins, and waits until the other is gone. All times are the store's, so clocks need not agree.

Correctness does not depend on locks: two processes that work on the same shard commit the same bytes. Locks save
duplicate work.
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
from xray.core.errors import ConfigError, DamagedError, Rejected, UnreachableError, XrayError
from xray.core.files import delete_file, exists, modified, read_committed, write_bytes
from xray.core.progress import readable_time
from xray.core.uri import join

RENEW_SECONDS, EXPIRE_SECONDS = 10.0, 60.0
"""Seconds between two renewals of a lock, and the age in seconds at which it expires."""
_RETRY_SECONDS, _ATTEMPTS = 0.5, 5
_LOG = logging.getLogger("xray")

P = ParamSpec("P")
T = TypeVar("T")


class Lockable(Protocol):
    """An object with locks: a run."""

    def locked(self, work: str) -> contextlib.AbstractContextManager[None]:
        """Hold the lock of one kind of work."""
        ...


L = TypeVar("L", bound=Lockable)


def exclusive(work: str) -> Callable[[Callable[Concatenate[L, P], T]], Callable[Concatenate[L, P], T]]:
    """Decorate a function that only one process at a time may call for a run, its first argument."""

    def decorate(function: Callable[Concatenate[L, P], T]) -> Callable[Concatenate[L, P], T]:
        @functools.wraps(function)
        def with_lock(run: L, /, *args: P.args, **kwargs: P.kwargs) -> T:
            with run.locked(work):
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
def locked(folder: str, what: str) -> Iterator[None]:
    """Hold the lock of a folder during the block.

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
        released = threading.Event()
        renewal = threading.Thread(target=_renew, args=(uri, claim, released), name="xray-lock", daemon=True)
        renewal.start()
        try:
            yield
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
                    f"{readable_time(lock.quiet)} ago. Wait for it or stop it: two at once would do the same work "
                    f"twice. If it has died, its lock expires within {EXPIRE_SECONDS:g} s"
                )
        if not (live := [lock for lock in others if lock.live]):
            _write(uri, replace(claim, held=True))
            return
        if not logged:
            logged = True
            _LOG.info(f"waiting for the lock of {live[0].holder} on {what}, which has not been renewed for a while")
        time.sleep(_RETRY_SECONDS)


def _renew(uri: str, claim: Holder, released: threading.Event) -> None:
    while not released.wait(RENEW_SECONDS):
        with contextlib.suppress(OSError, XrayError):  # if the disk or the store fails, the work itself reports it
            _write(uri, replace(claim, held=True))


def _write(uri: str, holder: Holder) -> None:
    write_bytes(uri, with_checksum(asdict(holder)))


def _drop(uri: str) -> None:
    with contextlib.suppress(OSError, XrayError):
        if exists(uri):
            delete_file(uri)
