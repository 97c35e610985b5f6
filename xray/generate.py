"""Make every planned image: plan → render → IMAGES, a shard a task, committed by the worker that made it."""

from __future__ import annotations

import functools
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import pyarrow as pa

from xray import schema
from xray.errors import XrayError, extra
from xray.progress import Progress
from xray.render import Renderer, status_counts
from xray.run import Run, environment
from xray.store import GENERATE, Receipt, Shard

_RESULT = pa.schema([("shard", pa.string()), ("counts", pa.string()), ("bytes", pa.int64()), ("seconds", pa.float64())])


@dataclass(frozen=True)
class Progressed:
    """What has become of the planned rows.

    Args:
        counts: rows by scenario, then by "status reason".
        bytes: of the files.
        seconds: of worker time.
        shards: committed.
    """

    counts: Mapping[str, Mapping[str, int]]
    bytes: int
    seconds: float
    shards: int

    @classmethod
    def of(cls, receipts: Iterable[Receipt]) -> Progressed:
        """What the receipts tell together."""
        counts: dict[str, Counter[str]] = {}
        size, seconds, shards = 0, 0.0, 0
        for receipt in receipts:
            add_counts(counts, receipt.counts)
            size += sum(file["bytes"] for file in receipt.files.values())
            seconds += receipt.seconds
            shards += 1
        return cls(counts, size, seconds, shards)

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(sum(counter.values()) for counter in self.counts.values())

    @property
    def ok(self) -> int:
        """Those with an image, or a prediction."""
        return self.rows - self.by_reason().total()

    def by_reason(self) -> Counter[str]:
        """Rows that are not ok, by "status reason"."""
        bad: Counter[str] = Counter()
        for counter in self.counts.values():
            bad.update({key: n for key, n in counter.items() if not key.startswith(schema.OK)})
        return bad


def add_counts(total: dict[str, Counter[str]], counts: Mapping[str, Mapping[str, int]]) -> None:
    """Add one receipt's counts to a total."""
    for scenario, counter in counts.items():
        total.setdefault(scenario, Counter()).update(counter)


def generate(run: Run, *, bad_rows: float | None = None, workers: int | None = None) -> Progressed:
    """Make all planned images that are not there yet, on the Ray session at hand.

    A shard in which a file could not be read is made again, and its predictions are asked for anew.

    Args:
        run: with a plan.
        bad_rows: share of the planned rows, 0–1, that may be rejected or failed; default: the recipe's.
        workers: shards made at a time; default: one a CPU. The images do not depend on it.

    Raises:
        XrayError: more rows than that are bad; what is committed stays.
    """
    with extra("ray"):
        from xray.cluster import connected, map_shards

    for shard in unfinished(run):
        run.forget(shard)
    before = Progressed.of(run.receipts(GENERATE))
    done = run.done(GENERATE)
    todo = [shard for shard in run.shards() if shard not in done]
    budget = (run.recipe_object.bad_rows if bad_rows is None else bad_rows) * run.planned_rows()
    bad = before.by_reason()
    check_budget(bad, budget, run)
    if not todo:
        return before
    work = functools.partial(make_shard, run.uri)
    with connected(), Progress("generate", run.planned_rows(), "images", before.rows) as progress:
        for result in map_shards(todo, work, _RESULT, at_once=workers, num_cpus=1):
            counts: dict[str, Counter[str]] = {}
            add_counts(counts, json.loads(result["counts"]))
            made = Progressed(counts, result["bytes"], result["seconds"], 1)
            progress.advance(made.rows)
            bad.update(made.by_reason())
            check_budget(bad, budget, run)
    return Progressed.of(run.receipts(GENERATE))


def unfinished(run: Run) -> list[str]:
    """The shards that were made although some file could not be read: it may be there now."""
    failed = f"{schema.FAILED} "
    return [
        receipt.shard
        for receipt in run.receipts(GENERATE)
        if any(key.startswith(failed) for counts in receipt.counts.values() for key in counts)
    ]


def check_budget(bad: Counter[str], budget: float, run: Run) -> None:
    """Stop a run that goes wrong.

    Args:
        bad: rows that are not ok, by "status reason".
        budget: how many there may be.
        run: what they are rows of.

    Raises:
        XrayError: there are more; says which reasons dominate.
    """
    total = bad.total()
    if total > budget:
        reasons = ", ".join(f"{n:,} {key.partition(' ')[2]}" for key, n in bad.most_common(3))
        raise XrayError(
            f"{total:,} of {run.planned_rows():,} rows are bad, more than the budget of {budget:,.0f}: {reasons}. "
            "What is done is kept. Allow more by `--bad-rows` (a share, such as 0.1), or plan a new run of mended files"
        )


def make_shard(uri: str, name: str) -> dict[str, Any]:
    """Render and commit one shard; runs on a worker.

    Args:
        uri: of the run.
        name: of the shard.
    """
    cv2.setNumThreads(1)
    run = Run(uri)
    # A task of several shards that lost its worker is run again as a whole: what it had committed stays.
    receipt = run.receipt(GENERATE, name) if run.has_receipt(GENERATE, name) else _render(run, name)
    return {
        "shard": name,
        "counts": json.dumps(receipt.counts),
        "bytes": sum(file["bytes"] for file in receipt.files.values()),
        "seconds": receipt.seconds,
    }


def _render(run: Run, name: str) -> Receipt:
    started = time.perf_counter()
    rendered = _renderer(run.uri, json.dumps(run.recipe)).shard(run.shard(name))
    tables = {"images": (rendered.images, rendered.row_groups)}
    if run.makes_masks(name):
        tables["masks"] = (rendered.masks, [len(rendered.masks)])
    facts = {"environment": environment()}
    return run.commit(GENERATE, name, tables, status_counts(rendered.images), time.perf_counter() - started, facts)


@functools.lru_cache(maxsize=1)
def _renderer(uri: str, recipe: str) -> Renderer:
    """The worker's renderer, with its decoded donors, as long as the run and its recipe stay the same."""
    return Renderer(Run(uri).recipe_object)


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Args:
        rows: images still to be made.
        bytes: expected of them.
        seconds: expected of one worker's time.
    """

    rows: int
    bytes: float
    seconds: float


def estimate(renderer: Renderer, shard: Shard, rows: int) -> Estimate:
    """Render a few photographs of a shard here and now, and extrapolate to so many rows."""
    images = shard.plan.column("image_id").to_pylist()
    few = set(images[:: max(1, len(images) // 3)][:3])
    sample = Shard(
        shard.name,
        shard.source.filter(pa.array([image in few for image in shard.source.column("image_id").to_pylist()])),
        shard.plan.filter(pa.array([image in few for image in images])),
    )
    renderer.shard(sample)  # the first call pays for imports and caches
    started = time.perf_counter()
    rendered = renderer.shard(sample)
    seconds = time.perf_counter() - started
    size = sum(len(row["bytes"]) for row in rendered.images.column("image").to_pylist() if row)
    return Estimate(rows, size / len(sample.plan) * rows, seconds / len(sample.plan) * rows)
