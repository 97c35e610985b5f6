"""Probes: run a model on a few images to measure its speed; nothing is committed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.core.batching import BatchRunner, DeviceLock
from xray.core.errors import ConfigError, Rejected
from xray.core.images import Limits
from xray.masks import RefinedMask, measure
from xray.pipeline.generate.inpaint import InpaintWorker
from xray.pipeline.generate.masks import MaskWorker
from xray.pipeline.generate.photo import Row, mask_row, read_photo, row_without_mask
from xray.pipeline.worker import OnBatch
from xray.runs.folder import RunFolder
from xray.runs.receipts import Shard

MIN_IMAGES = 3


class MaskProbe:
    """Measures how fast masks are refined; its arguments are those of `MaskWorker`."""

    def __init__(self, uri: str, device: str, batch: int, on_batch: OnBatch) -> None:
        self.worker = MaskWorker(uri, device, batch, on_batch)

    def __call__(self, name: str) -> dict[str, Any]:
        """Refine a few photographs of a batch, twice: the first time pays for compilation and caches."""
        worker = self.worker
        source = worker.run.plan.batch(name)
        sample = source.filter(pc.equal(source.column("status"), schema.OK)).slice(0, max(MIN_IMAGES, worker.batch))
        with DeviceLock(worker.device_lock) as lock:
            worker.rows(sample, lock)
            rows, runner = worker.rows(sample, lock)
        return _rate(runner, sum(len(row["mask"]["bytes"]) for row in rows if row["mask"]))


class InpaintProbe:
    """Measures how fast backgrounds are inpainted; its arguments are those of `InpaintWorker`.

    The masks need not exist: the time does not depend on them.
    """

    def __init__(self, uri: str, device: str, batch: int, on_batch: OnBatch) -> None:
        self.worker = InpaintWorker(uri, device, batch, on_batch)

    def __call__(self, name: str) -> dict[str, Any]:
        """Inpaint the first few images of a shard, twice: the first time pays for compilation and caches."""
        worker = self.worker
        sample = _first(worker.run, name, max(MIN_IMAGES, worker.batch))
        masks = central_masks(sample.source, worker.recipe.limits)
        with DeviceLock(worker.device_lock) as lock:
            worker.images(sample, masks, lock)
            images, runner = worker.images(sample, masks, lock)
        return _rate(runner, sum(len(cell["bytes"]) for cell in images.column("image").to_pylist() if cell))


def _rate(runner: BatchRunner[Any, Row], size: int) -> dict[str, Any]:
    if not runner.ran:
        raise ConfigError("none of the first photographs can be used, so that no speed can be measured on them")
    return {"images": runner.ran, "seconds": runner.busy, "bytes": size}


def _first(run: RunFolder, name: str, count: int) -> Shard:
    shard = run.plan.shard(name)
    source = shard.source.filter(pc.equal(shard.source.column("status"), schema.OK))
    usable = pc.is_in(shard.plan.column("image_id"), source.column("image_id").combine_chunks())
    return Shard(name, source, shard.plan.filter(usable).slice(0, count))


def central_masks(source: pa.Table, limits: Limits) -> pa.Table:
    """Make masks for photographs (SOURCE) whose own do not exist yet: a box in the middle, a quarter of the image."""
    return pa.Table.from_pylist([_central_mask(row, limits) for row in source.to_pylist()], schema=schema.MASKS)


def _central_mask(source: Row, limits: Limits) -> Row:
    try:
        height, width = read_photo(source, limits).image.shape[:2]
    except Rejected as verdict:
        return row_without_mask(source, verdict)
    mask = np.zeros((height, width), bool)
    mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = True
    return mask_row(source, RefinedMask(mask, "probe"), measure(mask))
