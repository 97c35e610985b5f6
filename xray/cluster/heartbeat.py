"""The heartbeat of a run: how busy its pools are, and whether the run still makes progress."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from xray.cluster.placement import PoolState
from xray.core.errors import ResourceError, XrayError

_POLL_SECONDS, _SIGNAL_SECONDS = 1.0, 15.0
_MAX_NAMES = 8


class _Actor:
    """The reports of one actor: its start, and its work since."""

    def __init__(self, now: float, gpus: float) -> None:
        self.start = self.last = now
        self.gpus = gpus
        self.working = False
        self.items = 0
        self.busy = 0.0


class Heartbeat:
    """Collects the reports of all workers: finished batches, started and finished items. Runs as a Ray actor."""

    def __init__(self) -> None:
        self.pools: dict[str, dict[str, _Actor]] = {}
        self.started: Counter[tuple[str, str]] = Counter()
        self.over = False

    def end(self) -> None:
        """Mark the run as ended: its actors must exit."""
        self.over = True

    def ended(self) -> bool:
        """Return whether the run has ended."""
        return self.over

    def start(self, stage: str, item: str) -> int:
        """Count the start of an item, and return how often it was started and not finished: > 1 if workers died."""
        self.started[stage, item] += 1
        return self.started[stage, item]

    def finish(self, stage: str, item: str) -> None:
        """Record that an item is finished in a stage."""
        self.started.pop((stage, item), None)

    def in_progress(self) -> list[str]:
        """Items that were started in a stage and not finished, the oldest first."""
        return list(dict.fromkeys(item for _, item in self.started))

    def batch(self, pool: str, actor: str, gpus: float, images: int, seconds: float) -> None:
        """Record that an actor starts a batch (0 images), or has finished one.

        Args:
            pool: its pool.
            actor: its id.
            gpus: its share of a GPU.
            images: size of the batch.
            seconds: time that its device was busy with it.
        """
        now = time.monotonic()
        state = self.pools.setdefault(pool, {}).setdefault(actor, _Actor(now - seconds, gpus))
        state.items += images
        state.busy += seconds
        state.last = now
        state.working = not images

    def states(self) -> dict[str, PoolState]:
        """The states of the pools by name.

        An actor's time goes from its first batch to the last report of its pool: loading does not count, waiting while
        others still work does.
        """
        now = time.monotonic()
        return {name: _pool_state(list(actors.values()), now) for name, actors in self.pools.items()}


def _pool_state(actors: list[_Actor], now: float) -> PoolState:
    end = max(actor.last for actor in actors)
    return PoolState(
        items=sum(actor.items for actor in actors),
        busy=sum(actor.busy for actor in actors),
        ready=sum(end - actor.start for actor in actors),
        actors=len(actors),
        gpus=actors[0].gpus,
        quiet=now - end if any(actor.working for actor in actors) else 0.0,
    )


class Monitor:
    """Reports the pools while the main thread waits for results, and interrupts it if the run stalls.

    Only the main thread can be interrupted; elsewhere stalls go unnoticed.

    Args:
        states: fetches the states of the pools; None: unavailable at the moment.
        stall_seconds: time after which the run ends if a working pool finishes no batch, or if nothing at all makes
            progress; None: never.
        watch: called with the states of the pools, in a thread of its own.
        in_progress: fetches the items that were started and not finished; None: unavailable at the moment.
    """

    def __init__(
        self,
        states: Callable[[], Mapping[str, PoolState] | None],
        stall_seconds: float | None,
        watch: Callable[[Mapping[str, PoolState]], None],
        in_progress: Callable[[], Sequence[str] | None] = tuple,
    ) -> None:
        self._fetch, self._stall_seconds, self._watch, self._in_progress = states, stall_seconds, watch, in_progress
        self._pools: Mapping[str, PoolState] = {}
        self._last = time.monotonic()
        self._over = threading.Event()
        self._stall = ""
        self._thread = threading.Thread(target=self._run, name="xray-monitor", daemon=True)

    def __enter__(self) -> Self:
        self._waiting = threading.current_thread()
        if self._waiting is threading.main_thread():
            # Not SIGINT: a process that was started in the background ignores it.
            self._handler = signal.signal(signal.SIGUSR1, signal.default_int_handler)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()  # so that it sends no more signals
        if self._waiting is threading.main_thread():
            signal.signal(signal.SIGUSR1, self._handler)
        if self._stall and kind is KeyboardInterrupt:
            raise ResourceError(self._stall) from None
        if kind is None or issubclass(kind, XrayError):
            self._report()

    def progress(self) -> None:
        """Record that the run has made progress."""
        self._last = time.monotonic()

    def _report(self) -> None:
        pools = self._fetch()
        if pools is None:
            return
        if sum(pool.items for pool in pools.values()) != sum(pool.items for pool in self._pools.values()):
            self.progress()
        self._pools = pools
        self._watch(pools)

    def _run(self) -> None:
        pause = _POLL_SECONDS
        while not self._over.wait(pause):
            self._report()
            self._stall = self._stall or self._find_stall()
            if self._stall and self._waiting is threading.main_thread():
                # Only a signal ends waiting for Ray Data, whose own handling of Ctrl-C then stops the execution.
                # A signal that arrives while Python collects garbage is lost, so it is sent again.
                signal.pthread_kill(self._waiting.ident or 0, signal.SIGUSR1)
                pause = _SIGNAL_SECONDS

    def _find_stall(self) -> str:
        if self._stall_seconds is None:
            return ""
        for name, pool in self._pools.items():
            if pool.quiet > self._stall_seconds:
                return self._describe(f"the {name} pool is working, but finished no batch for {pool.quiet:,.0f} s")
        idle = time.monotonic() - self._last
        return self._describe(f"no progress for {idle:,.0f} s") if idle > self._stall_seconds else ""

    def _describe(self, stall: str) -> str:
        states = [f"{name}: {pool.actors} actors, {pool.items:,} images" for name, pool in self._pools.items()]
        items = self._in_progress() or ()
        more = [f"and {len(items) - _MAX_NAMES:,} more"] if len(items) > _MAX_NAMES else []
        waiting = [f"waiting for {', '.join([*items[:_MAX_NAMES], *more])}"] if items else []
        details = ", ".join([*states, *waiting]) or "no worker started"
        return (
            f"{stall} ({details}). Committed data is safe. Check for a full or faulty GPU, or storage that hangs, or "
            "allow more time by `pools: {stall_seconds: …}`; then rerun the command to resume"
        )
