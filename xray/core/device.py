"""Networks on a device, fed in small batches: the device works while the CPU prepares what is next."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from xray.core.errors import Rejected, XrayError

_MEMORY = (
    "A smaller `size`, `offload: true` and `tiling: true` of the painter take less of it, and more is left by "
    "fewer actors on a GPU"
)

_SWITCH_SECONDS = 0.0005
"""After so long the thread that feeds the device gets the interpreter back from those that prepare and finish; Python's
own 5 ms are a hundredth of the device's time where it needs half a second for an image."""

_LOADING = threading.Lock()
"""Libraries patch torch for the whole process while they load: one at a time."""

Item = TypeVar("Item")
Output = TypeVar("Output")
Item_contra = TypeVar("Item_contra", contravariant=True)
Output_co = TypeVar("Output_co", covariant=True)


class DeviceModel(Protocol[Item_contra, Output_co]):
    """Something with weights on a device, in three steps of which only the middle one needs the device.

    `prepare` and `finish` run in threads beside `run`; `run` is called by one thread at a time.
    """

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is recorded with all that it makes, as plain JSON values: weights and their hashes, dtype, settings."""
        ...

    def prepare(self, item: Item_contra) -> Any:
        """An item as the network takes it, on the CPU.

        Raises:
            Rejected: this item cannot be used; it costs no other.
        """
        ...

    def run(self, batch: Sequence[Any]) -> Sequence[Any]:
        """What the network makes of 1 or more prepared items, in their order.

        Raises:
            torch.OutOfMemoryError: the batch is too large for the device.
        """
        ...

    def finish(self, item: Item_contra, raw: Any) -> Output_co:
        """The result for an item, on the CPU.

        Raises:
            Rejected: nothing usable came of it.
        """
        ...


def begun(load: Callable[[], Output]) -> Future[Output]:
    """Begin to load something now, in another thread; who asks for the result waits for it, or has its error raised."""
    return ThreadPoolExecutor(1).submit(load)


class Turn:
    """One unit of work's turn on a device that several units share: from its first batch until it is committed.

    While it is finished and written the device waits, for hundredths of a second: a unit that was worked off by the
    device and not committed would be lost beside the next one, should their process die.

    Args:
        device: what the units of a process share.
    """

    def __init__(self, device: threading.Lock) -> None:
        self.device, self.taken = device, False

    def take(self) -> None:
        """Wait for the turn, unless it is there."""
        if not self.taken:
            self.device.acquire()
            self.taken = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.taken:
            self.device.release()
            self.taken = False


@dataclass
class Work(Generic[Item, Output]):
    """Some items on their way through a model.

    Args:
        model: what they go through.
        batch: items that the network sees at once. Halved where the device's memory does not suffice, and kept so.
        turn: of this work on the device; it is not given back here.
        beat: called with 0 items before each batch, and after it with their number and the seconds that it took.
        busy: seconds in which the device had work, so far.
        ran: items that it has worked off, so far.
        out_of_memory: how often the batch was halved.
    """

    model: DeviceModel[Item, Output]
    batch: int
    turn: Turn
    beat: Callable[[int, float], None] = lambda items, seconds: None
    busy: float = 0.0
    ran: int = 0
    out_of_memory: int = 0

    def through(self, items: Iterable[Item]) -> Iterator[Output | Rejected]:
        """The result of each item, in order, or why there is none.

        Two threads prepare what is next, at most three batches ahead, and finish what is done. Which items make a batch
        depends on the items alone, so that the same items give the same bytes.
        """
        with ThreadPoolExecutor(2) as pool:
            batches = self._prepared(iter(items), pool)
            first = next(batches, None)  # prepared while the device still works for others
            if first is None:
                return
            pending: deque[Future[Output | Rejected]] = deque()
            self.turn.take()
            for batch in chain([first], batches):
                pending.extend(pool.submit(self._finish, *done) for done in self._run(batch))
                while pending and pending[0].done():
                    yield pending.popleft().result()
            for left in pending:
                yield left.result()

    def _prepared(self, items: Iterator[Item], pool: ThreadPoolExecutor) -> Iterator[list[tuple[Item, Any]]]:
        size = self.batch
        ahead: deque[list[tuple[Item, Future[Any]]]] = deque()

        def fill() -> None:
            while len(ahead) < 3 and (group := list(islice(items, size))):
                ahead.append([(item, pool.submit(self._prepare, item)) for item in group])

        fill()
        while ahead:
            ready = [(item, future.result()) for item, future in ahead.popleft()]
            fill()
            yield ready

    def _prepare(self, item: Item) -> Any:
        try:
            return self.model.prepare(item)
        except Rejected as verdict:
            return verdict

    def _finish(self, item: Item, raw: Any) -> Output | Rejected:
        if isinstance(raw, Rejected):
            return raw
        try:
            return self.model.finish(item, raw)
        except Rejected as verdict:
            return verdict

    def _run(self, batch: list[tuple[Item, Any]]) -> list[tuple[Item, Any]]:
        good = [ready for _, ready in batch if not isinstance(ready, Rejected)]
        self.beat(0, 0.0)
        started = time.perf_counter()
        raw = iter(self._halving(good)) if good else iter(())
        seconds = time.perf_counter() - started
        self.busy += seconds
        self.ran += len(good)
        self.beat(len(batch), seconds)
        return [(item, ready if isinstance(ready, Rejected) else next(raw)) for item, ready in batch]

    def _halving(self, ready: Sequence[Any]) -> list[Any]:
        made: list[Any] = []
        while len(made) < len(ready):
            part = ready[len(made) : len(made) + self.batch]
            refused = ""
            try:
                made += self.model.run(part)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                refused = str(error).partition("\n")[0]
            if refused:  # outside of the handler, which keeps the tensors of the failed call
                if len(part) == 1:
                    raise XrayError(f"the device's memory does not suffice for a batch of one: {refused} {_MEMORY}")
                self.batch = max(1, len(part) // 2)
                self.out_of_memory += 1
                _free_memory()
        return made


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error means that the device's memory does not suffice; libraries below torch only say so in words.

    >>> is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    True
    """
    words = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
    torch = sys.modules.get("torch")
    ours = torch is not None and isinstance(error, torch.OutOfMemoryError)
    return ours or any(word in str(error) for word in words)


def _free_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _assert_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise XrayError("torch sees no CUDA device on this worker, although Ray gave it a GPU: is this a CPU build?")


def ready(load: Callable[[str], Output], device: str) -> Output:
    """What `load` brings to a device, in a worker: one thread for what runs on the CPU.

    Raises:
        XrayError: there is no such device, or what `load` raises.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    os.environ["OMP_NUM_THREADS"] = (
        "1"  # torch reads it as it is imported, which takes seconds: not every model needs it
    )
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if device == "cuda":
        _assert_cuda()
    try:
        with _LOADING:
            return load(device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        first_line = str(error).partition("\n")[0]
        raise XrayError(f"the device's memory does not suffice for the model: {first_line} {_MEMORY}") from error
