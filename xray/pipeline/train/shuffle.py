"""In which order images are seen: a function of the seed, the epoch and the ids, and of nothing else.

Neither workers nor memory change it. Images of the same shard are read together, so whole shards are shuffled, and then
the images of some shards among each other.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from xray.core.hashing import Hashes, digest, mix

WINDOW = 32
"""Shards whose images are shuffled among each other; where there are no more than that, the order is any with equal
chance. A worker that streams holds so many decoded shards."""

Order = NDArray[np.int64]


def epoch_order(shard_N: NDArray[np.int64], hash_N: Hashes, seed: int, epoch: int) -> Order:
    """The order in which N images are seen in an epoch.

    Args:
        shard_N: of each image, 0 … shards − 1.
        hash_N: a number that is each image's own, whatever else is trained on.
        seed: of the trial.
        epoch: 0 …

    Returns:
        Shape (N,), places of the images in the order in which they are seen.

    >>> epoch_order(np.array([0, 0, 1, 1]), np.array([5, 6, 7, 8], np.uint64), seed=0, epoch=0).tolist()
    [3, 2, 0, 1]
    """
    salt = np.uint64(digest(seed, "order", epoch, bits=64))
    shards = int(shard_N.max()) + 1 if len(shard_N) else 0
    rank_S = np.empty(shards, np.int64)
    rank_S[np.argsort(mix(np.arange(1, shards + 1, dtype=np.uint64) ^ salt), kind="stable")] = np.arange(shards)
    window_N = rank_S[shard_N] // WINDOW
    return np.lexsort((mix(hash_N ^ salt), window_N))


def steps(count: int, batch: int, least: int = 2) -> list[slice]:
    """The batches of an epoch, as slices of its order.

    Args:
        count: images.
        batch: of them in a step.
        least: a last batch of fewer joins the one before: one image has no variance, of which batch normalisation makes
            nothing, and each worker must have some.

    >>> steps(9, 4)
    [slice(0, 4, None), slice(4, 9, None)]
    """
    ends = [*range(batch, count, batch), count]
    if len(ends) > 1 and ends[-1] - ends[-2] < least:
        del ends[-2]
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)] if count else []


def share(batch: slice, rank: int, workers: int, accumulate: int) -> list[slice]:
    """What one worker takes of a batch, in as many parts as it accumulates; together the workers take it once.

    >>> [share(slice(0, 8), rank, workers=2, accumulate=2) for rank in (0, 1)]
    [[slice(0, 2, None), slice(2, 4, None)], [slice(4, 6, None), slice(6, 8, None)]]
    """
    bounds = np.linspace(batch.start, batch.stop, workers * accumulate + 1).round().astype(int).tolist()
    mine = bounds[rank * accumulate : (rank + 1) * accumulate + 1]
    return [slice(start, end) for start, end in itertools.pairwise(mine)]
