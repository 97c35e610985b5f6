"""The order in which images are seen: a function of the seed, the epoch and the ids only.

Neither the number of workers nor memory changes it. Images of a shard are read together: shards are shuffled, and then
the images within each window of shards.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from xray.core.hashing import Hashes, digest, mix

WINDOW = 32
"""Shards whose images are shuffled together. With no more shards than that, every order is equally likely. A worker
that streams holds so many decoded shards."""

Order = NDArray[np.int64]
"""Indices of images, in the order in which they are seen."""


def epoch_order(shard_N: NDArray[np.int64], hash_N: Hashes, seed: int, epoch: int) -> Order:
    """Return the order of N images in an epoch, from their shards (0 … shards − 1) and hashes.

    >>> epoch_order(np.array([0, 0, 1, 1]), np.array([5, 6, 7, 8], np.uint64), seed=0, epoch=0).tolist()
    [3, 2, 0, 1]
    """
    salt = np.uint64(digest(seed, "order", epoch, bits=64))
    shards = int(shard_N.max()) + 1 if len(shard_N) else 0
    rank_S = np.empty(shards, np.int64)
    rank_S[np.argsort(mix(np.arange(1, shards + 1, dtype=np.uint64) ^ salt), kind="stable")] = np.arange(shards)
    window_N = rank_S[shard_N] // WINDOW
    return np.lexsort((mix(hash_N ^ salt), window_N))


def batch_slices(count: int, batch: int, min_size: int = 2) -> list[slice]:
    """Split an epoch of `count` images into batches; return them as slices of its order.

    A last batch smaller than `min_size` is merged into the previous one: batch normalisation needs two images, and each
    worker needs some.

    >>> batch_slices(9, 4)
    [slice(0, 4, None), slice(4, 9, None)]
    """
    ends = [*range(batch, count, batch), count]
    if len(ends) > 1 and ends[-1] - ends[-2] < min_size:
        del ends[-2]
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)] if count else []


def worker_share(batch: slice, rank: int, workers: int, accumulate: int) -> list[slice]:
    """Split a batch evenly over the workers; return the share of one, in `accumulate` parts.

    >>> [worker_share(slice(0, 8), rank, workers=2, accumulate=2) for rank in (0, 1)]
    [[slice(0, 2, None), slice(2, 4, None)], [slice(4, 6, None), slice(6, 8, None)]]
    """
    bounds = np.linspace(batch.start, batch.stop, workers * accumulate + 1).round().astype(int).tolist()
    own = bounds[rank * accumulate : (rank + 1) * accumulate + 1]
    return [slice(start, end) for start, end in itertools.pairwise(own)]
