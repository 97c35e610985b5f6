"""Who works on a run: a lease that names host and process, is renewed while they do, and expires when they do not.

A lease is a file in a folder of the run. Stores have no lock in common, nor a conditional write; but all show a file
as soon as it is written. So who wants the lease writes a claim of its own and then looks for others': whoever comes
later sees the claim that was there. Of two that see each other, the one with the smaller name goes on once the other
has gone. Times are those of the store, so that clocks need not agree.

Nothing that a run promises rests on it: two that work on the same shard commit the same bytes. It saves doing so.
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

from xray.core.checksummed import sealed, unsealed
from xray.core.errors import DamagedError, Rejected, UnreachableError, XrayError
from xray.core.files import delete_file, exists, modified, read_committed, write_bytes
from xray.core.progress import readable_time
from xray.core.uri import join

RENEWED, EXPIRES = 10.0, 60.0
"""Seconds between two signs, and seconds without one after which nobody is at work."""
_LOOK, _LOOKS = 0.5, 5
_LOG = logging.getLogger("xray")

P = ParamSpec("P")
T = TypeVar("T")


class Leased(Protocol):
    """What there are leases of: a run."""

    def lease(self, work: str) -> contextlib.AbstractContextManager[None]:
        """Be the only one at some work on it."""
        ...


L = TypeVar("L", bound=Leased)


def alone(work: str) -> Callable[[Callable[Concatenate[L, P], T]], Callable[Concatenate[L, P], T]]:
    """Decorate what only one process at a time may do with a run, its first argument."""

    def decorate(verb: Callable[Concatenate[L, P], T]) -> Callable[Concatenate[L, P], T]:
        @functools.wraps(verb)
        def leased(run: L, /, *args: P.args, **kwargs: P.kwargs) -> T:
            with run.lease(work):
                return verb(run, *args, **kwargs)

        return leased

    return decorate


@dataclass(frozen=True)
class Holder:
    """Who works on something of a run, or is about to.

    Args:
        host: its name.
        process: id on that host.
        place: what tells processes of that id apart: of containers on one host, and of ids that were used before.
        since: when it began, UTC.
        held: whether it works; else it only claims.
    """

    host: str
    process: int
    place: str
    since: str
    held: bool = False

    @property
    def gone(self) -> bool:
        """Whether it has certainly ended: it was a process of this host, and is no longer there."""
        here = self.host == platform.node() and self.place.rpartition("/")[0] == _namespace()
        return here and self.place != _place(self.process)

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


def _namespace() -> str:
    """Of process ids; processes elsewhere cannot be looked for."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return "unknown"


def _place(process: int) -> str:
    """Namespace and start of a process; nothing is known of it where there is no /proc, or if it has ended."""
    try:
        start = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        start = ""
    return f"{_namespace()}/{start}"


@dataclass(frozen=True)
class Sign:
    """A lease as it lies there.

    Args:
        uri: of its file.
        holder: whose it is.
        quiet: seconds since it was written, by the store's clock.
    """

    uri: str
    holder: Holder
    quiet: float

    @property
    def live(self) -> bool:
        """Whether somebody is still there."""
        return self.quiet < EXPIRES and not self.holder.gone


def signs(folder: str, now: float | None = None) -> list[Sign]:
    """The leases in a folder, by name.

    Args:
        folder: its URI.
        now: by the store's clock; default: by this machine's.
    """
    found = []
    for uri, written in sorted(modified(folder).items()):
        if (holder := _holder(uri)) is not None:
            found.append(Sign(uri, holder, max(0.0, (time.time() if now is None else now) - written)))
    return found


def _holder(uri: str) -> Holder | None:
    """Whose lease it is; nobody's if it was given back meanwhile, or cannot be read.

    A client asks a store for an object's size and then for its bytes; one that is written anew or given back in
    between reads like damage, or like a store that fails. Hence several looks.

    Raises:
        UnreachableError: the store does not answer, or does not let us in.
    """
    for look in range(_LOOKS):
        try:
            return Holder(**unsealed(read_committed(uri), uri))
        except Rejected:
            return None
        except DamagedError:
            time.sleep(_LOOK / _LOOKS)
        except UnreachableError:
            if look == _LOOKS - 1:
                raise
            time.sleep(_LOOK / _LOOKS)
    return None


@contextlib.contextmanager
def lease(folder: str, what: str) -> Iterator[None]:
    """Be the only one at work on something, as long as the block takes.

    One that gave no sign for a while is waited for until its lease has expired.

    Args:
        folder: URI of the folder that leases of this work lie in.
        what: is worked on, for people.

    Raises:
        XrayError: somebody else is at work on it.
    """
    uri = join(folder, f"{uuid.uuid4().hex}.json")
    place = _place(os.getpid())
    claim = Holder(platform.node(), os.getpid(), place, datetime.now(UTC).isoformat(timespec="seconds"))
    try:
        _take(folder, uri, claim, what)
        over = threading.Event()
        sign = threading.Thread(target=_renew, args=(uri, claim, over), name="xray-lease", daemon=True)
        sign.start()
        try:
            yield
        finally:
            over.set()
            sign.join()
    finally:
        _drop(uri)


def _take(folder: str, uri: str, claim: Holder, what: str) -> None:
    told = False
    while True:
        _write(uri, claim)
        now = modified(folder)[uri]
        others = [sign for sign in signs(folder, now) if sign.uri != uri]
        for sign in others:
            if not sign.live:
                _drop(sign.uri)
            elif (sign.holder.held and sign.quiet < 2 * RENEWED) or (not sign.holder.held and sign.uri < uri):
                raise XrayError(
                    f"{sign.holder} is at work on {what} since {sign.holder.since}, and gave its last sign "
                    f"{readable_time(sign.quiet)} ago. Two at once would do the same work twice: wait for it, or end "
                    f"it. If it has died, its lease ends by itself within {EXPIRES:g} s"
                )
        if not (waited := [sign for sign in others if sign.live]):
            _write(uri, replace(claim, held=True))
            return
        if not told:
            told = True
            _LOG.info(f"waiting for the lease of {waited[0].holder} on {what}, which gave no sign for a while")
        time.sleep(_LOOK)


def _renew(uri: str, claim: Holder, over: threading.Event) -> None:
    while not over.wait(RENEWED):
        with contextlib.suppress(OSError, XrayError):  # a full disk, or a store that is away: the work itself will tell
            _write(uri, replace(claim, held=True))


def _write(uri: str, holder: Holder) -> None:
    write_bytes(uri, sealed(asdict(holder)))


def _drop(uri: str) -> None:
    with contextlib.suppress(OSError, XrayError):
        if exists(uri):
            delete_file(uri)
