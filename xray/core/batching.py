"""Feed a network on a device in small batches: the device works while the CPU prepares the next ones."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Generic, TypeVar

from xray.core.device import MEMORY_ADVICE, DeviceModel, free_memory, is_device_error, is_out_of_memory
from xray.core.errors import Rejected, ResourceError, rejecting

_AHEAD = 3
"""Batches that are prepared ahead of the device."""

Item = TypeVar("Item")
Output = TypeVar("Output")


class DeviceLock(ExitStack):
    """Exclusive use of a device by one shard of several in a process: from its first batch until it is committed.

    The device idles for hundredths of a second while the shard is finished and written. Without the lock, a shard that
    the device has finished but that is not committed would be lost together with the next one if the process died.

    Args:
        lock: shared by the shards of a process.
    """

    def __init__(self, lock: threading.Lock) -> None:
        super().__init__()
        self._lock, self._held = lock, False

    def acquire(self) -> None:
        """Wait for the device, unless it is held already."""
        if not self._held:
            self.enter_context(self._lock)
            self._held = True


@dataclass
class BatchRunner(Generic[Item, Output]):
    """Runs items through a model, batch by batch.

    Args:
        model: the model.
        batch: items that the network sees at once. Halved if the device runs out of memory, and kept at that size.
        lock: of the device; acquired before the first batch, and not released here.
        on_batch: called with 0 items before each batch, and after it with their number and the seconds that it took.
        busy: seconds in which the device had work, so far.
        ran: items that the device has processed, so far.
        out_of_memory: how often the batch was halved.
    """

    model: DeviceModel[Item, Output]
    batch: int
    lock: DeviceLock
    on_batch: Callable[[int, float], None] = lambda items, seconds: None
    busy: float = 0.0
    ran: int = 0
    out_of_memory: int = 0

    def run(self, items: Iterable[Item]) -> Iterator[Output | Rejected]:
        """Yield the result of each item, in order, or the reason why there is none.

        Two threads prepare the next items, at most three batches ahead, and finish the previous ones. Batches depend on
        the items alone, so that the same items give the same bytes.
        """
        with ThreadPoolExecutor(2) as pool:
            batches = self._prepared(iter(items), pool)
            first = next(batches, None)  # prepared while the device still works for another shard
            if first is None:
                return
            pending: deque[Future[Output | Rejected]] = deque()
            self.lock.acquire()
            for batch in chain([first], batches):
                pending.extend(pool.submit(self._finish, *result) for result in self._run_batch(batch))
                while pending and pending[0].done():
                    yield pending.popleft().result()
            for future in pending:
                yield future.result()

    def _prepared(self, items: Iterator[Item], pool: ThreadPoolExecutor) -> Iterator[list[tuple[Item, Any]]]:
        size = self.batch
        ahead: deque[list[tuple[Item, Future[Any]]]] = deque()

        def fill() -> None:
            while len(ahead) < _AHEAD and (group := list(islice(items, size))):
                ahead.append([(item, pool.submit(or_rejected, self.model.prepare, item)) for item in group])

        fill()
        while ahead:
            batch = [(item, future.result()) for item, future in ahead.popleft()]
            fill()
            yield batch

    def _finish(self, item: Item, raw: Any) -> Output | Rejected:
        return raw if isinstance(raw, Rejected) else or_rejected(self.model.finish, item, raw)

    def _run_batch(self, batch: list[tuple[Item, Any]]) -> list[tuple[Item, Any]]:
        inputs = [prepared for _, prepared in batch if not isinstance(prepared, Rejected)]
        self.on_batch(0, 0.0)
        started = time.perf_counter()
        outputs = iter(self._run_halving(inputs)) if inputs else iter(())
        seconds = time.perf_counter() - started
        self.busy += seconds
        self.ran += len(inputs)
        self.on_batch(len(batch), seconds)
        return [(item, prepared if isinstance(prepared, Rejected) else next(outputs)) for item, prepared in batch]

    def _run_halving(self, inputs: Sequence[Any]) -> list[Any]:
        outputs: list[Any] = []
        while len(outputs) < len(inputs):
            part = inputs[len(outputs) : len(outputs) + self.batch]
            failure = ""
            try:
                outputs += self.model.run(part)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                failure = str(error).partition("\n")[0]
            if failure:  # outside of the handler, which keeps the tensors of the failed call alive
                if len(part) == 1:
                    raise ResourceError(f"the device has too little memory for one image: {failure} {MEMORY_ADVICE}")
                self.batch = max(1, len(part) // 2)
                self.out_of_memory += 1
                free_memory()
        return outputs


def or_rejected(step: Callable[..., Output], *arguments: Any) -> Output | Rejected:
    """Return what a step makes of an item, or why there is nothing; a device that fails is no fault of the item."""
    try:
        with rejecting("error"):
            return step(*arguments)
    except Rejected as verdict:
        if isinstance(verdict.__cause__, RuntimeError) and is_device_error(verdict.__cause__):
            raise verdict.__cause__ from None
        return verdict
