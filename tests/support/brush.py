"""Encode masks as Label Studio's brush strokes: the inverse of `xray.masks.reading.brush.decode_brush`."""

from __future__ import annotations

import itertools

import numpy as np

from xray.masks import Mask

LENGTHS = (3, 4, 8, 16)  # bits of the four classes of run lengths


def encode_brush(mask: Mask, repeat_from: int = 2) -> bytes:
    """Encode a mask as opacity of RGBA pixels; runs shorter than `repeat_from` are written word by word."""
    values = np.repeat(mask[:, :, None], 4, axis=2).astype(np.uint8).ravel() * 255
    values.reshape(-1, 4)[:, :3] = 7
    bits = [f"{len(values):032b}", f"{7:05b}", *(f"{length - 1:04b}" for length in LENGTHS)]
    for value, group in itertools.groupby(values.tolist()):
        count = len(list(group))
        while count:
            run = min(count, 1 << LENGTHS[3])
            kind = next(index for index, length in enumerate(LENGTHS) if run <= 1 << length)
            repeated = run >= repeat_from
            words = f"{value:08b}" * (1 if repeated else run)
            bits.append(f"{int(repeated)}{kind:02b}{run - 1:0{LENGTHS[kind]}b}{words}")
            count -= run
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")
