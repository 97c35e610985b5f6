"""How much the encoding of images alone changes answers: a sample of a run is shown to the models without loss, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from xray.core.errors import XrayError
from xray.core.schema import OK
from xray.core.text import counted
from xray.pipeline.generate.donors import Donors
from xray.pipeline.generate.render import Renderer
from xray.pipeline.generate.shows import removed_of
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId
from xray.runs.receipts import evaluation

SAMPLE = 64
"""Images of a run that are rendered again, or a few more; it takes as long as 64 images of `xray generate`."""


class LosslessSample:
    """Images of a run's shards, rendered again as PNG: evenly spaced, and none if the run's own are PNG."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        inpainted = run.plan.inpainted()
        shards = [name for name in run.plan.shards() if ShardId(name).part not in inpainted]
        shards = [] if run.recipe.images.format == "png" else shards[:: max(1, len(shards) // SAMPLE)]
        self._per_shard = {name: -(-SAMPLE // len(shards)) for name in shards}
        self._renderer: Renderer | None = None

    def images(self, shard: str, images: pa.Table) -> pa.Table | None:
        """Render the sample of a shard again (IMAGES, those that are ok); None if it has none.

        `images` are its images with the status ok; transparent ones are PNG already.
        """
        masks = self.run.store.masks(ShardId(shard).batch)
        encoded = images.filter(pc.invert(pc.ends_with(pc.struct_field(images["image"], "path"), ".png")))
        if shard not in self._per_shard or not len(encoded) or (masks is None and self.run.recipe.needs_masks):
            return None
        step = max(1, len(encoded) // self._per_shard[shard])
        samples = encoded["sample_id"].take(list(range(0, len(encoded), step))[: self._per_shard[shard]])
        planned = self.run.plan.shard(shard)
        rows = planned.plan.filter(pc.is_in(planned.plan["sample_id"], samples.combine_chunks()))
        try:
            self._renderer = self._renderer or self._lossless_renderer()
            again = self._renderer.shard(replace(planned, plan=rows), masks, removed=removed_of(self.run, shard)).images
        except XrayError:  # photographs that are out of reach by now: predictions do not need them
            return None
        return again.filter(pc.equal(again["status"], OK))

    def _lossless_renderer(self) -> Renderer:
        recipe = self.run.recipe
        return Renderer(replace(recipe, images=replace(recipe.images, format="png")), Donors(recipe, self.run))


def compare(encoded: pa.Table, lossless: pa.Table) -> dict[str, int]:
    """Count the `images` of a model's PREDICTIONS on lossless images, and how many differ in answer and verdict."""
    by_sample = {row["sample_id"]: row for row in encoded.select(["sample_id", "top1", "correct"]).to_pylist()}
    pairs = [
        (by_sample[row["sample_id"]], row) for row in lossless.select(["sample_id", "top1", "correct"]).to_pylist()
    ]
    return {
        "images": len(pairs),
        "answers": sum(one["top1"] != other["top1"] for one, other in pairs),
        "verdicts": sum(one["correct"] != other["correct"] for one, other in pairs),
    }


def encoding_lines(run: RunFolder, models: Sequence[str]) -> list[str]:
    """Return a sentence per model on what the encoding alone changes; none for runs and shards without a sample."""
    lines, images = [], run.recipe.images
    for model in models:
        facts = [receipt.facts.get("encoding") for receipt in run.store.receipts(evaluation(model))]
        sums = {name: sum(fact[name] for fact in facts if fact) for name in ("images", "answers", "verdicts")}
        if sums["images"]:
            lines.append(
                f"{model}: JPEG (quality {images.quality}) alone changes its answer on {sums['answers']:,} of "
                f"{counted(sums['images'], 'sampled image')}, and whether it is right on {sums['verdicts']:,}"
            )
    return lines
