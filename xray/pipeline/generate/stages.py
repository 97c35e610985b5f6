"""What flows through which stages: shards, those of the same photographs together, through masks, paint and pixels."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2

from xray.cluster.placement import Node, grant
from xray.core.environment import environment
from xray.core.errors import extra
from xray.pipeline.generate.inpaint import PaintShard
from xray.pipeline.generate.masks import MaskUnit
from xray.pipeline.generate.render import Renderer, status_counts
from xray.pipeline.generate.retry import images_to_remake, masks_to_remake
from xray.runs.counts import has_failed
from xray.runs.receipts import GENERATE, MASK, Receipt, unit_of
from xray.runs.resources import Pool
from xray.runs.reuse import adopted, carried_images
from xray.runs.run import Run
from xray.runs.versions import refuse_other_versions

if TYPE_CHECKING:
    from xray.cluster.executor import Stage


@dataclass(frozen=True)
class Flow:
    """The work that is left of a run.

    Args:
        run: with a plan.
        shards: that lack their images, by the unit of photographs that they share.
        painted: parts of the plan whose images are painted.
        masked: the units that have their masks.
        again: those of `shards` that have images, but not of a photograph that could not be read and now can.
    """

    run: Run
    shards: Mapping[str, list[str]]
    painted: frozenset[str]
    masked: frozenset[str]
    again: frozenset[str]

    @classmethod
    def of(cls, run: Run) -> Flow:
        """What is left now."""
        again, unmasked = frozenset(images_to_remake(run)), frozenset(masks_to_remake(run))
        done = run.done(GENERATE) - again
        shards: dict[str, list[str]] = {}
        for shard in run.shards():
            if shard not in done:
                shards.setdefault(unit_of(shard), []).append(shard)
        return cls(run, shards, frozenset(run.painted()), frozenset(run.masked()) - unmasked, again)

    @property
    def paints(self) -> bool:
        """Whether anything is left to paint."""
        return any(is_painted(shard, self.painted) for shards in self.shards.values() for shard in shards)

    @property
    def refines(self) -> bool:
        """Whether masks are made in a stage of their own: by a model, for a painter, or as they were before."""
        apart = self.run.recipe_object.masks.refine.accelerated or self.paints or self.run.done(MASK)
        return bool(apart) and not self.shards.keys() <= self.masked

    @property
    def units(self) -> list[str]:
        """What is handed through the stages: names of shards, those of the same photographs together.

        Without such stages each shard goes by itself.
        """
        if self.refines or self.paints:
            return [" ".join(shards) for shards in self.shards.values()]
        return [shard for shards in self.shards.values() for shard in shards]

    def pools(self) -> dict[str, Pool]:
        """The pools that are to work at the same time."""
        recipe = self.run.recipe_object
        wanted = {}
        if self.refines and recipe.masks.refine.accelerated:
            wanted["refine"] = recipe.pools.refine
        if self.paints:
            wanted["paint"] = recipe.pools.paint
        return wanted

    def stages(self, nodes: Sequence[Node], at_once: int | None = None) -> list[Stage]:
        """The stages on a cluster.

        Args:
            nodes: of the cluster.
            at_once: shards rendered at a time; default: one a CPU.

        Raises:
            XrayError: the pools do not fit it.
        """
        with extra("ray"):
            from xray.cluster.executor import Stage

        granted = grant(self.pools(), nodes)
        stages = []
        if self.refines and (pool := granted.get("refine")):
            stages.append(Stage("refine", RefineStage, (self.run.uri, pool.device, pool.batch), pool, overlap=2))
        elif self.refines:
            stages.append(Stage("refine", refine_unit, (self.run.uri,)))
        if pool := granted.get("paint"):
            arguments = (self.run.uri, pool.device, pool.batch, self.painted)
            stages.append(Stage("paint", PaintStage, arguments, pool, overlap=2))
        if any(not is_painted(shard, self.painted) for shards in self.shards.values() for shard in shards):
            stages.append(Stage("render", render_unit, (self.run.uri, self.painted), at_once=at_once))
        return stages


def is_painted(shard: str, painted: frozenset[str]) -> bool:
    """Whether the images of a shard are painted.

    >>> is_painted("01-00-00007", frozenset({"01-00"}))
    True
    """
    return shard.rpartition("-")[0] in painted


def _said(receipt: Receipt) -> dict[str, Any]:
    size = sum(file["bytes"] for file in receipt.files.values())
    return {"counts": receipt.counts, "bytes": size, "seconds": receipt.seconds}


class RefineStage(MaskUnit):
    """Makes the masks of the photographs of some shards."""

    def __call__(self, unit: str) -> dict[str, Any]:
        """See `MaskUnit`; masks are no images, so that there is nothing to say."""
        super().__call__(unit_of(unit.split()[0]))
        return {"made": []}


def refine_unit(uri: str, unit: str) -> dict[str, Any]:
    """Make the masks of the photographs of some shards, where the refiner has no weights; runs on a worker."""
    return RefineStage(uri, "cpu", 1, beat=lambda items, seconds: None)(unit)


class PaintStage:
    """Paints those of some shards that are painted.

    Args:
        uri: of the run.
        device: `cpu` or `cuda`.
        batch: pictures that a network makes at once.
        painted: parts of the plan whose images are painted.
        beat: called after each batch with its size and the seconds that the device was busy.
    """

    def __init__(
        self, uri: str, device: str, batch: int, painted: frozenset[str], beat: Callable[[int, float], None]
    ) -> None:
        self.paint = PaintShard(uri, device, batch, beat)
        self.painted = painted

    def __call__(self, unit: str) -> dict[str, Any]:
        """Paint and commit."""
        return {"made": [_said(self.paint(shard)) for shard in unit.split() if is_painted(shard, self.painted)]}


def render_unit(uri: str, painted: frozenset[str], unit: str) -> dict[str, Any]:
    """Render and commit those of some shards that are not painted; runs on a worker."""
    return {"made": [_said(make_shard(uri, shard)) for shard in unit.split() if not is_painted(shard, painted)]}


def make_shard(uri: str, name: str) -> Receipt:
    """Render and commit one shard, unless it is there; runs on a worker.

    Args:
        uri: of the run.
        name: of the shard.
    """
    cv2.setNumThreads(1)
    run, renderer = _opened(uri, Run(uri).read_file("run.json"))
    # A task of several shards that lost its worker is run again as a whole: what it had committed stays.
    if run.has_receipt(GENERATE, name):
        receipt = run.receipt(GENERATE, name)
        if not has_failed(receipt):
            return receipt
        run.forget(name)
    return _render(run, renderer, name)


def _render(run: Run, renderer: Renderer, name: str) -> Receipt:
    started = time.perf_counter()
    shard, masks = run.shard(name), run.masks(unit_of(name))
    makes_masks = masks is None and run.makes_masks(name)
    if receipt := adopted(run, shard, ["images", "masks"] if makes_masks else ["images"]):
        return receipt
    rendered = renderer.shard(shard, masks, carried_images(run, shard))
    tables = {"images": (rendered.images, rendered.row_groups)}
    if makes_masks:
        tables["masks"] = (rendered.masks, [len(rendered.masks)])
    facts = {"environment": environment()}
    return run.commit(GENERATE, name, tables, status_counts(rendered.images), time.perf_counter() - started, facts)


@functools.lru_cache(maxsize=1)
def _opened(uri: str, record: bytes) -> tuple[Run, Renderer]:
    """The run and its renderer with its decoded donors, as long as the run's record stays the same."""
    run = Run(uri)
    refuse_other_versions(run, GENERATE)
    return run, Renderer(run.recipe_object)
