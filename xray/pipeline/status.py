"""The status of a run: planned, finished and refused images, processes at work, speed and time left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xray.core import schema
from xray.runs.counts import RowCounts, outcomes
from xray.runs.dependencies import Mismatch
from xray.runs.examples import Example, examples
from xray.runs.folder import RunFolder
from xray.runs.lock import Lock
from xray.runs.receipts import GENERATE, REMOVE, Receipt, Stage, evaluation, features
from xray.runs.trials_table import trials_table

WINDOW = 120.0
"""Seconds over which the rate is averaged."""


@dataclass(frozen=True)
class Status:
    """The status of a run.

    Args:
        planned: number of planned images by scenario.
        images: counts of finished images.
        examples: an example of each outcome that is not ok.
        photographs: number of photographs.
        masked: number of photo batches with masks, and of all photo batches.
        removed: number of photo batches whose objects are removed; None: no scenario needs it.
        predicted: number of predicted images by model.
        featured: number of images with features, by model whose heads are trained.
        trials: number of trials by state: done, begun, failed, planned.
        stale: what does not count, since the run no longer has what it was made from, by stage and shard.
        locks: live locks by kind of work.
        rate: images per second over the last minutes; None if none was made.
    """

    planned: Mapping[str, int]
    images: RowCounts
    examples: Mapping[str, Example]
    photographs: int
    masked: tuple[int, int]
    removed: int | None
    predicted: Mapping[str, int]
    featured: Mapping[str, int]
    trials: Mapping[str, int]
    stale: Mapping[Stage, Mapping[str, Mismatch]]
    locks: Mapping[str, list[Lock]]
    rate: float | None

    @property
    def total(self) -> int:
        """Number of all planned images."""
        return sum(self.planned.values())

    @property
    def seconds_left(self) -> float | None:
        """Time that the rest takes at this rate; None if there is none."""
        return (self.total - self.images.rows) / self.rate if self.rate else None

    @property
    def table(self) -> list[tuple[str, int, int, int, int, int]]:
        """Rows of scenario, planned, done, and of those ok, rejected, failed."""
        rows = []
        for scenario, planned in self.planned.items():
            states: Counter[str] = Counter()
            for outcome, n in outcomes(self.images.counts.get(scenario, {})):
                states[outcome.status] += n
            kinds = (states[schema.OK], states[schema.REJECTED], states[schema.FAILED])
            rows.append((scenario, planned, states.total(), *kinds))
        return rows


def status(run: RunFolder) -> Status:
    """Compute the status of a planned run from its committed files, on any machine, at any time."""
    receipts = run.store.receipts(GENERATE)
    planned = run.store.table("plan", ["scenario"]).column("scenario").value_counts().to_pylist()
    return Status(
        planned={count["values"]: count["counts"] for count in planned},
        images=RowCounts.of(receipts),
        examples=examples(run, GENERATE, receipts),
        photographs=sum(run.plan.rows_by_batch().values()),
        masked=(len(run.store.masked()), len(run.plan.batches())),
        removed=len(run.store.done(REMOVE)) if run.recipe.needs_removed else None,
        predicted={name: RowCounts.of(run.store.receipts(evaluation(name))).rows for name in run.store.evaluated()},
        featured={name: RowCounts.of(run.store.receipts(features(name))).ok for name in _with_heads(run)},
        trials=dict(Counter(trials_table(run)["status"])),
        stale=run.store.stale(),
        locks=run.store.locks(),
        rate=_rate(run, receipts),
    )


def _with_heads(run: RunFolder) -> list[str]:
    """The models whose heads are trained, and those that have features."""
    training = run.recipe.training
    planned = training.models if training is not None and training.tune == "head" else ()
    return list(dict.fromkeys([*planned, *run.store.featured()]))


def _rate(run: RunFolder, receipts: Sequence[Receipt]) -> float | None:
    """Images per second since the first commit within the window."""
    now = time.time()
    recent = {shard: when for shard, when in run.store.committed(GENERATE).items() if now - when < WINDOW}
    images = RowCounts.of([receipt for receipt in receipts if receipt.shard in recent]).rows
    return images / max(now - min(recent.values()), 1.0) if images else None
