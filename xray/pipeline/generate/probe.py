"""Probes: a few images through a model, to see how fast it is; nothing is committed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.core.device import Turn, Work
from xray.core.errors import Rejected, XrayError
from xray.core.images import Limits
from xray.masks import Refined, measure
from xray.pipeline.generate.inpaint import PaintShard
from xray.pipeline.generate.masks import Beat, MaskUnit
from xray.pipeline.generate.photo import Row, mask_row, photograph, without_mask
from xray.runs.receipts import Shard
from xray.runs.run import Run

FEW = 3


class ProbeMasks:
    """How fast masks are refined; arguments as of `MaskUnit`."""

    def __init__(self, uri: str, device: str, batch: int, beat: Beat) -> None:
        self.mask = MaskUnit(uri, device, batch, beat)

    def __call__(self, unit: str) -> dict[str, Any]:
        """Refine a few photographs of a unit, twice: the first time pays for what is compiled and cached."""
        source = self.mask.run.unit(unit)
        few = source.filter(pc.equal(source.column("status"), schema.OK)).slice(0, max(FEW, self.mask.batch))
        with Turn(self.mask.turn) as turn:
            self.mask.rows(few, turn)
            rows, work = self.mask.rows(few, turn)
        return _told(work, sum(len(row["mask"]["bytes"]) for row in rows if row["mask"]))


class ProbePaintings:
    """How fast worlds are painted; arguments as of `PaintShard`.

    The masks need not be there: it takes as long around any object.
    """

    def __init__(self, uri: str, device: str, batch: int, beat: Beat) -> None:
        self.paint = PaintShard(uri, device, batch, beat)

    def __call__(self, shard: str) -> dict[str, Any]:
        """Paint the first few pictures of a shard, twice: the first time pays for what is compiled and cached."""
        few = _first(self.paint.run, shard, max(FEW, self.paint.batch))
        masks = masks_in_the_middle(few.source, self.paint.recipe.limits)
        with Turn(self.paint.turn) as turn:
            self.paint.images(few, masks, turn)
            images, work = self.paint.images(few, masks, turn)
        return _told(work, sum(len(cell["bytes"]) for cell in images.column("image").to_pylist() if cell))


def _told(work: Work[Any, Row], size: int) -> dict[str, Any]:
    if not work.ran:
        raise XrayError("none of the first photographs can be used, so nothing can be measured on them")
    return {"images": work.ran, "seconds": work.busy, "bytes": size}


def _first(run: Run, name: str, count: int) -> Shard:
    shard = run.shard(name)
    source = shard.source.filter(pc.equal(shard.source.column("status"), schema.OK))
    usable = pc.is_in(shard.plan.column("image_id"), source.column("image_id").combine_chunks())
    return Shard(name, source, shard.plan.filter(usable).slice(0, count))


def masks_in_the_middle(source: pa.Table, limits: Limits) -> pa.Table:
    """Masks to measure time with where those of the photographs (SOURCE) are not made yet."""
    return pa.Table.from_pylist([_mask(row, limits) for row in source.to_pylist()], schema=schema.MASKS)


def _mask(source: Row, limits: Limits) -> Row:
    """An upright box in the middle, a quarter of the photograph."""
    try:
        height, width = photograph(source, limits).image.shape[:2]
    except Rejected as verdict:
        return without_mask(source, verdict)
    mask = np.zeros((height, width), bool)
    mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = True
    return mask_row(source, Refined(mask, "probe"), measure(mask))
