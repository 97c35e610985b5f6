"""Make the masks of all photographs: read, refine, commit (MASKS), one photo batch at a time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xray.cluster.placement import PoolState, describe_pools, grant
from xray.core import schema
from xray.core.batching import BatchRunner, DeviceLock
from xray.core.device import DeviceModel, load_on
from xray.core.errors import ConfigError, Rejected, extra
from xray.core.progress import Progress
from xray.masks import RefinedMask, RefinerInput, select_mask
from xray.masks.photographs import hint_of, mask_seed, read_photo
from xray.masks.without_weights import WithoutWeights
from xray.models.weights import check_pinned
from xray.pipeline.generate.photo import Row, mask_row, row_without_mask
from xray.pipeline.generate.retry import masks_to_remake
from xray.pipeline.generate.throughput import rate_settings
from xray.pipeline.worker import ShardWorker, device_facts
from xray.runs.counts import Outcome, count_outcomes, has_failed
from xray.runs.examples import Example, examples, most_frequent
from xray.runs.folder import RunFolder
from xray.runs.lock import exclusive
from xray.runs.receipts import GENERATE, MASK, Receipt
from xray.runs.recipe import Recipe
from xray.runs.reuse import reusable_masks
from xray.runs.versions import refuse_other_versions

Model = DeviceModel[RefinerInput, RefinedMask]


@exclusive("images")
def mask(
    run: RunFolder,
    *,
    bad_rows: float | None = None,
    watch: Callable[[Mapping[str, PoolState]], None] = lambda pools: None,
) -> dict[str, int]:
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
    recipe, masked = run.recipe, run.store.masked() - set(masks_to_remake(run))
    batches = [batch for batch in run.plan.batches() if batch not in masked]
    if batches:
        _make_masks(run, batches, watch)
    counts = count_outcomes(run.store.table("masks", ["status", "reason"]).to_pylist())
    bad = Counter({text: n for text, n in counts.items() if not Outcome.parse(text).ok})
    budget = (recipe.bad_rows if bad_rows is None else bad_rows) * counts.total()
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


def _make_masks(run: RunFolder, batches: Sequence[str], watch: Callable[[Mapping[str, PoolState]], None]) -> None:
    with extra("ray"):
        from xray.cluster.autoscaling import await_gpus
        from xray.cluster.executor import Stage, stream
        from xray.cluster.session import connected, nodes

    pools, store = run.recipe.pools, run.store
    total, before = len(store.table("source", ["image_id"])), len(store.table("masks", ["image_id"]))
    with connected(), Progress("mask", total, "photographs", before) as progress:

        def show(states: Mapping[str, PoolState]) -> None:
            progress.detail(*describe_pools(states))
            watch(states)

        stage = Stage("refine", refine_batch, (run.uri,))
        if run.recipe.masks.refiner.accelerated:
            await_gpus(pools.gpus, pools.stall_seconds)
            pool = grant({"refine": pools.refine}, nodes())["refine"]
            stage = Stage("refine", MaskWorker, (run.uri, pool.device, pool.batch), pool, overlap=2)
        for (result,) in stream(batches, [stage], run=run.uri, stall_seconds=pools.stall_seconds, watch=show):
            progress.advance(sum(result.get("masks", {}).values()))


def refine_batch(uri: str, batch: str) -> dict[str, Any]:
    """Make the masks of one photo batch with a refiner without weights; runs on a worker."""
    return MaskWorker(uri, "cpu", 1, lambda items, seconds: None)(batch)


class MaskWorker(ShardWorker[Model]):
    """Refines and commits the masks of photo batches."""

    def load(self) -> Model:
        """Load the refiner."""
        refiner = self.recipe.masks.refiner
        if not refiner.accelerated:
            return WithoutWeights(refiner)
        check_pinned(self.run.plan.pins(refiner.weights()))
        refuse_other_versions(self.run, MASK)
        return load_on(refiner.load, self.device)

    def __call__(self, name: str) -> dict[str, Any]:
        """Make the masks of one photo batch, unless they exist and all its photographs could be read."""
        store = self.run.store
        failed = store.has_receipt(MASK, name) and has_failed(store.receipt(MASK, name))
        if store.has_masks(name) and not failed:
            return {}
        receipt = self._make(name)
        return {"masks": receipt.counts["masks"], "seconds": receipt.seconds}

    def _make(self, batch: str) -> Receipt:
        started = time.perf_counter()
        source = self.run.plan.batch(batch)
        reused = reusable_masks(self.run, source)
        rest = source.filter(pc.invert(pc.is_in(source.column("image_id"), pa.array(reused, pa.string()))))
        with DeviceLock(self.device_lock) as lock:
            made, runner = self.rows(rest, lock)
            by_image = {row["image_id"]: row for row in (*made, *reused.values())}
            rows = [by_image[image] for image in source.column("image_id").to_pylist()]
            facts = {"refiner": dict(self.model.facts), **device_facts(runner, rate_settings(self.recipe, "refine"))}
            counts = {"masks": dict(sorted(count_outcomes(rows).items()))}
            tables = {"masks": (pa.Table.from_pylist(rows, schema=schema.MASKS), None)}
            return self.run.store.commit(MASK, batch, tables, counts, time.perf_counter() - started, facts)

    def rows(self, source: pa.Table, lock: DeviceLock) -> tuple[list[Row], BatchRunner[_Job, Row]]:
        """Make rows of MASKS for photographs (SOURCE); return them, and the runner that made them."""
        jobs = [_Job(row) for row in source.to_pylist()]
        runner: BatchRunner[_Job, Row] = BatchRunner(_Masking(self.model, self.recipe), self.batch, lock, self.on_batch)
        rows = [
            row_without_mask(job.source, row) if isinstance(row, Rejected) else row
            for job, row in zip(jobs, runner.run(jobs), strict=True)
        ]
        return rows, runner


@dataclass
class _Job:
    """A photograph whose mask is being made; its pixels are kept until then."""

    source: Row
    input: RefinerInput | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Masking:
    """A refiner as a `DeviceModel` from rows of SOURCE to rows of MASKS."""

    model: Model
    recipe: Recipe

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.model.facts

    def prepare(self, item: _Job) -> Any:
        decoded = read_photo(item.source, self.recipe.limits)
        hint, item.notes = hint_of(item.source, decoded, self.recipe.masks.annotations)
        item.input = RefinerInput(decoded, hint, mask_seed(item.source))
        return self.model.prepare(item.input)

    def run(self, batch: Any) -> Any:
        return self.model.run(batch)

    def finish(self, item: _Job, raw: Any) -> Row:
        input, item.input = item.input, None  # free the pixels
        assert input is not None
        refined = self.model.finish(input, raw)
        refined, statistics = select_mask(refined, input.hint.mask, self.recipe.masks.gates)
        return mask_row(item.source, refined, statistics, item.notes)
