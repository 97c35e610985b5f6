"""The source of pixels for training, batch by batch, in a given order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from xray.pipeline.train.dataset import Samples
from xray.pipeline.train.shuffle import Order
from xray.pipeline.train.transform import Pixels, Preparation

Batch = tuple[Pixels, Pixels | None]
"""Images (N, side, side, 3), and masks (N, side, side) if the task needs them."""


class Pass(NamedTuple):
    """A pass over images in which each is seen once, such as an epoch; `batches` are indices into `samples`."""

    samples: Samples
    batches: Sequence[Order]


Feed = Callable[[Iterable[Pass]], Iterator[Batch]]
"""Yields the pixels of all batches, pass after pass. A feed may prefetch from later passes."""


def in_memory_feed(blocks: Iterable[pa.Table], preparation: Preparation) -> Feed:
    """Return a feed of prepared images, which are not copied before they are used."""
    images = {name: image for block in blocks for name, image in unpack(block, preparation)}

    def batches(passes: Iterable[Pass]) -> Iterator[Batch]:
        for samples, indices in passes:
            for index in indices:
                yield stack([images[name] for name in samples.sample_id[index]])

    return batches


def unpack(block: pa.Table, preparation: Preparation) -> Iterator[tuple[str, Batch]]:
    """Yield the id, pixels and mask of each prepared image."""
    for batch in block.to_batches():  # tables would be copied to make each column one array
        images_NHWC, masks_NHW = preparation.arrays(batch)
        masks = masks_NHW if masks_NHW is not None else [None] * len(batch)
        yield from zip(batch.column("sample_id").to_pylist(), zip(images_NHWC, masks, strict=True), strict=True)


def stack(images: Sequence[Batch]) -> Batch:
    """Stack images, and their masks if they have any."""
    masks = [mask for _, mask in images if mask is not None]
    return np.stack([image for image, _ in images]), np.stack(masks) if masks else None
