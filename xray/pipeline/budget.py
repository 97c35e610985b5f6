"""The budget of bad rows: stops a run that is going wrong."""

from __future__ import annotations

from collections import Counter

from xray.core import schema
from xray.core.errors import ConfigError
from xray.runs.counts import Counts, RowCounts, outcomes
from xray.runs.examples import examples, most_frequent
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE

_MIN_PICTURES = 100
"""Inpainted images of a scenario before its keep rate counts."""


class Budget:
    """How many rows may be bad; verdicts of the filter, and objects that do not fit where they are put, do not count.

    Args:
        run: with a plan.
        share: allowed share of the planned rows, 0–1.
    """

    def __init__(self, run: RunFolder, share: float) -> None:
        self.run = run
        self.planned = run.plan.planned_rows()
        self.max_bad = share * self.planned
        self.bad: Counter[str] = Counter()
        self.min_keep_rate = run.recipe.filter.min_keep_rate
        self.verdicts: dict[str, Counter[str]] = {}

    def spend(self, finished: RowCounts) -> None:
        """Count finished rows.

        Raises:
            XrayError: too many are bad, or the filter refuses nearly all; names the most frequent reasons.
        """
        self._check_keep_rates(finished.counts)
        for outcome, n in outcomes(finished.refused()):
            if outcome.reason not in schema.EXPECTED:
                self.bad[str(outcome)] += n
        if (total := self.bad.total()) > self.max_bad:
            shown = examples(self.run, GENERATE, self.run.store.receipts(GENERATE))
            raise ConfigError(
                f"{total:,} of {self.planned:,} rows are bad, more than the budget of {self.max_bad:,.0f}: "
                f"{most_frequent(self.bad, shown)}. Finished rows are kept. Allow more with `--bad-rows` (a share, "
                "such as 0.1), or mend the files and plan a new run"
            )

    def _check_keep_rates(self, counts: Counts) -> None:
        for scenario, by_outcome in counts.items():
            verdicts = self.verdicts.setdefault(scenario, Counter())
            for outcome, n in outcomes(by_outcome):
                verdicts[schema.OK if outcome.ok else outcome.reason] += n
            refused = Counter({reason: n for reason, n in verdicts.items() if reason in schema.FILTERED})
            kept = verdicts[schema.OK]
            judged = refused.total() + kept
            if judged >= _MIN_PICTURES and refused and kept < self.min_keep_rate * judged:
                raise ConfigError(
                    f"scenario {scenario!r}: the filter kept {kept:,} of {judged:,} inpainted images "
                    f"({_top(refused)}), less than `filter: {{min_keep_rate: {self.min_keep_rate:g}}}`. Finished rows "
                    "are kept; look at some with `xray report`, and plan a new run with another painter or filter"
                )


def _top(reasons: Counter[str]) -> str:
    return ", ".join(f"{n:,} {reason}" for reason, n in reasons.most_common(3))
