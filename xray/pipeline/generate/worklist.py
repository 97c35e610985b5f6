"""The work that is left of a run, and the stages of a stream that does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xray.cluster.placement import Node, grant
from xray.core.errors import extra
from xray.pipeline.generate.retry import images_to_remake, masks_to_remake
from xray.pipeline.generate.workers import InpaintStage, RefineStage, refine_shards, render_shards
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId
from xray.runs.receipts import GENERATE, MASK
from xray.runs.resources import Pool

if TYPE_CHECKING:
    from xray.cluster.executor import Stage


@dataclass(frozen=True)
class Worklist:
    """The shards of a run that lack images.

    Args:
        run: with a plan.
        shards: shards without images, by photo batch.
        inpainted: parts of the plan whose images are inpainted.
        masked: photo batches that have their masks.
        retried: those of `shards` that have images, but not of a file that could not be read and now can.
    """

    run: RunFolder
    shards: Mapping[str, list[str]]
    inpainted: frozenset[str]
    masked: frozenset[str]
    retried: frozenset[str]

    @classmethod
    def of(cls, run: RunFolder) -> Worklist:
        """Find what is left now."""
        retried, unmasked = frozenset(images_to_remake(run)), frozenset(masks_to_remake(run))
        done = run.store.done(GENERATE) - retried
        shards: dict[str, list[str]] = {}
        for shard in run.plan.shards():
            if shard not in done:
                shards.setdefault(ShardId(shard).batch, []).append(shard)
        masked = frozenset(run.store.masked()) - unmasked
        return cls(run, shards, frozenset(run.plan.inpainted()), masked, retried)

    def __iter__(self) -> Iterator[str]:
        """The shards."""
        return (shard for shards in self.shards.values() for shard in shards)

    @property
    def inpaints(self) -> bool:
        """Whether any shard is left to inpaint."""
        return any(ShardId(shard).part in self.inpainted for shard in self)

    @property
    def refines(self) -> bool:
        """Whether masks need a stage of their own: for a model, for an inpainter, or as in earlier commands."""
        needed = self.run.recipe.masks.refiner.accelerated or self.inpaints or self.run.store.done(MASK)
        return bool(needed) and self.run.recipe.needs_masks and not self.shards.keys() <= self.masked

    @property
    def units(self) -> list[str]:
        """The items of the stream: names of shards; with a stage for masks, all shards of a photo batch together."""
        if self.refines or self.inpaints:
            return [" ".join(shards) for shards in self.shards.values()]
        return list(self)

    def pools(self) -> dict[str, Pool]:
        """The pools that work at the same time."""
        recipe = self.run.recipe
        pools = {}
        if self.refines and recipe.masks.refiner.accelerated:
            pools["refine"] = recipe.pools.refine
        if self.inpaints:
            pools["paint"] = recipe.pools.paint
        return pools

    def stages(self, nodes: Sequence[Node], max_tasks: int | None = None) -> list[Stage]:
        """Build the stages of the stream; `max_tasks`: shards rendered at the same time, by default one per CPU.

        Raises:
            ResourceError: the pools do not fit the cluster.
        """
        with extra("ray"):
            from xray.cluster.executor import Stage

        uri, granted = self.run.uri, grant(self.pools(), nodes)
        stages = []
        if self.refines and (pool := granted.get("refine")):
            stages.append(Stage("refine", RefineStage, (uri, pool.device, pool.batch), pool, overlap=2))
        elif self.refines:
            stages.append(Stage("refine", refine_shards, (uri,)))
        if pool := granted.get("paint"):
            stages.append(Stage("paint", InpaintStage, (uri, pool.device, pool.batch), pool, overlap=2))
        if any(ShardId(shard).part not in self.inpainted for shard in self):
            stages.append(Stage("render", render_shards, (uri, self.inpainted), max_tasks=max_tasks))
        return stages
