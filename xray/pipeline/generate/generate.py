"""Generate every planned image: refine masks, remove objects, inpaint backgrounds, render the other scenarios.

Names of shards flow through the stages; each stage commits what it makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xray.cluster.placement import PoolState, describe_pools
from xray.core.errors import extra
from xray.core.progress import Progress
from xray.pipeline.budget import Budget
from xray.pipeline.generate.estimate import remember_rates
from xray.pipeline.generate.preparation import Finished
from xray.pipeline.generate.removal import RemoveWorker
from xray.pipeline.generate.worklist import Worklist
from xray.runs.counts import RowCounts
from xray.runs.folder import RunFolder
from xray.runs.lock import exclusive
from xray.runs.receipts import GENERATE
from xray.runs.versions import refuse_other_versions


@exclusive("images")
def generate(
    run: RunFolder,
    *,
    bad_rows: float | None = None,
    workers: int | None = None,
    watch: Callable[[Mapping[str, PoolState]], None] = lambda pools: None,
) -> RowCounts:
    """Generate all missing planned images, on the connected Ray session or on one of its own.

    A shard with a file that could not be read, and now can, is made again, and so are its predictions.

    Args:
        run: with a plan.
        bad_rows: share of the planned rows, 0–1, that may be rejected or failed; default: the recipe's. Verdicts of the
            filter on inpainted images do not count.
        workers: shards rendered at the same time; default: one per CPU. The images do not depend on it.
        watch: called every second with the states of the pools, in another thread.

    Returns:
        Counts of all images of the run.

    Raises:
        ConfigError: too many bad rows, or other library versions than the run was started with.
        ResourceError: no GPU for models that need one, or another process generates images of this run. Committed
            images stay.
    """
    work = Worklist.of(run)
    before = RowCounts.of(receipt for receipt in run.store.receipts(GENERATE) if receipt.shard not in work.retried)
    budget = Budget(run, run.recipe.bad_rows if bad_rows is None else bad_rows)
    budget.spend(before)
    if not work.units:
        return before
    refuse_other_versions(run, GENERATE)
    with extra("ray"):
        from xray.cluster.autoscaling import await_gpus
        from xray.cluster.executor import stream
        from xray.cluster.metrics import Metrics
        from xray.cluster.session import connected, nodes

    with connected(), Progress("generate", run.plan.planned_rows(), "images", before.rows) as progress:
        pools, granted, photographs = run.recipe.pools, work.pools(), run.plan.rows_by_batch()
        if granted:
            await_gpus(pools.gpus, pools.stall_seconds)
        passes = work.passes(nodes(), workers)
        metrics = Metrics(run.uri, "generate", sum(len(one.items) for one in passes))
        removed = Finished(RemoveWorker, sum(photographs[batch] for batch in work.lacking))

        def show(states: Mapping[str, PoolState]) -> None:
            removed.report(states)
            actors = {name: state for name, state in states.items() if name in granted}
            part = [f"objects removed: {removed.done:,} of {removed.total:,}"] if removed.total else []
            progress.detail(*part, *describe_pools(actors))
            metrics.pools(actors)
            watch(actors)

        for one in passes:
            for results in stream(one.items, one.stages, run=run.uri, stall_seconds=pools.stall_seconds, watch=show):
                metrics.done()
                removed.commit(results)
                for shard in (shard for stage in results for shard in stage["made"]):
                    counts = RowCounts(shard["counts"], shard["bytes"], shard["seconds"], 1)
                    progress.advance(counts.rows)
                    metrics.committed(counts)
                    budget.spend(counts)
        remember_rates(run, nodes())
    return RowCounts.of(run.store.receipts(GENERATE))
