"""Probes: run a model on a few images to measure its speed; nothing is committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.core.batching import BatchRunner, DeviceLock
from xray.core.errors import ConfigError, Rejected
from xray.core.images import Limits
from xray.core.patches import Patch
from xray.masks import RefinedMask, measure
from xray.masks.photographs import read_photo
from xray.pipeline.generate.inpaint import InpaintWorker
from xray.pipeline.generate.masks import MaskWorker
from xray.pipeline.generate.photo import Row, mask_row, row_without_mask
from xray.pipeline.generate.removal import RemoveWorker
from xray.runs.receipts import Shard

MIN_IMAGES = 3


class MaskProbe(MaskWorker):
    """Measures how fast masks are refined."""

    def __call__(self, name: str) -> dict[str, Any]:
        """Refine a few photographs of a batch, twice: the first time pays for compilation and caches."""
        sample = _usable(self.run.plan.batch(name)).slice(0, max(MIN_IMAGES, self.batch))
        with DeviceLock(self.device_lock) as lock:
            self.rows(sample, lock)
            rows, runner = self.rows(sample, lock)
        return _rate(runner, [row["mask"] for row in rows])


class RemoveProbe(RemoveWorker):
    """Measures how fast objects are removed; masks that do not exist yet are replaced by a box."""

    def __call__(self, name: str) -> dict[str, Any]:
        """Remove the objects from a few photographs of a batch, the first of them twice."""
        sample = _usable(self.run.plan.batch(name)).slice(0, max(MIN_IMAGES, self.batch))
        masks = self.run.store.masks(name) or central_masks(sample, self.recipe.limits)
        with DeviceLock(self.device_lock) as lock:
            self.rows(sample.slice(0, self.batch), lock, masks=masks)
            rows, runner = self.rows(sample, lock, masks=masks)
        return _rate(runner, [row["patch"] for row in rows])


class InpaintProbe(InpaintWorker):
    """Measures how fast backgrounds are inpainted; the masks need not exist: the time does not depend on them."""

    def __call__(self, name: str) -> dict[str, Any]:
        """Inpaint the first few images of a shard, twice: the first time pays for compilation and caches."""
        shard = self.run.plan.shard(name)
        source = _usable(shard.source)
        plan = shard.plan.filter(pc.is_in(shard.plan["image_id"], source["image_id"].combine_chunks()))
        sample = Shard(name, source, plan.slice(0, max(MIN_IMAGES, self.batch)))
        masks = central_masks(source, self.recipe.limits)
        with DeviceLock(self.device_lock) as lock:
            removed = plain_removed(source)
            self.images(sample, masks, lock, removed=removed)
            images, runner = self.images(sample, masks, lock, removed=removed)
        return _rate(runner, images.column("image").to_pylist())


def _usable(source: pa.Table) -> pa.Table:
    return source.filter(pc.equal(source["status"], schema.OK))


def _rate(runner: BatchRunner[Any, Row], files: Sequence[Row | None]) -> dict[str, Any]:
    if not runner.ran:
        raise ConfigError("none of the first photographs can be used, so that no speed can be measured on them")
    return {"images": runner.ran, "seconds": runner.busy, "bytes": stored_bytes(files)}


def stored_bytes(files: Sequence[Row | None]) -> int:
    """Size of images or masks, given as cells of their column."""
    return sum(len(cell["bytes"]) for cell in files if cell)


def central_masks(source: pa.Table, limits: Limits) -> pa.Table:
    """Make masks for photographs (SOURCE) whose own do not exist yet: a box in the middle, a quarter of the image."""
    return pa.Table.from_pylist([_central_mask(row, limits) for row in source.to_pylist()], schema=schema.MASKS)


def plain_removed(source: pa.Table) -> pa.Table:
    """Make rows of REMOVED for photographs (SOURCE) whose own do not exist yet: nothing is replaced."""
    pixel = {"bytes": Patch(np.zeros((1, 1, 4), np.uint8), 0, 0).encode(), "path": "probe.png"}
    row = {"patch": pixel, "x": 0, "y": 0, "remover": "probe", "area": 0.0, "status": schema.OK, "reason": ""}
    images = source.column("image_id").to_pylist()
    return pa.Table.from_pylist([{"image_id": image, **row} for image in images], schema=schema.REMOVED)


def _central_mask(source: Row, limits: Limits) -> Row:
    try:
        height, width = read_photo(source, limits).image.shape[:2]
    except Rejected as verdict:
        return row_without_mask(source, verdict)
    mask = np.zeros((height, width), bool)
    mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = True
    return mask_row(source, RefinedMask(mask, "probe"), measure(mask))
