"""How many painted pictures the filter kept, by scenario, category, place and prompt."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xray.pipeline.realism import rates
from xray.report.data import Evidence

_SHOWN = 200


@dataclass(frozen=True)
class KeepTable:
    """Keep rates of some groups.

    Args:
        title: what makes a group.
        columns: whose values name a group.
        rows: as `xray.pipeline.realism.rates` makes them.
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
    if evidence.judgements.empty:
        return []
    groups = {
        "by scenario": ["scenario"],
        "by category": ["scenario", "category"],
        "by place": ["scenario", "place"],
        "by prompt": ["scenario", "prompt", "place"],
    }
    if evidence.judgements["place"].nunique() < 2:
        del groups["by place"]
    order = {name: index for index, name in enumerate(evidence.scenarios)}
    tables = []
    for title, by in groups.items():
        table = rates(evidence.judgements, by)
        table = table.sort_values("scenario", key=lambda names: names.map(order), kind="stable")
        if title == "by prompt":
            table = table.sort_values(["rate", "n"], ascending=[True, False], kind="stable")
        rows = table.head(_SHOWN).to_dict("records")
        tables.append(KeepTable(title, by, rows, len(table) - len(rows)))
    return tables
