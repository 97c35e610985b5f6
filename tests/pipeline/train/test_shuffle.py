from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.core.hashing import mix
from xray.pipeline.train.shuffle import WINDOW, batch_slices, epoch_order, worker_share

SEEDS = st.integers(0, 2**63 - 1)


def images(count: int, shards: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(count) * shards // max(count, 1), np.arange(count, dtype=np.uint64) * np.uint64(7919)


@given(st.integers(0, 300), st.integers(1, 100), SEEDS, st.integers(0, 5))
def test_an_epoch_shows_each_image_once(count: int, shards: int, seed: int, epoch: int) -> None:
    order = epoch_order(*images(count, shards), seed, epoch)
    assert sorted(order.tolist()) == list(range(count))


@settings(max_examples=10)
@given(SEEDS, st.integers(0, 5))
def test_windows_share_no_shard(seed: int, epoch: int) -> None:
    shard, hashes = images(6 * 3 * WINDOW, 3 * WINDOW)
    seen = shard[epoch_order(shard, hashes, seed, epoch)]
    windows = [set(part.tolist()) for part in np.split(seen, 3)]
    assert [len(window) for window in windows] == [WINDOW] * 3
    assert not windows[0] & windows[1]


def test_epochs_and_seeds_have_different_orders() -> None:
    orders = {tuple(epoch_order(*images(50, 5), seed, epoch).tolist()) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_every_image_comes_first_about_equally_often() -> None:
    first = [epoch_order(*images(8, 4), seed, 0)[0] for seed in range(2000)]
    counts = np.bincount(first, minlength=8)
    assert abs(counts - 250).max() < 5 * np.sqrt(250)


def test_mix_is_injective() -> None:
    numbers = np.arange(100_000, dtype=np.uint64)
    assert len(np.unique(mix(numbers))) == len(numbers)


@given(st.integers(0, 200), st.integers(1, 40), st.integers(1, 8))
def test_batches_take_each_image_once_and_none_is_small(count: int, batch: int, min_size: int) -> None:
    slices = batch_slices(count, batch, min_size)
    assert [index for one in slices for index in range(one.start, one.stop)] == list(range(count))
    assert all(one.stop - one.start >= min(min_size, batch) for one in slices) or len(slices) == 1
    assert all(one.stop - one.start < batch + min_size for one in slices)


@given(st.integers(0, 50), st.integers(1, 4), st.integers(1, 3), st.integers(0, 40))
def test_workers_share_a_batch(start: int, workers: int, accumulate: int, more: int) -> None:
    batch = slice(start, start + 2 * workers * accumulate + more)
    parts = [part for rank in range(workers) for part in worker_share(batch, rank, workers, accumulate)]
    assert [index for part in parts for index in range(part.start, part.stop)] == list(range(batch.start, batch.stop))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 2
