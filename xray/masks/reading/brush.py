"""The run lengths of Label Studio's brush: words in a stream of bits, most significant first.

A stream has the number of words (32 bits), the bits of a word less one (5), and the bits of four classes of run
lengths less one (4 each). Runs follow: one bit, 1 if a single word is repeated; two bits, the class of the length; the
length less one; then the word, or as many words as the length says.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CHANNELS = 4


def decode_brush(data: bytes, width: int, height: int) -> NDArray[np.bool_]:
    """Return where the brush painted, shape (height, width): the opacity of the stream's RGBA pixels is not 0.

    Raises:
        ValueError: the stream is damaged, or of another size.
    """
    bits = _Bits(data)
    count, word = bits.read(32), bits.read(5) + 1
    if count != width * height * _CHANNELS:
        raise ValueError(f"a brush stroke of {count} values, not {width}×{height}×{_CHANNELS}")
    if word != 8:
        raise ValueError(f"a brush stroke of words of {word} bits, not 8")
    lengths = [bits.read(4) + 1 for _ in range(4)]
    values = np.empty(count, np.uint8)
    start = 0
    while start < count:
        repeated = bits.read(1)
        end = start + 1 + bits.read(lengths[bits.read(2)])
        if end > count:
            raise ValueError("a brush stroke with a run beyond its end")
        values[start:end] = bits.read(8) if repeated else bits.read_bytes(end - start)
        start = end
    return values.reshape(height, width, _CHANNELS)[:, :, 3] > 0


class _Bits:
    """A stream of bits."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def read(self, count: int) -> int:
        """Return the next bits, at most 32, as a number."""
        start, offset = divmod(self._position, 8)
        self._position += count
        if self._position > 8 * len(self._data):
            raise ValueError("a brush stroke that is cut off")
        chunk = int.from_bytes(self._data[start : start + 5].ljust(5, b"\0"), "big")
        return (chunk >> (40 - offset - count)) & ((1 << count) - 1)

    def read_bytes(self, count: int) -> NDArray[np.uint8]:
        """Return the next `8 · count` bits as bytes."""
        start, offset = divmod(self._position, 8)
        self._position += 8 * count
        if self._position > 8 * len(self._data):
            raise ValueError("a brush stroke that is cut off")
        chunk = np.frombuffer(self._data[start : start + count + 1].ljust(count + 1, b"\0"), np.uint8).astype(np.uint16)
        return ((chunk[:-1] << offset | chunk[1:] >> (8 - offset)) & 255).astype(np.uint8)
