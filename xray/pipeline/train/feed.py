"""The source of pixels for training, batch by batch, in a given order."""

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
"""Images (N, side, side, 3), and masks (N, side, side) if the task needs them."""


class Pass(NamedTuple):
    """A pass over images in which each is seen once, such as an epoch.

    Args:
        samples: the images.
        batches: indices into `samples`, for each batch.
    """

    samples: Samples
    batches: Sequence[Order]


class Feed(Protocol):
    """A source of pixels that serves images in any order."""

    def batches(self, passes: Iterable[Pass]) -> Iterator[Batch]:
        """Yield the pixels of all batches, pass after pass. A feed may prefetch from later passes."""
        ...


class InMemoryFeed:
    """A feed of images that are already prepared and in memory.

    Args:
        blocks: as `Preparation.prepare` returns them.
        preparation: that made them.
    """

    def __init__(self, blocks: Sequence[pa.Table], preparation: Preparation) -> None:
        self._images = [pixels_of(block, preparation.side) for block in blocks]
        self._masks = [masks_of(block, preparation.side) for block in blocks] if preparation.masks else None
        self._row = {
            name: (block_index, row)
            for block_index, block in enumerate(blocks)
            for row, name in enumerate(block.column("sample_id").to_pylist())
        }

    def batches(self, passes: Iterable[Pass]) -> Iterator[Batch]:
        """See `Feed`."""
        for samples, batches in passes:
            for indices in batches:
                rows = [self._row[samples.sample_id[index]] for index in indices.tolist()]
                images_NHWC = np.stack([self._images[block][row] for block, row in rows])
                yield (
                    images_NHWC,
                    None if self._masks is None else np.stack([self._masks[block][row] for block, row in rows]),
                )
