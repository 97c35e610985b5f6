"""The heartbeat of a run: how busy its pools are, and whether it still gets further."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from xray.cluster.placement import PoolState
from xray.core.errors import XrayError

_EVERY, _AGAIN = 1.0, 15.0
_NAMED = 8


class _Actor:
    """What one actor has told: when it began to work, and what it has done since."""

    def __init__(self, now: float, gpus: float) -> None:
        self.start = self.last = now
        self.gpus = gpus
        self.working = False
        self.items = 0
        self.busy = 0.0


class Pulses:
    """Collects the beats of all pools, and what is begun and not finished."""

    def __init__(self) -> None:
        self.pools: dict[str, dict[str, _Actor]] = {}
        self.begun: Counter[tuple[str, str]] = Counter()
        self.over = False

    def end(self) -> None:
        """The run is over, and whoever still works for it is to leave."""
        self.over = True

    def ended(self) -> bool:
        """Whether the run is over."""
        return self.over

    def begin(self, stage: str, unit: str) -> int:
        """How often a unit was begun in a stage and not finished, with this time: more than once if workers died."""
        self.begun[stage, unit] += 1
        return self.begun[stage, unit]

    def finish(self, stage: str, unit: str) -> None:
        """A unit is done in a stage; what is to be made again with another, that killed its worker, counts anew."""
        self.begun.pop((stage, unit), None)

    def at_hand(self) -> list[str]:
        """Units that were begun in a stage and not finished, the oldest first."""
        return list(dict.fromkeys(unit for _, unit in self.begun))

    def beat(self, pool: str, actor: str, gpus: float, items: int, seconds: float) -> None:
        """An actor begins a batch (0 items), or has finished one.

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
        told.working = not items

    def state(self) -> dict[str, PoolState]:
        """The pools by name.

        An actor's time goes from its first batch to the last beat of its pool: loading does not count, waiting while
        others still work does.
        """
        now = time.monotonic()
        return {name: _state(list(actors.values()), now) for name, actors in self.pools.items()}


def _state(actors: list[_Actor], now: float) -> PoolState:
    end = max(actor.last for actor in actors)
    return PoolState(
        items=sum(actor.items for actor in actors),
        busy=sum(actor.busy for actor in actors),
        ready=sum(end - actor.start for actor in actors),
        actors=len(actors),
        gpus=actors[0].gpus,
        quiet=now - end if any(actor.working for actor in actors) else 0.0,
    )


class Watch:
    """Tells how pools do while the main thread waits for results, and wakes it if one, or all, stands still.

    In another thread than the main one nothing can be woken: what stands still is not noticed there.

    Args:
        state: asks for it; None: not to be had at the moment.
        stall_seconds: after which the run is over, if a pool is at work and finishes no batch, or if nothing at all
            gets further; None: never.
        watch: called with the state of the pools, in a thread of its own.
        at_hand: asks for the units that were begun and not finished; None: not to be had at the moment.
    """

    def __init__(
        self,
        state: Callable[[], Mapping[str, PoolState] | None],
        stall_seconds: float | None,
        watch: Callable[[Mapping[str, PoolState]], None],
        at_hand: Callable[[], Sequence[str] | None] = tuple,
    ) -> None:
        self._ask, self._stall_seconds, self._watch, self._at_hand = state, stall_seconds, watch, at_hand
        self._pools: Mapping[str, PoolState] = {}
        self._last = time.monotonic()
        self._over = threading.Event()
        self._stalled = ""
        self._thread = threading.Thread(target=self._look, name="xray-watch", daemon=True)

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
        self._thread.join()  # it sends no more signals then
        if self._waiting is threading.main_thread():
            signal.signal(signal.SIGUSR1, self._handler)
        if self._stalled and kind is KeyboardInterrupt:
            raise XrayError(self._stalled) from None
        if kind is None or issubclass(kind, XrayError):
            self._tell()

    def progress(self) -> None:
        """Something has got further."""
        self._last = time.monotonic()

    def _tell(self) -> None:
        pools = self._ask()
        if pools is None:
            return
        if sum(pool.items for pool in pools.values()) != sum(pool.items for pool in self._pools.values()):
            self.progress()
        self._pools = pools
        self._watch(pools)

    def _look(self) -> None:
        pause = _EVERY
        while not self._over.wait(pause):
            self._tell()
            self._stalled = self._stalled or self._standing_still()
            if self._stalled and self._waiting is threading.main_thread():
                # Waiting for Ray Data ends for a signal and for nothing else; its own handling of Ctrl-C stops the run.
                # One that comes while Python collects garbage is lost, so it is sent again.
                signal.pthread_kill(self._waiting.ident or 0, signal.SIGUSR1)
                pause = _AGAIN

    def _standing_still(self) -> str:
        if self._stall_seconds is None:
            return ""
        for name, pool in self._pools.items():
            if pool.quiet > self._stall_seconds:
                return self._said(f"the {name} pool is at work and finished no batch for {pool.quiet:,.0f} s")
        idle = time.monotonic() - self._last
        return self._said(f"nothing got further for {idle:,.0f} s") if idle > self._stall_seconds else ""

    def _said(self, what: str) -> str:
        states = [f"{name}: {pool.actors} actors, {pool.items:,} images" for name, pool in self._pools.items()]
        units = self._at_hand() or ()
        more = [f"and {len(units) - _NAMED:,} more"] if len(units) > _NAMED else []
        waits = [f"waiting for {', '.join([*units[:_NAMED], *more])}"] if units else []
        seen = ", ".join([*states, *waits]) or "no worker began to work"
        return (
            f"{what} ({seen}); what is committed stays. Look for a full or broken GPU, or a storage that hangs, or "
            "allow more by `pools: {stall_seconds: …}`. The same command goes on"
        )
