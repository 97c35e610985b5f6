"""Make every planned image: masks where a model refines them, worlds where a painter paints them, and all the rest.

Shards flow through the stages by name; each stage commits what it makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xray.cluster.placement import PoolState, told_of
from xray.core.errors import extra
from xray.core.progress import Progress
from xray.pipeline.budget import Budget
from xray.pipeline.generate.estimate import remember_rates
from xray.pipeline.generate.stages import Flow
from xray.runs.counts import Progressed
from xray.runs.lock import alone
from xray.runs.receipts import GENERATE
from xray.runs.run import Run
from xray.runs.versions import refuse_other_versions


@alone("images")
def generate(
    run: Run,
    *,
    bad_rows: float | None = None,
    workers: int | None = None,
    watch: Callable[[Mapping[str, PoolState]], None] = lambda pools: None,
) -> Progressed:
    """Make all planned images that are not there yet, on the Ray session at hand.

    A shard in which a file could not be read is made again, and its predictions are asked for anew.

    Args:
        run: with a plan.
        bad_rows: share of the planned rows, 0–1, that may be rejected or failed; default: the recipe's. What the
            filter of painted pictures refuses does not count.
        workers: shards rendered at a time; default: one a CPU. The images do not depend on it.
        watch: called every second with the state of the pools, in another thread.

    Raises:
        XrayError: more rows than that are bad, no GPU for models that want one, other libraries than the run was
            begun with, or somebody else is at work on the images; what is committed stays.
    """
    flow = Flow.of(run)
    before = Progressed.of(receipt for receipt in run.receipts(GENERATE) if receipt.shard not in flow.again)
    budget = Budget(run, run.recipe_object.bad_rows if bad_rows is None else bad_rows)
    budget.spend(before)
    if not flow.units:
        return before
    refuse_other_versions(run, GENERATE)
    with extra("ray"):
        from xray.cluster.autoscaling import await_gpus
        from xray.cluster.executor import stream
        from xray.cluster.metrics import Meters
        from xray.cluster.session import connected, nodes

    with connected(), Progress("generate", run.planned_rows(), "images", before.rows) as progress:
        pools = run.recipe_object.pools
        if flow.pools():
            await_gpus(pools.gpus, pools.stall_seconds)
        stages = flow.stages(nodes(), workers)
        meters = Meters(run.uri, "generate", len(flow.units))

        def watched(states: Mapping[str, PoolState]) -> None:
            progress.say(*told_of(states))
            meters.pools(states)
            watch(states)

        for told in stream(flow.units, stages, run=run.uri, stall_seconds=pools.stall_seconds, watch=watched):
            meters.done()
            for shard in (shard for stage in told for shard in stage["made"]):
                made = Progressed(shard["counts"], shard["bytes"], shard["seconds"], 1)
                progress.advance(made.rows)
                meters.committed(made)
                budget.spend(made)
        remember_rates(run, nodes())
    return Progressed.of(run.receipts(GENERATE))
