"""Where pixels come from, batch by batch, in a given order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xray.pipeline.train.samples import Samples
from xray.pipeline.train.shuffle import Order
from xray.pipeline.train.transform import Preparation, masks_of, pixels_of

Pixels = NDArray[np.uint8]
Batch = tuple[Pixels, Pixels | None]
"""Images (N, side, side, 3), and masks (N, side, side) where they are wanted."""


class Pass(NamedTuple):
    """Images that are each seen once, such as those of an epoch.

    Args:
        samples: what places are of.
        batches: places of images, for each batch.
    """

    samples: Samples
    batches: Sequence[Order]


class Feed(Protocol):
    """Gives the pixels of images in any order that is asked for."""

    def batches(self, passes: Iterable[Pass]) -> Iterator[Batch]:
        """The pixels of all batches, pass after pass; passes to come may be prepared already."""
        ...


class HeldFeed:
    """Images that were prepared before, and lie in memory.

    Args:
        blocks: as `Preparation.prepared` makes them.
        preparation: how they were made.
    """

    def __init__(self, blocks: Sequence[pa.Table], preparation: Preparation) -> None:
        self._masks = preparation.masks
        self._pixels = [pixels_of(block, preparation.side) for block in blocks]
        self._inside = [masks_of(block, preparation.side) for block in blocks] if preparation.masks else []
        self._at = {
            name: (number, row)
            for number, block in enumerate(blocks)
            for row, name in enumerate(block.column("sample_id").to_pylist())
        }

    def batches(self, passes: Iterable[Pass]) -> Iterator[Batch]:
        """See `Feed`."""
        for samples, places in ((samples, places) for samples, batches in passes for places in batches):
            at = [self._at[samples.sample_id[place]] for place in places.tolist()]
            images_NHWC = np.stack([self._pixels[number][row] for number, row in at])
            yield images_NHWC, np.stack([self._inside[number][row] for number, row in at]) if self._masks else None
