"""How many painted pictures the filter kept, by scenario, category, place and prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from xray.report.evidence import Evidence

_SHOWN = 200


@dataclass(frozen=True)
class KeepTable:
    """Keep rates of some groups.

    Args:
        title: what makes a group.
        columns: whose values name a group.
        rows: as `keep_rate` makes them.
        left_out: groups that are not shown.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Mapping[Hashable, Any]]
    left_out: int


def keep_tables(evidence: Evidence) -> list[KeepTable]:
    """Keep rates by scenario, category, place (where there are several) and prompt; at most two hundred rows of each.

    Scenarios are in the recipe's order, prompts in that of their rates, those least kept first.
    """
    if evidence.kept.empty:
        return []
    groups = {
        "by scenario": ["scenario"],
        "by category": ["scenario", "category"],
        "by place": ["scenario", "place"],
        "by prompt": ["scenario", "prompt", "place"],
    }
    if evidence.kept["place"].nunique() < 2:
        del groups["by place"]
    order = {name: index for index, name in enumerate(evidence.scenarios)}
    tables = []
    for title, by in groups.items():
        table = keep_rate(evidence.kept, by).sort_values("scenario", key=lambda names: names.map(order), kind="stable")
        if title == "by prompt":
            table = table.sort_values(["rate", "n"], ascending=[True, False], kind="stable")
        rows = table.head(_SHOWN).to_dict("records")
        tables.append(KeepTable(title, by, rows, len(table) - len(rows)))
    return tables


def keep_rate(kept: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Keep rates of larger groups.

    Args:
        kept: as `xray.realism.keep_rates` returns it.
        by: which of its columns make a group.

    Returns:
        One row a group, sorted by `by`: `n` pictures that were painted and judged, `kept` of them, their share `rate`
        with `ci_low` and `ci_high` (Wilson, 95 %, as if pictures were independent; NaN for n = 0), `unpainted`
        planned ones of which there is no picture, and `reasons` of all that are not kept, the most frequent first.
    """
    groups = kept.groupby(list(by), dropna=False)
    table = groups[["n", "kept", "unpainted"]].sum().join(groups["reasons"].agg(_summed)).reset_index()
    n = table["n"].where(table["n"] > 0).to_numpy(float)
    low, high = proportion_confint(table["kept"].to_numpy(float), n, method="wilson")
    return table.assign(rate=table["kept"] / n, ci_low=np.asarray(low, float), ci_high=np.asarray(high, float))


def _summed(tallies: pd.Series[str]) -> str:
    """Tallies of reasons as one.

    >>> _summed(pd.Series(["nsfw 2, blank_picture 1", "", "blank_picture 4"]))
    'blank_picture 5, nsfw 2'
    """
    counts: Counter[str] = Counter()
    for item in ", ".join(filter(None, tallies)).split(", "):
        reason, _, n = item.rpartition(" ")
        if reason:
            counts[reason] += int(n)
    return ", ".join(f"{reason} {n}" for reason, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
