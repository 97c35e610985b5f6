"""A perceptual hash: near-duplicates of an image have nearly the same bits, however they are encoded and scaled.

The 256 bits say which of the 16 × 16 lowest frequencies of the grey image, scaled to 64 × 64 pixels, lie above the
median of these (the "pHash" of Zauner 2010, with 16 × 16 frequencies instead of 8 × 8). The first eight bytes are the
8 × 8 lowest ones, a row each.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from xray.core.errors import Rejected
from xray.core.images import Header, Limits, decode, upright
from xray.core.types import Pixels

HASH_BYTES = 32
MAX_BITS = 60
"""Bits of 256 in which near-duplicates may differ. Unrelated images differ in 128 on average (standard deviation 9)."""
_SIDE, _FREQUENCIES, _LOWEST = 64, 16, 8
_ROWS_AT_ONCE = 2048


def perceptual_hash(image: Pixels) -> bytes:
    """Return the hash of an upright RGB or grey image, shape (H, W, 3) or (H, W): 32 bytes.

    >>> ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    >>> bit_distance(perceptual_hash(ramp), perceptual_hash(ramp[::2, ::2])) <= MAX_BITS
    True
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    spectrum = cv2.dct(small.astype(np.float32))[:_FREQUENCIES, :_FREQUENCIES]
    bits = spectrum > np.median(spectrum)
    lowest = np.zeros(bits.shape, bool)
    lowest[:_LOWEST, :_LOWEST] = True
    return np.packbits(np.concatenate([bits[lowest], bits[~lowest]])).tobytes()


def hash_of_file(data: bytes, header: Header, limits: Limits, decoded: Pixels | None = None) -> bytes | None:
    """Return the hash of an encoded image without decoding more of a JPEG than it takes; None if it cannot be decoded.

    Args:
        data: the image file.
        header: of the file.
        limits: as for `decode`.
        decoded: the upright image, if it is decoded already: files other than JPEG are not decoded again.
    """
    try:
        if header.format in ("JPEG", "MPO"):
            side = 2 * _SIDE
            grey = simplejpeg.decode_jpeg(data, "GRAY", min_height=side, min_width=side, strict=True)[:, :, 0]
            return perceptual_hash(upright(grey, header.orientation))
        return perceptual_hash(decode(data, limits).image if decoded is None else decoded)
    except (Rejected, ValueError):
        return None


def bit_distance(one: bytes, other: bytes) -> int:
    """Return the number of bits in which two hashes differ.

    >>> bit_distance(bytes([0, 1]), bytes([3, 1]))
    2
    """
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


def similar(hashes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return which hashes belong to near-duplicates: equal numbers, shape (N,), for each set of them.

    Two are near-duplicates if at most `MAX_BITS` bits differ and one of the first eight bytes is equal: those of at
    most seven differences always have one. Who is a near-duplicate of either of two belongs to both. Only hashes with
    an equal byte are compared, N² / 64 pairs and more.

    Args:
        hashes: shape (N, 32).

    >>> similar(np.array([[0] * 32, [255] * 32, [1] + [0] * 31], np.uint8)).tolist()
    [0, 1, 0]
    """
    distinct, of_hash = np.unique(hashes, axis=0, return_inverse=True)
    words = np.ascontiguousarray(distinct).view(np.uint64)
    links = np.empty((0, 2), np.int64)
    for byte in range(_LOWEST):
        order = np.argsort(distinct[:, byte], kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(distinct[order, byte])) + 1):
            links = np.concatenate([links, *_links(bucket, words)])
        links = _forest(links, len(distinct))
    sets = connected_components(_graph(links, len(distinct)), directed=False)[1]
    numbers: NDArray[np.int64] = sets[of_hash.ravel()].astype(np.int64)
    return numbers


def _links(bucket: NDArray[np.int64], words: NDArray[np.uint64]) -> list[NDArray[np.int64]]:
    """Return the pairs of near-duplicates in a bucket, shape (M, 2) each."""
    pairs = []
    for start in range(0, len(bucket), _ROWS_AT_ONCE):
        rows = bucket[start : start + _ROWS_AT_ONCE]
        for first in range(start, len(bucket), _ROWS_AT_ONCE):
            others = bucket[first : first + _ROWS_AT_ONCE]
            lowest = np.bitwise_count(words[rows, None, 0] ^ words[None, others, 0])
            i, j = np.nonzero(lowest <= MAX_BITS // 3)  # few pairs: a third of the bits may be in a quarter of them
            i, j = rows[i[i + start < j + first]], others[j[i + start < j + first]]
            near = np.bitwise_count(words[i] ^ words[j]).sum(axis=1, dtype=np.int64) <= MAX_BITS
            pairs.append(np.stack([i[near], j[near]], axis=1))
    return pairs


def _forest(links: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return at most N links that connect the same hashes, so that many copies of a scene take little memory."""
    sets = connected_components(_graph(links, size), directed=False)[1]
    first = np.unique(sets, return_index=True)[1][sets]
    rows = np.flatnonzero(first != np.arange(size))
    return np.stack([first[rows], rows], axis=1)


def _graph(links: NDArray[np.int64], size: int) -> Any:
    return coo_array((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(size, size)).tocsr()
