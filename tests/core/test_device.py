from __future__ import annotations

import itertools
import os
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xray.core.batching import BatchRunner, DeviceLock
from xray.core.device import configure_worker, load_in_background, load_on
from xray.core.errors import ConfigError, Rejected, XrayError

SECONDS = 20.0
"""After which a test that waits for another thread fails."""


class Doubling:
    """Doubles numbers; refuses some of them at each step, and batches that its memory does not hold."""

    def __init__(
        self, *, unprepared: Any = (), unmade: Any = (), unfinished: Any = (), memory: int = 10**6, waits: bool = False
    ) -> None:
        self.unprepared, self.unmade, self.unfinished = unprepared, unmade, unfinished
        self.memory, self.waits = memory, waits
        self.facts: dict[str, Any] = {}
        self.batches: list[list[int]] = []

    def prepare(self, item: int) -> int:
        self._wait(item)
        if item in self.unprepared:
            raise Rejected("too_small", str(item))
        return item

    def run(self, batch: Sequence[int]) -> list[int | Rejected]:
        if len(batch) > self.memory:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has more to say.")
        self.batches.append(list(batch))
        return [Rejected("no_object", str(item)) if item in self.unmade else 2 * item for item in batch]

    def finish(self, item: int, raw: int) -> int:
        self._wait(item)
        if item in self.unfinished:
            raise Rejected("nsfw", str(item))
        return raw

    def _wait(self, item: int) -> None:
        """The earlier ones of each four take longer, so that later ones overtake them."""
        if self.waits:
            time.sleep((3 - item % 4) * 0.005)


def work(model: Any, batch: int, **more: Any) -> BatchRunner[int, int]:
    return BatchRunner(model, batch, more.pop("turn", DeviceLock(threading.Lock())), **more)


def outcomes(results: Iterator[int | Rejected]) -> list[int | str]:
    return [result.reason if isinstance(result, Rejected) else result for result in results]


def test_results_come_in_order_whichever_is_ready_first() -> None:
    assert list(work(Doubling(waits=True), 2).run(range(20))) == [2 * item for item in range(20)]


def test_nothing_in_nothing_out() -> None:
    model, device = Doubling(), threading.Lock()
    with device:
        assert list(work(model, 2, turn=DeviceLock(device)).run([])) == []
    assert model.batches == []


REFUSED = st.sets(st.integers(0, 39))


@given(st.integers(0, 40), st.integers(1, 9), REFUSED, REFUSED, REFUSED, st.randoms())
def test_the_items_alone_decide_what_makes_a_batch(
    count: int, batch: int, unprepared: set[int], unmade: set[int], unfinished: set[int], chance: random.Random
) -> None:
    items = list(range(count))
    chance.shuffle(items)
    model = Doubling(unprepared=unprepared, unmade=unmade, unfinished=unfinished)
    beats: list[tuple[int, float]] = []
    mine = work(model, batch, on_batch=lambda made, seconds: beats.append((made, seconds)))
    results = outcomes(mine.run(items))
    refused = dict.fromkeys(unfinished, "nsfw") | dict.fromkeys(unmade, "no_object")
    refused |= dict.fromkeys(unprepared, "too_small")
    assert results == [refused.get(item, 2 * item) for item in items]
    groups = [items[start : start + batch] for start in range(0, count, batch)]
    good = [[item for item in group if item not in unprepared] for group in groups]
    assert model.batches == [group for group in good if group]
    assert [made for made, _ in beats] == [made for group in groups for made in (0, len(group))]  # begun, finished
    assert mine.busy == pytest.approx(sum(seconds for _, seconds in beats))


def test_it_reads_a_few_batches_ahead_and_not_all() -> None:
    read: list[int] = []
    seen: list[int] = []

    class Noting(Doubling):
        def run(self, batch: Sequence[int]) -> list[int | Rejected]:
            seen.append(len(read))
            return super().run(batch)

    items = (read.append(item) or item for item in range(100))  # type: ignore[func-returns-value]
    assert len(list(work(Noting(), 2).run(items))) == 100
    assert seen[0] <= 8
    assert all(later - before <= 2 for before, later in itertools.pairwise(seen))


def test_what_is_next_is_prepared_while_the_device_works() -> None:
    class Waiting(Doubling):
        """Its first batch ends when the second one is prepared."""

        def __init__(self) -> None:
            super().__init__()
            self.second = threading.Event()

        def prepare(self, item: int) -> int:
            if item == 1:
                self.second.set()
            return item

        def run(self, batch: Sequence[int]) -> list[int | Rejected]:
            assert self.second.wait(SECONDS), "nothing was prepared beside"
            return super().run(batch)

    assert list(work(Waiting(), 1).run([0, 1])) == [0, 2]


def test_memory_that_does_not_suffice_halves_the_batch_for_good() -> None:
    model = Doubling(memory=3)
    mine = work(model, 8)
    assert list(mine.run(range(19))) == [2 * item for item in range(19)]
    assert (mine.batch, mine.out_of_memory) == (2, 2)
    assert [len(batch) for batch in model.batches] == [2] * 9 + [1]
    assert [item for batch in model.batches for item in batch] == list(range(19))


def test_memory_that_does_not_suffice_for_one_says_so_in_a_line() -> None:
    device = threading.Lock()
    with DeviceLock(device) as turn:
        mine = work(Doubling(memory=0), 4, turn=turn)
        with pytest.raises(XrayError, match=r"CUDA out of memory\. Tried to allocate 2\.00 GiB\.") as error:
            list(mine.run(range(5)))
    assert "\n" not in str(error.value)
    assert "`tiling: true`" in str(error.value)
    assert (mine.batch, mine.out_of_memory) == (1, 2)
    assert not device.locked()


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        (torch.OutOfMemoryError("Tried to allocate 2 GiB"), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_a_lack_of_memory_is_known_by_its_class_or_words(error: RuntimeError, lacks: bool) -> None:
    class Once(Doubling):
        """Fails the first time."""

        def run(self, batch: Sequence[int]) -> list[int | Rejected]:
            if self.memory:
                self.memory = 0
                raise error
            self.batches.append(list(batch))
            return [2 * item for item in batch]

    device = threading.Lock()
    with DeviceLock(device) as turn:
        mine = work(Once(memory=1), 2, turn=turn)
        if lacks:
            assert list(mine.run(range(3))) == [0, 2, 4]
            assert (mine.batch, mine.out_of_memory) == (1, 1)
        else:
            with pytest.raises(RuntimeError) as raised:
                list(mine.run(range(3)))
            assert raised.value is error
    assert not device.locked()


def test_a_model_for_which_memory_does_not_suffice_says_so_in_a_line() -> None:
    def load(device: str) -> Doubling:
        raise torch.OutOfMemoryError("CUDA out of memory.\nmore")

    with pytest.raises(XrayError, match=r"CUDA out of memory\. ") as error:
        load_on(load, "cpu")
    assert "\n" not in str(error.value)


def test_a_device_that_is_held_is_not_acquired_twice() -> None:
    device = threading.Semaphore(2)
    with DeviceLock(device) as turn:  # type: ignore[arg-type]
        for _ in range(2):
            assert list(work(Doubling(), 1, turn=turn).run([1])) == [2]
        assert device.acquire(blocking=False)
        assert not device.acquire(blocking=False)
        device.release()


def test_the_device_is_one_work_s_until_that_is_committed() -> None:
    device, other_prepared = threading.Lock(), threading.Event()
    ran: list[int] = []

    class First(Doubling):
        def run(self, batch: Sequence[int]) -> list[int | Rejected]:
            assert other_prepared.wait(SECONDS), "the other work did not prepare in the meantime"
            ran.extend(batch)
            return super().run(batch)

    class Second(Doubling):
        def prepare(self, item: int) -> int:
            other_prepared.set()
            return item

        def run(self, batch: Sequence[int]) -> list[int | Rejected]:
            ran.extend(batch)
            return super().run(batch)

    def made(model: Doubling, items: range, committed: int) -> list[int | Rejected]:
        with DeviceLock(device) as turn:
            results = list(work(model, 1, turn=turn).run(items))
            time.sleep(0.2)  # it is written, and the device waits
            ran.append(committed)
            return results

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(made, First(), range(5), -1)
        while not device.locked() and not first.done():
            time.sleep(0.001)
        second = pool.submit(made, Second(), range(10, 15), -2)
        assert first.result(SECONDS) == [0, 2, 4, 6, 8]
        assert second.result(SECONDS) == [20, 22, 24, 26, 28]
    assert ran == [0, 1, 2, 3, 4, -1, 10, 11, 12, 13, 14, -2]


def test_loading_begins_at_once_and_who_asks_waits_for_it() -> None:
    loads: list[int] = []
    may_end = threading.Event()

    def load() -> object:
        loads.append(threading.get_ident())
        assert may_end.wait(SECONDS)
        return object()

    loading = load_in_background(load)
    while not loads:
        time.sleep(0.001)  # nobody has asked yet
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(loading.result, SECONDS) for _ in range(8)]
        assert not any(one.done() for one in asked)
        may_end.set()
        assert len({one.result(SECONDS) for one in asked}) == 1
    assert len(loads) == 1
    assert loads[0] != threading.get_ident()


def test_what_cannot_be_loaded_is_told_to_all_who_ask() -> None:
    def load() -> str:
        raise ConfigError("not there")

    loading = load_in_background(load)
    for _ in range(2):
        with pytest.raises(XrayError, match="not there"):
            loading.result(SECONDS)


def test_a_model_on_a_cpu_has_one_thread() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        asked: list[str] = []
        load_on(lambda device: asked.append(device) or Doubling(), "cpu")  # type: ignore[func-returns-value]
        assert asked == ["cpu"]
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a CUDA device")
def test_a_worker_without_the_device_says_so() -> None:
    with pytest.raises(XrayError, match="no CUDA device"):
        load_on(lambda device: Doubling(), "cuda")


def test_a_worker_is_configured_while_another_thread_imports_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))  # as it is in the middle of its import
    configure_worker()
    assert os.environ["OMP_NUM_THREADS"] == "1"
