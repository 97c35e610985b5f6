"""Estimate what the rest of a run takes: images, time on GPUs and CPUs, storage."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow.compute as pc

from xray.cluster.placement import Grant, Node, grant, occupied_gpus
from xray.core.errors import extra
from xray.pipeline.generate.probe import (
    InpaintProbe,
    MaskProbe,
    RemoveProbe,
    central_masks,
    plain_removed,
    stored_bytes,
)
from xray.pipeline.generate.render import Renderer
from xray.pipeline.generate.throughput import Rate, RateSettings, rate_of, rate_settings, remember, remembered
from xray.pipeline.generate.worklist import Worklist
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId
from xray.runs.receipts import GENERATE, MASK, REMOVE, Shard

_PROBES: Mapping[str, type] = {"refine": MaskProbe, "remove": RemoveProbe, "paint": InpaintProbe}
_TABLES = {"refine": (MASK, "masks"), "remove": (REMOVE, "removed"), "paint": (GENERATE, "images")}


@dataclass(frozen=True)
class Need:
    """The cost of one part of the work.

    Args:
        stage: refine, remove, paint or render.
        scenarios: inpainted ones.
        images: number of missing images.
        rate: measured speed.
        pool: resources of its actors; None: tasks on CPUs.
    """

    stage: str
    scenarios: tuple[str, ...]
    images: int
    rate: Rate
    pool: Grant | None

    @property
    def seconds(self) -> float:
        """Time of one actor, or of one core."""
        return self.images * self.rate.seconds_per_image

    @property
    def bytes(self) -> float:
        """Storage."""
        return self.images * self.rate.bytes_per_image


@dataclass(frozen=True)
class Forecast:
    """The cost of the rest of a run.

    Args:
        needs: the parts of the work.
        gpus: number of GPUs that its pools occupy together.
    """

    needs: tuple[Need, ...]
    gpus: float

    @property
    def gpu_hours(self) -> float:
        """GPU-hours of all occupied GPUs until the slowest pool is done, without start and loading."""
        seconds: dict[str, float] = {}
        for need in self.needs:
            if need.pool is not None:
                seconds[need.stage] = seconds.get(need.stage, 0.0) + need.seconds / need.pool.min_actors
        return self.gpus * max(seconds.values(), default=0.0) / 3600

    @property
    def bytes(self) -> float:
        """Storage."""
        return sum(need.bytes for need in self.needs)


def forecast(run: RunFolder) -> Forecast:
    """Estimate what the rest of a run takes, stage by stage.

    The rate of a pool is taken from this run's receipts with the same settings, else from an earlier run's, else from a
    probe: a few images through one actor, now. Rendering, and removal without weights, are measured on three
    photographs on this machine. An autoscaling cluster is asked for the GPUs of the recipe, as the run itself asks.

    Raises:
        ResourceError: no GPU for models that need one.
        ConfigError: weights are missing.
    """
    with extra("ray"):
        from xray.cluster.autoscaling import await_gpus
        from xray.cluster.session import connected, nodes

    work, pools = Worklist.of(run), run.recipe.pools
    missing = _missing(work)
    needs: list[Need] = []
    granted: Mapping[str, Grant] = {}
    if work.pools():
        with connected():
            await_gpus(pools.gpus, pools.stall_seconds)
            cluster = nodes()
            granted = grant(work.pools(), cluster)
            for (name, scenarios), images in missing.items():
                if name in granted:
                    rate = _rate(work, name, scenarios, granted[name], cluster)
                    needs.append(Need(name, scenarios, images, rate, granted[name]))
    if (images := missing["remove", ()]) and "remove" not in granted:
        needs.append(Need("remove", (), images, _remove_rate(work), None))
    if images := missing["render", ()]:
        needs.append(Need("render", (), images, _render_rate(work), None))
    return Forecast(tuple(needs), occupied_gpus(granted.values()))


def _missing(work: Worklist) -> Counter[tuple[str, tuple[str, ...]]]:
    """Numbers of missing images by stage and, since inpainters differ, inpainted scenarios."""
    plan = work.run.plan
    photographs, images = plan.rows_by_batch(), plan.rows_by_shard()
    missing: Counter[tuple[str, tuple[str, ...]]] = Counter()
    missing["refine", ()] = sum(photographs[unit] for unit in {*work.shards, *work.lacking} - work.masked)
    missing["remove", ()] = sum(photographs[unit] for unit in work.lacking)
    scenarios = {part: plan.scenarios_of(part) for part in work.inpainted}
    for shard in sorted(work):
        part = ShardId(shard).part
        missing[("paint", scenarios[part]) if part in scenarios else ("render", ())] += images[shard]
    return missing


def _rate(work: Worklist, name: str, scenarios: Sequence[str], pool: Grant, nodes: Sequence[Node]) -> Rate:
    settings = rate_settings(work.run.recipe, name, scenarios)
    return measured(work.run, name, settings) or remembered(settings, nodes) or _probe(work, name, scenarios, pool)


def measured(run: RunFolder, pool: str, settings: RateSettings) -> Rate | None:
    """The rate from a run's own receipts with these settings, if there are any."""
    stage, table = _TABLES[pool]
    return rate_of(run.store.receipts(stage), table, settings)


def remember_rates(run: RunFolder, nodes: Sequence[Node]) -> None:
    """Save the rates of a run, for dry runs of others with the same settings."""
    recipe = run.recipe
    works: list[tuple[str, tuple[str, ...]]] = []
    if recipe.masks.refiner.accelerated and recipe.needs_masks:
        works.append(("refine", ()))
    if recipe.remover is not None and recipe.remover.accelerated and recipe.needs_removed:
        works.append(("remove", ()))
    works += [("paint", run.plan.scenarios_of(part)) for part in run.plan.inpainted()]
    for pool, scenarios in works:
        settings = rate_settings(run.recipe, pool, scenarios)
        if rate := measured(run, pool, settings):
            remember(settings, nodes, rate)


def _probe(work: Worklist, name: str, scenarios: Sequence[str], pool: Grant) -> Rate:
    from xray.cluster.executor import Stage, stream

    unit: str = next(iter(work.lacking if name == "remove" else {**work.shards, **dict.fromkeys(work.lacking)}))
    if name == "paint":
        parts = {part for part in work.inpainted if work.run.plan.scenarios_of(part) == tuple(scenarios)}
        unit = next(shard for shard in work if ShardId(shard).part in parts)
    stage = Stage(
        name, _PROBES[name], (work.run.uri, pool.device, pool.batch), replace(pool, min_actors=1, max_actors=1)
    )
    stall_seconds = work.run.recipe.pools.stall_seconds
    ((result,),) = stream([unit], [stage], run=work.run.uri, stall_seconds=stall_seconds)
    return Rate(result["images"], result["seconds"], result["bytes"], "a probe just now")


def _remove_rate(work: Worklist) -> Rate:
    """The rate of a remover without weights: of this run, or of a few photographs in this process."""
    if rate := measured(work.run, "remove", rate_settings(work.run.recipe, "remove")):
        return rate
    result = RemoveProbe(work.run.uri, "cpu", 1, lambda items, seconds: None)(work.lacking[0])
    return Rate(result["images"], result["seconds"], result["bytes"], "a probe just now")


def _render_rate(work: Worklist) -> Rate:
    """Render a few photographs of a shard in this process, twice: the first time pays for imports and caches."""
    sample = _sample(work.run.plan.shard(next(shard for shard in work if ShardId(shard).part not in work.inpainted)))
    recipe = work.run.recipe
    masks = work.run.store.masks(ShardId(sample.name).batch)
    if masks is None and recipe.masks.refiner.accelerated:
        masks = central_masks(sample.source, recipe.limits)
    renderer, removed = Renderer(recipe), plain_removed(sample.source) if recipe.needs_removed else None
    renderer.shard(sample, masks, removed=removed)
    started = time.perf_counter()
    rendered = renderer.shard(sample, masks, removed=removed)
    seconds = time.perf_counter() - started
    size = stored_bytes(rendered.images.column("image").to_pylist())
    return Rate(len(sample.plan), seconds, size, "a probe just now")


def _sample(shard: Shard) -> Shard:
    images = shard.plan["image_id"].unique()
    sample = images[:: max(1, len(images) // 3)][:3]
    source, plan = (table.filter(pc.is_in(table["image_id"], sample)) for table in (shard.source, shard.plan))
    return Shard(shard.name, source, plan)
