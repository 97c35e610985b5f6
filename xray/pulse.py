"""The heartbeat of pools: how busy they are, and whether they still work."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from xray.errors import XrayError
from xray.pools import PoolState

_EVERY = 1.0


class _Actor:
    """What one actor has told: when it was ready, and what it has done since."""

    def __init__(self, now: float, gpus: float) -> None:
        self.ready = self.last = now
        self.gpus = gpus
        self.items = 0
        self.busy = 0.0


class Pulses:
    """Collects the beats of all pools."""

    def __init__(self) -> None:
        self.pools: dict[str, dict[str, _Actor]] = {}

    def beat(self, pool: str, actor: str, gpus: float, items: int, seconds: float) -> None:
        """An actor is ready (0 items), or has finished a batch.

        Args:
            pool: its pool.
            actor: its id.
            gpus: share of a GPU that it has.
            items: of the batch.
            seconds: that its device was busy with it.
        """
        now = time.monotonic()
        told = self.pools.setdefault(pool, {}).setdefault(actor, _Actor(now - seconds, gpus))
        told.items += items
        told.busy += seconds
        told.last = now

    def state(self) -> dict[str, PoolState]:
        """The pools by name.

        An actor's time ends with the last beat of its pool: one that waits while others still work counts as idle.
        """
        now = time.monotonic()
        return {name: _state(list(actors.values()), now) for name, actors in self.pools.items()}


def _state(actors: list[_Actor], now: float) -> PoolState:
    end = max(actor.last for actor in actors)
    return PoolState(
        items=sum(actor.items for actor in actors),
        busy=sum(actor.busy for actor in actors),
        ready=sum(end - actor.ready for actor in actors),
        actors=len(actors),
        gpus=actors[0].gpus,
        quiet=now - end,
    )


class Watch:
    """Tells how pools do while the main thread waits for results, and wakes it if they stand still.

    Args:
        state: asks for it.
        stall_seconds: without any beat, after which the run is over; None: never.
        watch: called with the state of the pools, in a thread of its own.
    """

    def __init__(
        self,
        state: Callable[[], Mapping[str, PoolState]],
        stall_seconds: float | None,
        watch: Callable[[Mapping[str, PoolState]], None],
    ) -> None:
        self._state, self._stall_seconds, self._watch = state, stall_seconds, watch
        self._last = time.monotonic()
        self._over = threading.Event()
        self._stalled = ""
        self._thread = threading.Thread(target=self._look, name="xray-watch", daemon=True)

    def __enter__(self) -> Self:
        self._waiting = threading.current_thread()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._stalled and kind is KeyboardInterrupt:
            raise XrayError(self._stalled) from None
        if kind is None or issubclass(kind, XrayError):
            self._thread.join()
            self._watch(self._state())

    def progress(self) -> None:
        """Something else than a pool has got further."""
        self._last = time.monotonic()

    def _look(self) -> None:
        while not self._over.wait(_EVERY):
            pools = self._state()
            self._watch(pools)
            quiet = min([time.monotonic() - self._last, *(pool.quiet for pool in pools.values())])
            if self._stall_seconds is not None and quiet > self._stall_seconds:
                self._stalled = _told(pools, quiet)
                # Waiting for Ray Data ends for a signal and for nothing else; its own handling of Ctrl-C stops the run.
                signal.pthread_kill(self._waiting.ident or 0, signal.SIGINT)
                return


def _told(pools: Mapping[str, PoolState], quiet: float) -> str:
    states = ", ".join(
        f"{name}: {pool.actors} actors ready, {pool.items:,} images, the last {pool.quiet:,.0f} s ago"
        for name, pool in pools.items()
    )
    return (
        f"no pool finished a batch for {quiet:,.0f} s ({states or 'no actor was ever ready'}); what is "
        "committed stays. Look for a full or broken GPU, or allow more by `pools: {stall_seconds: …}`. The "
        "same command goes on"
    )
