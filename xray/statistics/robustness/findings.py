"""What numbers of robustness say, and what they do not, in words that the report and the command share."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from xray.statistics.regression.validation import validate_confidence
from xray.statistics.robustness.trainings import TRAININGS

NOTHING_LOST = "nothing lost that could be distinguished from chance"
_SIGNIFICANT = 0.05

Row = Mapping[Hashable, Any]


def shown_losses(drops: pd.DataFrame) -> pd.Series:
    """Return which drops are shown to be losses: the interval is above 0, and so is P below 0.05 after Holm.

    Args:
        drops: with `ci_low`, and `p_holm` if it was computed.
    """
    above = drops["ci_low"] > 0
    return above & ~(drops["p_holm"] >= _SIGNIFICANT) if "p_holm" in drops else above


def multiplicity(drops: pd.DataFrame, confidence: float = 0.95) -> str:
    """Say how many intervals of drops exclude 0, and how many would by chance; empty for fewer than two.

    Args:
        drops: one row per drop with `ci_low`, `ci_high` and `p_holm`, as `xray.statistics.drops` returns.
        confidence: of the intervals.

    >>> table = pd.DataFrame({"ci_low": [0.1] * 3 + [-0.1] * 37, "ci_high": 0.3, "p_holm": [0.01] * 2 + [1.0] * 38})
    >>> multiplicity(table)
    'Of 40 intervals of 95 %, 2 exclude 0 by chance alone if nothing is lost; 3 do; 2 after Holm’s correction'
    """
    table = drops.dropna(subset=["ci_low"])
    if len(table) < 2:
        return ""
    expected = (1 - validate_confidence(confidence)) * len(table)
    by_chance = f"{expected:.1f}" if expected < 1.5 else f"{expected:.0f}"
    excluding = int(((table["ci_low"] > 0) | (table["ci_high"] < 0)).sum())
    text = (
        f"Of {len(table):,} intervals of {100 * confidence:g} %, {by_chance} exclude 0 by chance alone if nothing is "
        f"lost; {_do(excluding)}"
    )
    if "p_holm" not in table or not excluding:
        return text
    return f"{text}; {int((table['p_holm'] < _SIGNIFICANT).sum()):,} after Holm’s correction"


def s_robust_finding(row: Row) -> str:
    """Say which losses cannot be distinguished from chance: all of an S_robust, or of its terms; empty if none.

    >>> s_robust_finding({"ci_high": 0.99, "sigma2_cross": -0.001, "sigma2_inner": 0.02})
    'cross: nothing lost that could be distinguished from chance'
    """
    if row["ci_high"] >= 1:
        return NOTHING_LOST
    terms = " and ".join(name for name in ("cross", "inner") if row[f"sigma2_{name}"] <= 0)
    return f"{terms}: {NOTHING_LOST}" if terms else ""


def cross_finding(row: Row) -> str:
    """Say whether the loss in a cross term cannot be distinguished from chance; empty if it can."""
    return NOTHING_LOST if row["cross"] <= 0 or row["ci_low"] <= 0 else ""


def interval_over(over: str | None) -> str:
    """Say what an interval is over, and what it takes as given."""
    return f"over {TRAININGS}" if over == TRAININGS else "over photographs, given the networks"


def intervals_over(table: pd.DataFrame | None) -> str:
    """Say what the intervals of a table are over, by its columns `over` and `ci_low`; empty without an interval."""
    if table is None:
        return ""
    over = set(table.loc[table["ci_low"].notna(), "over"].dropna())
    if len(over) > 1:
        return f"{interval_over(TRAININGS)} where trainings were repeated, others {interval_over(None)}"
    return interval_over(over.pop()) if over else ""


def _do(count: int) -> str:
    return "none does" if not count else f"{count:,} {'does' if count == 1 else 'do'}"
