"""Uniform sampling from many donors, of which each draw looks only at a few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xray.core.hashing import Hashes, mix

_BITS = 63
_STEP = np.uint64(0x9E3779B97F4A7C15)
"""The increment of SplitMix64: odd, so that numbers times it are distinct."""


def draw(points: Hashes, seeds: Hashes) -> NDArray[np.int64]:
    """Draw an element of sorted hashes for each seed; the seeds determine the result.

    The leading bits of the hashes are a binary tree. From the root on, a hash of the seed and the node decides between
    its halves in proportion to the numbers of their elements: each element has the same chance, exactly. One element
    more or less moves only the thresholds of the nodes above it, so that about one draw in N changes for each of the
    log₂ N levels.

    Args:
        points: 0 … 2^63 − 1, in order, shape (N,), N ≥ 1.
        seeds: shape (M,).

    Returns:
        Indices of points, shape (M,).
    """
    low, high = np.zeros(len(seeds), np.int64), np.full(len(seeds), len(points))
    start = np.zeros(len(seeds), np.uint64)
    for bit in reversed(range(_BITS)):
        left = np.flatnonzero(high - low > 1)
        if not len(left):
            break
        node = start[left] + np.uint64(1 << bit)  # the middle of a node is that of no other
        first, last = low[left], high[left]
        middle = np.clip(np.searchsorted(points, node), first, last)
        share = (mix(seeds[left] ^ mix(node)) >> np.uint64(11)) * 2.0**-53  # 0 … 1
        right = (share * (last - first) >= middle - first) & (middle < last)
        low[left], high[left] = np.where(right, middle, first), np.where(right, last, middle)
        start[left] = np.where(right, node, start[left])
    return low


def attempt_seeds(seeds: Hashes, attempt: int) -> Hashes:
    """Return seeds of a further draw, which is independent of those of other attempts; shape of `seeds`."""
    with np.errstate(over="ignore"):
        return mix(seeds + np.uint64(attempt) * _STEP)
