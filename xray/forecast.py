"""What the rest of a run will take: images, time on GPUs and CPUs, storage, money."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from xray.errors import extra
from xray.flow import Flow, is_painted
from xray.pools import Grant, grant
from xray.probe import ProbeMasks, ProbePaintings, masks_in_the_middle
from xray.rates import Rate, rate_of, remember, remembered
from xray.recipe import Recipe
from xray.render import Renderer
from xray.run import Run
from xray.store import GENERATE, MASK, Shard, unit_of

_PROBES: Mapping[str, type] = {"refine": ProbeMasks, "paint": ProbePaintings}


@dataclass(frozen=True)
class Need:
    """What one stage of a run will take.

    Args:
        stage: refine, paint or render.
        images: still to be made.
        rate: how fast, and where that was measured.
        pool: what its actors get; None: tasks on CPUs.
    """

    stage: str
    images: int
    rate: Rate
    pool: Grant | None

    @property
    def gpu_hours(self) -> float:
        """Of whole GPUs."""
        return self.images * self.rate.seconds_an_image * (self.pool.gpus if self.pool else 0) / 3600

    @property
    def cpu_hours(self) -> float:
        """Of whole CPUs, where there is no GPU in it."""
        return 0 if self.gpu_hours else self.images * self.rate.seconds_an_image / 3600

    @property
    def bytes(self) -> float:
        """Of storage."""
        return self.images * self.rate.bytes_an_image


def forecast(run: Run) -> list[Need]:
    """What the rest of a run will take, stage by stage.

    The rate of a pool is that of this run's own receipts, else of an earlier run with the same settings, else of a
    probe: a few images through one actor, now. Rendering is measured on three photographs, here.

    Raises:
        XrayError: no GPU for models that want one, or weights that are not there.
    """
    with extra("ray"):
        from xray.cluster import connected, resources

    flow = Flow.of(run)
    left = _left(flow)
    needs = []
    if flow.pools():
        with connected():
            cluster = resources()
            for name, pool in grant(flow.pools(), cluster).items():
                rate = _known(run, name, cluster) or _probe(flow, name, pool)
                needs.append(Need(name, left[name], rate, pool))
    if left["render"]:
        needs.append(Need("render", left["render"], _rendering(flow), None))
    return needs


def _left(flow: Flow) -> dict[str, int]:
    """Images that each stage has still to make."""
    left = {"refine": 0, "paint": 0, "render": 0}
    for unit, shards in flow.shards.items():
        if unit not in flow.masked:
            left["refine"] += len(flow.run.unit(unit))
        for shard in shards:
            left["paint" if is_painted(shard, flow.painted) else "render"] += len(flow.run.shard(shard).plan)
    return left


def settings_of_pool(recipe: Recipe, name: str, cluster: Mapping[str, float]) -> dict[str, Any]:
    """What the rate of a pool depends on, as plain JSON values."""
    from xray.recipe import recipe_values

    values = recipe_values(recipe)
    pool = values["pools"][name]
    types = sorted(key for key in cluster if key.startswith("accelerator_type:"))
    device = {"device": pool["device"], "gpus": pool["gpus"], "batch": pool["batch"], "types": types}
    if name == "refine":
        return {"pool": name, **device, "model": values["masks"]["refine"]}
    scenarios = [key for key, entry in recipe.scenarios.items() if entry.scenario.paints]
    painters = [values["scenarios"][key]["painter"] for key in scenarios]
    return {"pool": name, **device, "models": painters, "filter": values["filter"]}


def _known(run: Run, name: str, cluster: Mapping[str, float]) -> Rate | None:
    return measured(run).get(name) or remembered(settings_of_pool(run.recipe_object, name, cluster))


def measured(run: Run) -> dict[str, Rate]:
    """The rates of the pools that a run's receipts tell, by pool."""
    rates = {"refine": rate_of(run.receipts(MASK), "masks"), "paint": rate_of(run.receipts(GENERATE), "images")}
    return {name: rate for name, rate in rates.items() if rate}


def remember_rates(run: Run, cluster: Mapping[str, float]) -> None:
    """Keep what a run has measured, for dry runs of others with the same settings."""
    for name, rate in measured(run).items():
        remember(settings_of_pool(run.recipe_object, name, cluster), rate)


def _probe(flow: Flow, name: str, pool: Grant) -> Rate:
    from dataclasses import replace

    from xray.cluster import Stage, stream

    shards = [shard for shards in flow.shards.values() for shard in shards]
    unit = unit_of(shards[0]) if name == "refine" else next(s for s in shards if is_painted(s, flow.painted))
    one = replace(pool, least=1, most=1)
    stage = Stage(name, _PROBES[name], (flow.run.uri, pool.device, pool.batch), one)
    ((said,),) = stream([unit], [stage], stall_seconds=flow.run.recipe_object.pools.stall_seconds)
    return Rate(said["images"], said["seconds"], said["bytes"], "a probe just now")


def _rendering(flow: Flow) -> Rate:
    """Render a few photographs of a shard here and now, twice: the first time pays for imports and caches."""
    shards = (shard for shards in flow.shards.values() for shard in shards)
    few = _few(flow.run.shard(next(shard for shard in shards if not is_painted(shard, flow.painted))))
    recipe = flow.run.recipe_object
    masks = flow.run.masks(unit_of(few.name))
    if masks is None and recipe.masks.refine.accelerated:
        masks = masks_in_the_middle(few.source, recipe.limits)
    renderer = Renderer(recipe)
    renderer.shard(few, masks)
    started = time.perf_counter()
    rendered = renderer.shard(few, masks)
    seconds = time.perf_counter() - started
    size = sum(len(cell["bytes"]) for cell in rendered.images.column("image").to_pylist() if cell)
    return Rate(len(few.plan), seconds, size, "three photographs just now")


def _few(shard: Shard) -> Shard:
    images = list(dict.fromkeys(shard.plan.column("image_id").to_pylist()))
    few = set(images[:: max(1, len(images) // 3)][:3])

    def ours(table: pa.Table) -> pa.Table:
        return table.filter(pa.array([image in few for image in table.column("image_id").to_pylist()]))

    return Shard(shard.name, ours(shard.source), ours(shard.plan))
