"""How far is a run? What is planned, made, refused; who is at work on it, how fast, and how long it takes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from xray.core import schema
from xray.runs.counts import Progressed
from xray.runs.lock import Sign
from xray.runs.receipts import GENERATE, evaluation
from xray.runs.run import Run

WINDOW = 120.0
"""Seconds that the rate is taken over."""


@dataclass(frozen=True)
class Status:
    """How far a run is.

    Args:
        planned: images by scenario.
        made: what has become of them.
        photographs: that the plan has.
        masked: units of photographs that have their masks, and all units.
        predicted: images that each model was asked about.
        trials: by what has become of them: done, begun, failed, planned.
        at_work: who is, by work.
        rate: images a second, over the last minutes; None if none was made in them.
    """

    planned: Mapping[str, int]
    made: Progressed
    photographs: int
    masked: tuple[int, int]
    predicted: Mapping[str, int]
    trials: Mapping[str, int]
    at_work: Mapping[str, list[Sign]]
    rate: float | None

    @property
    def total(self) -> int:
        """All planned images."""
        return sum(self.planned.values())

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate; None if nothing moves."""
        return (self.total - self.made.rows) / self.rate if self.rate else None

    @property
    def table(self) -> list[tuple[str, int, int, int, int, int]]:
        """Scenario, planned, done, and of those ok, rejected, failed."""
        rows = []
        for scenario, planned in self.planned.items():
            states: Counter[str] = Counter()
            for key, n in self.made.counts.get(scenario, {}).items():
                states[key.partition(" ")[0]] += n
            kinds = (states[schema.OK], states[schema.REJECTED], states[schema.FAILED])
            rows.append((scenario, planned, states.total(), *kinds))
        return rows


def status(run: Run) -> Status:
    """How far a run is, from what is committed; works from any machine, while others are at work.

    Args:
        run: with a plan.
    """
    receipts = run.receipts(GENERATE)
    planned = run.table("plan", ["scenario"]).column("scenario").value_counts().to_pylist()
    units = run.units()
    return Status(
        planned={count["values"]: count["counts"] for count in planned},
        made=Progressed.of(receipts),
        photographs=sum(run.rows_by_unit().values()),
        masked=(len(run.masked()), len(units)),
        predicted={name: Progressed.of(run.receipts(evaluation(name))).rows for name in run.evaluated()},
        trials=dict(Counter(run.trials()["status"])),
        at_work=run.at_work(),
        rate=_rate(run, {receipt.shard: sum(map(_rows, receipt.counts.values())) for receipt in receipts}),
    )


def _rows(counter: Mapping[str, int]) -> int:
    return sum(counter.values())


def _rate(run: Run, rows: Mapping[str, int]) -> float | None:
    """Images a second since the first that was committed within the window."""
    now = time.time()
    recent = {shard: when for shard, when in run.committed(GENERATE).items() if now - when < WINDOW}
    made = sum(rows.get(shard, 0) for shard in recent)
    return made / max(now - min(recent.values()), 1.0) if made else None
