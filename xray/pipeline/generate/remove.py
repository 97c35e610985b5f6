"""Remove the objects from all photographs (REMOVED), one photo batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xray.cluster.placement import PoolState, describe_pools
from xray.core.errors import ConfigError, extra
from xray.core.progress import Progress
from xray.pipeline.generate.worklist import Worklist
from xray.runs.counts import count_outcomes
from xray.runs.examples import Example, examples
from xray.runs.folder import RunFolder
from xray.runs.lock import exclusive
from xray.runs.receipts import REMOVE


@exclusive("images")
def remove(
    run: RunFolder, *, watch: Callable[[Mapping[str, PoolState]], None] = lambda pools: None
) -> tuple[dict[str, int], dict[str, Example]]:
    """Remove the objects from all photographs that lack it, and make their masks first where those are missing.

    Args:
        run: with a plan, on the connected Ray session or on one of its own.
        watch: called every second with the states of the pools, in another thread.

    Returns:
        Number of photographs by outcome, and an example of each outcome that is not ok.

    Raises:
        ConfigError: no scenario shows a photograph without its object.
        ResourceError: no GPU for a model that needs one. What is committed stays.
    """
    if not run.recipe.needs_removed:
        raise ConfigError(
            f"no scenario of this run shows a photograph without its object: {', '.join(run.recipe.scenarios)}"
        )
    work = Worklist.of_removal(run)
    if work.lacking:
        _stream(run, work, watch)
    counts = count_outcomes(run.store.table("removed", ["status", "reason"]).to_pylist())
    return dict(counts), examples(run, REMOVE, run.store.receipts(REMOVE))


def _stream(run: RunFolder, work: Worklist, watch: Callable[[Mapping[str, PoolState]], None]) -> None:
    with extra("ray"):
        from xray.cluster.autoscaling import await_gpus
        from xray.cluster.executor import stream
        from xray.cluster.session import connected, nodes

    pools, store = run.recipe.pools, run.store
    total, before = len(store.table("source", ["image_id"])), len(store.table("removed", ["image_id"]))
    with connected(), Progress("remove", total, "photographs", before) as progress:

        def show(states: Mapping[str, PoolState]) -> None:
            progress.detail(*describe_pools(states))
            watch(states)

        if work.pools():
            await_gpus(pools.gpus, pools.stall_seconds)
        for one in work.passes(nodes()):
            for results in stream(one.items, one.stages, run=run.uri, stall_seconds=pools.stall_seconds, watch=show):
                progress.advance(sum(result.get("removed", 0) for result in results))
