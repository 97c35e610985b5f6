"""How much the encoding of images alone changes answers: a sample of a run is shown to the models without loss, too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

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

    def images(self, shard: str, images: pa.Table) -> tuple[pa.Table, dict[str, int]] | None:
        """Render the sample of a shard again; None if it has none.

        `images` are its images with the status ok; transparent ones are PNG already. Photographs may be out of reach by
        now, since predictions do not need them.

        Returns:
            IMAGES, those that are ok, and the number of the others by reason.
        """
        encoded = images.filter(pc.invert(pc.ends_with(pc.struct_field(images["image"], "path"), ".png")))
        if shard not in self._per_shard or not len(encoded):
            return None
        step = max(1, len(encoded) // self._per_shard[shard])
        samples = encoded["sample_id"].take(list(range(0, len(encoded), step))[: self._per_shard[shard]])
        masks = self.run.store.masks(ShardId(shard).batch)
        if masks is None and self.run.recipe.needs_masks:
            return images.slice(0, 0), {"no masks are stored": len(samples)}
        planned = self.run.plan.shard(shard)
        rows = planned.plan.filter(pc.is_in(planned.plan["sample_id"], samples.combine_chunks()))
        try:
            self._renderer = self._renderer or self._lossless_renderer()
            again = self._renderer.shard(replace(planned, plan=rows), masks, removed=removed_of(self.run, shard)).images
        except XrayError as error:
            return images.slice(0, 0), {str(error): len(samples)}
        return again.filter(pc.equal(again["status"], OK)), Counter(
            row["reason"] for row in again.select(["status", "reason"]).to_pylist() if row["status"] != OK
        )

    def _lossless_renderer(self) -> Renderer:
        recipe = self.run.recipe
        return Renderer(replace(recipe, images=replace(recipe.images, format="png")), Donors(recipe, self.run))


def compare(encoded: pa.Table, lossless: pa.Table, not_measured: Mapping[str, int]) -> dict[str, Any]:
    """Count the `images` of a model's PREDICTIONS on lossless images, and how many differ in answer and verdict.

    `not_measured`: the number of images that could not be rendered again, by reason.
    """
    by_sample = {row["sample_id"]: row for row in encoded.select(["sample_id", "top1", "correct"]).to_pylist()}
    pairs = [
        (by_sample[row["sample_id"]], row) for row in lossless.select(["sample_id", "top1", "correct"]).to_pylist()
    ]
    return {
        "images": len(pairs),
        "answers": sum(one["top1"] != other["top1"] for one, other in pairs),
        "verdicts": sum(one["correct"] != other["correct"] for one, other in pairs),
        **({"not_measured": dict(not_measured)} if not_measured else {}),
    }


def encoding_lines(run: RunFolder, models: Sequence[str]) -> list[str]:
    """Return a sentence per model on what the encoding alone changes; none for runs and shards without a sample."""
    lines, format = [], f"JPEG (quality {run.recipe.images.quality}) alone"
    for model in models:
        facts = [receipt.facts.get("encoding") or {} for receipt in run.store.receipts(evaluation(model))]
        images, answers, verdicts = (
            sum(fact.get(name, 0) for fact in facts) for name in ("images", "answers", "verdicts")
        )
        lost = sum((Counter(fact.get("not_measured", {})) for fact in facts), Counter[str]())
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(lost.items()))
        if images:
            rest = f"; not measured on {lost.total():,} others: {reasons}" if lost else ""
            lines.append(
                f"{model}: {format} changes its answer on {answers:,} of {counted(images, 'sampled image')}, and "
                f"whether it is right on {verdicts:,}{rest}"
            )
        elif lost:
            lines.append(
                f"{model}: what {format} changes is not measured, since the sample cannot be rendered again: {reasons}"
            )
    return lines
