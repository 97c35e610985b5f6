"""Make, without any image, what images are made of: the masks of all photographs, or these without their objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from xray.cluster.placement import PoolState, describe_pools
from xray.core.errors import ConfigError, extra
from xray.core.progress import Progress
from xray.pipeline.generate.masks import MaskWorker
from xray.pipeline.generate.photo_batches import PhotoBatchWorker
from xray.pipeline.generate.removal import RemoveWorker
from xray.pipeline.generate.worklist import Worklist
from xray.runs.counts import Outcome, count_outcomes
from xray.runs.examples import Example, examples, most_frequent
from xray.runs.folder import RunFolder
from xray.runs.lock import exclusive
from xray.runs.receipts import GENERATE, MASK, REMOVE

Watch = Callable[[Mapping[str, PoolState]], None]


@exclusive("images")
def mask(run: RunFolder, *, bad_rows: float | None = None, watch: Watch = lambda pools: None) -> dict[str, int]:
    """Make all missing masks, on the connected Ray session or on one of its own.

    Args:
        run: with a plan.
        bad_rows: share of the photographs, 0–1, that may end without a mask; default: the recipe's.
        watch: called every second with the state of the pool, in another thread.

    Returns:
        Number of photographs by outcome.

    Raises:
        ConfigError: too many photographs have no mask, or no scenario needs one.
        ResourceError: no GPU for a model that needs one. Committed masks stay.
    """
    if not run.recipe.needs_masks:
        raise ConfigError(f"no scenario of this run needs masks: {', '.join(run.recipe.scenarios)}")
    work = Worklist.of_masks(run)
    _stream(run, work, work.unmasked, MaskWorker, watch)
    counts = count_outcomes(run.store.table("masks", ["status", "reason"]).to_pylist())
    bad = Counter({text: n for text, n in counts.items() if not Outcome.parse(text).ok})
    budget = (run.recipe.bad_rows if bad_rows is None else bad_rows) * counts.total()
    if bad.total() > budget:
        raise ConfigError(
            f"{bad.total():,} of {counts.total():,} photographs have no mask, more than the budget of {budget:,.0f}: "
            f"{most_frequent(bad, mask_examples(run))}. The others are kept. Look at {run.store.path('masks.html')}; "
            "adjust the gates or annotations and plan a new run, or allow more with `--bad-rows`"
        )
    return dict(counts)


def mask_examples(run: RunFolder) -> dict[str, Example]:
    """Return an example of each outcome of photographs without a mask, wherever their masks were made."""
    return examples(run, GENERATE, run.store.receipts(GENERATE)) | examples(run, MASK, run.store.receipts(MASK))


@exclusive("images")
def remove(run: RunFolder, *, watch: Watch = lambda pools: None) -> tuple[dict[str, int], dict[str, Example]]:
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
    _stream(run, work, work.lacking, RemoveWorker, watch)
    counts = count_outcomes(run.store.table("removed", ["status", "reason"]).to_pylist())
    return dict(counts), examples(run, REMOVE, run.store.receipts(REMOVE))


class Finished:
    """Counts the photographs that a stage has finished: those committed, or more if its workers report more.

    Args:
        worker: of the stage.
        total: number of photographs.
        before: those that were finished earlier.
    """

    def __init__(self, worker: type[PhotoBatchWorker[Any, Any]], total: int, before: int = 0) -> None:
        self.worker, self.total, self.before = worker, total, before
        self._committed = self._reported = 0

    @property
    def done(self) -> int:
        """Number of finished photographs; those of a batch that is made again after a crash are counted once."""
        return min(self.total, self.before + max(self._committed, self._reported))

    def report(self, states: Mapping[str, PoolState]) -> None:
        """Take over what the workers have reported."""
        if state := states.get(self.worker.pool):
            self._reported = state.items

    def commit(self, results: Iterable[Mapping[str, Any]]) -> None:
        """Count the results of an item, one of each stage."""
        self._committed += sum(result.get(self.worker.table, 0) for result in results)


def _stream(
    run: RunFolder, work: Worklist, batches: Collection[str], worker: type[PhotoBatchWorker[Any, Any]], watch: Watch
) -> None:
    """Do the work, and show how many photographs the stage of the worker has finished; it lacks those of `batches`."""
    if not batches:
        return
    with extra("ray"):
        from xray.cluster.autoscaling import await_gpus
        from xray.cluster.executor import stream
        from xray.cluster.session import connected, nodes

    pools, photographs, granted = run.recipe.pools, run.plan.rows_by_batch(), work.pools()
    total = sum(photographs.values())
    finished = Finished(worker, total, total - sum(photographs[batch] for batch in batches))
    verb = worker.stage[0]
    with connected(), Progress(verb, total, "photographs", finished.before) as progress:

        def show(states: Mapping[str, PoolState]) -> None:
            finished.report(states)
            progress.reach(finished.done)
            actors = {name: state for name, state in states.items() if name in granted}
            progress.detail(*describe_pools(actors))
            watch(actors)

        if granted:
            await_gpus(pools.gpus, pools.stall_seconds)
        for one in work.passes(nodes()):
            for results in stream(one.items, one.stages, run=run.uri, stall_seconds=pools.stall_seconds, watch=show):
                finished.commit(results)
                progress.reach(finished.done)
