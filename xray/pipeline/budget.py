"""xray.pipeline.budget."""

from __future__ import annotations

from collections import Counter

from xray.core import schema
from xray.core.errors import XrayError
from xray.runs.counts import Progressed, _reason
from xray.runs.run import Run

_FIRST = 100
"""Painted pictures of a scenario before its keep rate counts."""


class Budget:
    """How many rows may be bad; what the filter of painted pictures refuses is no bad row.

    Args:
        run: what they are rows of.
        share: of the planned rows, 0–1.
    """

    def __init__(self, run: Run, share: float) -> None:
        self.planned = run.planned_rows()
        self.most = share * self.planned
        self.bad: Counter[str] = Counter()
        self.min_keep_rate = run.recipe_object.filter.min_keep_rate
        self.painted: dict[str, Counter[str]] = {}

    def spend(self, made: Progressed) -> None:
        """Count what was made.

        Raises:
            XrayError: too much of it is bad, or the filter refuses nearly all; says which reasons dominate.
        """
        self._look_at_painted(made)
        self.bad.update({key: n for key, n in made.by_reason().items() if _reason(key) not in schema.FILTERED})
        if (total := self.bad.total()) > self.most:
            reasons = ", ".join(f"{n:,} {_reason(key)}" for key, n in self.bad.most_common(3))
            raise XrayError(
                f"{total:,} of {self.planned:,} rows are bad, more than the budget of {self.most:,.0f}: {reasons}. "
                "What is done is kept. Allow more by `--bad-rows` (a share, such as 0.1), or plan a new run of mended "
                "files"
            )

    def _look_at_painted(self, made: Progressed) -> None:
        for scenario, counts in made.counts.items():
            judged = self.painted.setdefault(scenario, Counter())
            for key, n in counts.items():
                judged["ok" if key.startswith(schema.OK) else _reason(key)] += n
            refused = Counter({reason: n for reason, n in judged.items() if reason in schema.FILTERED})
            pictures = refused.total() + judged["ok"]
            if pictures >= _FIRST and refused and judged["ok"] < self.min_keep_rate * pictures:
                reasons = ", ".join(f"{n:,} {reason}" for reason, n in refused.most_common(3))
                raise XrayError(
                    f"scenario {scenario!r}: the filter kept {judged['ok']:,} of {pictures:,} painted pictures "
                    f"({reasons}), less than `filter: {{min_keep_rate: {self.min_keep_rate:g}}}`. What is done is "
                    "kept; look at some by `xray report`, and plan a new run with another painter or filter"
                )
