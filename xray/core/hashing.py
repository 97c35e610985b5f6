"""Hashes that decide everything random: a run draws from them, and from no generator's state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]


def digest(*parts: object, bits: int = 80) -> int:
    """A number of `bits` bits that depends on all parts, in order, and on nothing else."""
    return int(hex_hash("\0".join(str(part) for part in parts)), 16) >> (128 - bits)


def hex_hash(text: str) -> str:
    """BLAKE2b of a text, as 32 hexadecimal digits; `digest` takes the first ones of its parts joined by zeros."""
    return _blake2b(text).hexdigest()


def product_hashes(prefixes: Iterable[str], suffixes: Iterable[str]) -> Iterator[list[bytes]]:
    """For each suffix, the 16 bytes of `hex_hash(prefix + suffix)` for each prefix, in half the time.

    >>> [one.hex() for one in next(product_hashes(["a", "b"], [" c"]))] == [hex_hash("a c"), hex_hash("b c")]
    True
    """
    states = [_blake2b(prefix) for prefix in prefixes]
    for suffix in map(_bytes, suffixes):
        hashes = []
        for state in states:
            state = state.copy()
            state.update(suffix)
            hashes.append(state.digest())
        yield hashes


def mix(number_N: Hashes) -> Hashes:
    """64-bit numbers in which every bit depends on every bit (the finalizer of SplitMix64: Steele et al., OOPSLA 2014).

    >>> mix(np.array([1, 2], np.uint64)).tolist()
    [6238072747940578789, 15839785061582574730]
    """
    with np.errstate(over="ignore"):
        number_N = (number_N ^ (number_N >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        number_N = (number_N ^ (number_N >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number_N ^ (number_N >> np.uint64(31))


def _blake2b(text: str) -> hashlib.blake2b:
    return hashlib.blake2b(_bytes(text), digest_size=16)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
