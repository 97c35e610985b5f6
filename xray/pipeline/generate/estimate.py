"""What the rest of a run will take: images, time on GPUs and CPUs, storage."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from xray.cluster.placement import Grant, Node, gpus_held, grant
from xray.core.errors import extra
from xray.pipeline.generate.probe import ProbeMasks, ProbePaintings, masks_in_the_middle
from xray.pipeline.generate.render import Renderer
from xray.pipeline.generate.stages import Flow, is_painted
from xray.pipeline.generate.throughput import Rate, Settings, rate_of, remember, remembered, settings_of_work
from xray.runs.receipts import GENERATE, MASK, Shard, unit_of
from xray.runs.run import Run

_PROBES: Mapping[str, type] = {"refine": ProbeMasks, "paint": ProbePaintings}


@dataclass(frozen=True)
class Need:
    """What one part of the work will take.

    Args:
        stage: refine, paint or render.
        scenarios: that are painted.
        images: still to be made.
        rate: how fast, and where that was measured.
        pool: what its actors get; None: tasks on CPUs.
    """

    stage: str
    scenarios: tuple[str, ...]
    images: int
    rate: Rate
    pool: Grant | None

    @property
    def seconds(self) -> float:
        """Of one actor's time, or one core's."""
        return self.images * self.rate.seconds_an_image

    @property
    def bytes(self) -> float:
        """Of storage."""
        return self.images * self.rate.bytes_an_image


@dataclass(frozen=True)
class Forecast:
    """What the rest of a run will take.

    Args:
        needs: part by part.
        gpus: that its pools occupy together.
    """

    needs: tuple[Need, ...]
    gpus: float

    @property
    def gpu_hours(self) -> float:
        """Of all GPUs that are occupied, until the slowest pool is done; without starting and loading."""
        seconds: dict[str, float] = {}
        for need in self.needs:
            if need.pool is not None:
                seconds[need.stage] = seconds.get(need.stage, 0.0) + need.seconds / need.pool.least
        return self.gpus * max(seconds.values(), default=0.0) / 3600

    @property
    def bytes(self) -> float:
        """Of storage."""
        return sum(need.bytes for need in self.needs)


def forecast(run: Run) -> Forecast:
    """What the rest of a run will take, stage by stage.

    The rate of a pool is that of this run's own receipts with the same settings, else of an earlier run with them, else
    of a probe: a few images through one actor, now. Rendering is measured on three photographs, here. A cluster that
    grows is asked for the GPUs that the recipe wants, as the run itself asks.

    Raises:
        XrayError: no GPU for models that want one, or weights that are not there.
    """
    with extra("ray"):
        from xray.cluster.autoscaling import await_gpus
        from xray.cluster.session import connected, nodes

    flow, pools = Flow.of(run), run.recipe_object.pools
    needs: list[Need] = []
    granted: Mapping[str, Grant] = {}
    if flow.pools():
        with connected():
            await_gpus(pools.gpus, pools.stall_seconds)
            cluster = nodes()
            granted = grant(flow.pools(), cluster)
            for name, scenarios, images in _left(flow):
                if name in granted:
                    rate = _rate(flow, name, scenarios, granted[name], cluster)
                    needs.append(Need(name, scenarios, images, rate, granted[name]))
    for name, _, images in _left(flow):
        if name == "render":
            needs.append(Need(name, (), images, _rendering(flow), None))
    return Forecast(tuple(needs), gpus_held(granted.values()))


def _left(flow: Flow) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """Stages with what they have still to make; painting by its scenarios, since painters differ."""
    photographs, images = flow.run.rows_by_unit(), flow.run.rows_by_shard()
    yield "refine", (), sum(photographs[unit] for unit in flow.shards if unit not in flow.masked)
    shards = [shard for shards in flow.shards.values() for shard in shards]
    painted: dict[tuple[str, ...], int] = {}
    for part in sorted(flow.painted):
        ours = [shard for shard in shards if shard.rpartition("-")[0] == part]
        if ours:
            scenarios = flow.run.scenarios_of(part)
            painted[scenarios] = painted.get(scenarios, 0) + sum(images[shard] for shard in ours)
    yield from (("paint", scenarios, count) for scenarios, count in painted.items())
    if rendered := sum(images[shard] for shard in shards if not is_painted(shard, flow.painted)):
        yield "render", (), rendered


def _rate(flow: Flow, name: str, scenarios: Sequence[str], pool: Grant, nodes: Sequence[Node]) -> Rate:
    settings = settings_of_work(flow.run.recipe_object, name, scenarios)
    return measured(flow.run, name, settings) or remembered(settings, nodes) or _probe(flow, name, scenarios, pool)


def measured(run: Run, pool: str, settings: Settings) -> Rate | None:
    """The rate that a run's own receipts tell for some settings, if any were made with them."""
    stage, table = (MASK, "masks") if pool == "refine" else (GENERATE, "images")
    return rate_of(run.receipts(stage), table, settings)


def remember_rates(run: Run, nodes: Sequence[Node]) -> None:
    """Keep what a run has measured, for dry runs of others with the same settings."""
    works: list[tuple[str, tuple[str, ...]]] = [("refine", ())] if run.recipe_object.masks.refine.accelerated else []
    works += [("paint", run.scenarios_of(part)) for part in run.painted()]
    for pool, scenarios in works:
        settings = settings_of_work(run.recipe_object, pool, scenarios)
        if rate := measured(run, pool, settings):
            remember(settings, nodes, rate)


def _probe(flow: Flow, name: str, scenarios: Sequence[str], pool: Grant) -> Rate:
    from xray.cluster.executor import Stage, stream

    shards = [shard for shards in flow.shards.values() for shard in shards]
    unit = unit_of(shards[0])
    if name == "paint":
        parts = {part for part in flow.painted if flow.run.scenarios_of(part) == tuple(scenarios)}
        unit = next(shard for shard in shards if shard.rpartition("-")[0] in parts)
    stage = Stage(name, _PROBES[name], (flow.run.uri, pool.device, pool.batch), replace(pool, least=1, most=1))
    stall_seconds = flow.run.recipe_object.pools.stall_seconds
    ((said,),) = stream([unit], [stage], run=flow.run.uri, stall_seconds=stall_seconds)
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
    return Rate(len(few.plan), seconds, size, "a probe just now")


def _few(shard: Shard) -> Shard:
    images = list(dict.fromkeys(shard.plan.column("image_id").to_pylist()))
    few = set(images[:: max(1, len(images) // 3)][:3])

    def ours(table: pa.Table) -> pa.Table:
        return table.filter(pa.array([image in few for image in table.column("image_id").to_pylist()]))

    return Shard(shard.name, ours(shard.source), ours(shard.plan))
