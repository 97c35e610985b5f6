"""The work that is left of a run, and the streams that do it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xray.cluster.placement import Grant, Node, grant
from xray.core.errors import extra
from xray.pipeline.generate.retry import images_to_remake, masks_to_remake, removals_to_remake
from xray.pipeline.generate.shows import shown_batches
from xray.pipeline.generate.workers import (
    InpaintStage,
    RefineStage,
    RemoveStage,
    refine_shards,
    remove_shards,
    render_shards,
)
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId
from xray.runs.receipts import GENERATE, MASK, REMOVE
from xray.runs.resources import Pool

if TYPE_CHECKING:
    from xray.cluster.executor import Stage


@dataclass(frozen=True)
class Pass:
    """Items that go through the same stages in one stream.

    Args:
        items: names of shards of one photo batch; before them, the batch itself if it has none, or not all of them.
        stages: in their order.
    """

    items: list[str]
    stages: list[Stage]


@dataclass(frozen=True)
class Worklist:
    """The shards of a run that lack images.

    Args:
        run: with a plan.
        shards: shards without images, by photo batch.
        inpainted: parts of the plan whose images are inpainted.
        masked: photo batches that have their masks.
        retried: those of `shards` that have images, but not of a file that could not be read and now can.
        lacking: photo batches whose objects must be removed first, in order.
        across: whether shards show photographs of other batches without their objects: all removal precedes them.
        unmasked: photo batches whose masks are made for their own sake.
    """

    run: RunFolder
    shards: Mapping[str, list[str]]
    inpainted: frozenset[str]
    masked: frozenset[str]
    retried: frozenset[str]
    lacking: tuple[str, ...] = ()
    across: bool = False
    unmasked: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: RunFolder) -> Worklist:
        """Find what is left now."""
        retried = frozenset(images_to_remake(run))
        done = run.store.done(GENERATE) - retried
        shards: dict[str, list[str]] = {}
        for shard in run.plan.shards():
            if shard not in done:
                shards.setdefault(ShardId(shard).batch, []).append(shard)
        inpainted, masked = frozenset(run.plan.inpainted()), _masked(run)
        showing, across = shown_batches(run, (shard for names in shards.values() for shard in names))
        lacking = _not_removed(run, showing)
        return cls(run, shards, inpainted, masked, retried, lacking, across and bool(lacking))

    @classmethod
    def of_masks(cls, run: RunFolder) -> Worklist:
        """Find the photo batches without masks, and no images."""
        masked = _masked(run)
        unmasked = tuple(batch for batch in run.plan.batches() if batch not in masked)
        return cls(run, {}, frozenset(), masked, frozenset(), across=True, unmasked=unmasked)

    @classmethod
    def of_removal(cls, run: RunFolder) -> Worklist:
        """Find the photo batches whose objects are not removed yet, and no images."""
        lacking = _not_removed(run, run.plan.batches())
        return cls(run, {}, frozenset(), _masked(run), frozenset(), lacking, across=True)

    def __iter__(self) -> Iterator[str]:
        """The shards."""
        return (shard for shards in self.shards.values() for shard in shards)

    @property
    def inpaints(self) -> bool:
        """Whether any shard is left to inpaint."""
        return any(ShardId(shard).part in self.inpainted for shard in self)

    @property
    def refines(self) -> bool:
        """Whether masks need a stage of their own: for a model, to inpaint or remove, or as in earlier commands."""
        accelerated = self.run.recipe.masks.refiner.accelerated
        needed = accelerated or self.inpaints or self.lacking or self.unmasked or self.run.store.done(MASK)
        batches = {*self.shards, *self.lacking, *self.unmasked}
        return bool(needed) and self.run.recipe.needs_masks and not batches <= self.masked

    @property
    def units(self) -> list[str]:
        """The shards, each an item; with a stage before rendering, all shards of a photo batch together."""
        if self.refines or self.inpaints or self.lacking:
            return [" ".join(shards) for shards in self.shards.values()]
        return list(self)

    def pools(self) -> dict[str, Pool]:
        """The pools that work at the same time."""
        recipe, pools = self.run.recipe, {}
        if self.refines and recipe.masks.refiner.accelerated:
            pools["refine"] = recipe.pools.refine
        if self.lacking and recipe.remover is not None and recipe.remover.accelerated:
            pools["remove"] = recipe.pools.remove
        if self.inpaints:
            pools["paint"] = recipe.pools.paint
        return pools

    def passes(self, nodes: Sequence[Node], max_tasks: int | None = None) -> list[Pass]:
        """Build the streams, to be run one after the other.

        Args:
            nodes: of the cluster.
            max_tasks: shards rendered at the same time, by default one per CPU.

        Raises:
            ResourceError: the pools do not fit the cluster.
        """
        with extra("ray"):
            from xray.cluster.executor import Stage

        granted = grant(self.pools(), nodes)
        before = self._stages_before(granted, sum(int(node.get("CPU", 0)) for node in nodes))
        rendered = [shard for shard in self if ShardId(shard).part not in self.inpainted]
        render = [Stage("render", render_shards, (self.run.uri, self.inpainted), max_tasks=max_tasks)]
        if not self.across:
            stages = before + (render if rendered else [])
            return [Pass(self.units, stages)] if self.units else []
        items = [" ".join([batch, *self._to_inpaint(batch)]) for batch in self.run.plan.batches()]
        needed = {*self.lacking, *self.unmasked}
        first = [item for item in items if " " in item or item in needed]
        return [Pass(first, before), *([Pass(rendered, render)] if rendered else [])]

    def _to_inpaint(self, batch: str) -> Iterable[str]:
        return (shard for shard in self.shards.get(batch, ()) if ShardId(shard).part in self.inpainted)

    def _stages_before(self, granted: Mapping[str, Grant], cpus: int) -> list[Stage]:
        """The stages before rendering."""
        from xray.cluster.executor import Stage

        uri, stages = self.run.uri, []
        if self.refines:
            stages.append(_stage("refine", RefineStage, granted, refine_shards, uri))
        if self.lacking:
            at_once = -(-cpus // len(self.lacking)) or 1  # a few batches of many photographs would leave CPUs idle
            stages.append(_stage("remove", RemoveStage, granted, remove_shards, uri, at_once))
        if pool := granted.get("paint"):
            stages.append(Stage("paint", InpaintStage, (uri, pool.device, pool.batch), pool, overlap=2))
        return stages


def _stage(
    name: str,
    actor: type,
    granted: Mapping[str, Grant],
    task: Callable[..., Mapping[str, Any]],
    uri: str,
    *more: Any,
) -> Stage:
    """A stage of actors if its pool is granted, of tasks with `more` arguments otherwise."""
    from xray.cluster.executor import Stage

    if pool := granted.get(name):
        return Stage(name, actor, (uri, pool.device, pool.batch), pool, overlap=2)
    return Stage(name, task, (uri, *more), reports=True)


def _masked(run: RunFolder) -> frozenset[str]:
    return frozenset(run.store.masked() - set(masks_to_remake(run)))


def _not_removed(run: RunFolder, batches: Iterable[str]) -> tuple[str, ...]:
    wanted = tuple(batches)
    done = run.store.done(REMOVE) - set(removals_to_remake(run)) if wanted else set()
    return tuple(batch for batch in wanted if batch not in done)
