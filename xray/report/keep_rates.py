"""Keep rates of the filter by scenario, category, place and prompt."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from xray.pipeline.realism import rates
from xray.report.data import ReportData
from xray.report.tables import NONE, Table
from xray.report.text import interval, percentage_points

_MAX_ROWS = 200
_OPEN_ROWS = 20


def keep_tables(data: ReportData) -> list[Mapping[str, Any]]:
    """Return keep rates by scenario, category, place (if there are several) and prompt, up to 200 `rows` each.

    `rows` are records of `rates`, which are in `table` for the page; `omitted` counts those that are left out.
    Scenarios are in the recipe's order; prompts are sorted by keep rate, the lowest first.
    """
    judgements = data.inpainting.judgements
    if judgements.empty:
        return []
    groups = {"by scenario": ["scenario"], "by category": ["scenario", "category"]}
    if judgements["place"].nunique() > 1:
        groups["by place"] = ["scenario", "place"]
    groups["by prompt"] = ["scenario", "prompt", "place"]
    order = {name: index for index, name in enumerate(data.scenarios)}
    tables: list[Mapping[str, Any]] = []
    for title, by in groups.items():
        frame = rates(judgements, by).sort_values("scenario", key=lambda names: names.map(order), kind="stable")
        if title == "by prompt":
            frame = frame.sort_values(["rate", "n"], ascending=[True, False], kind="stable")
        rows = frame.head(_MAX_ROWS).to_dict("records")
        content = {"rows": rows, "omitted": len(frame) - len(rows), "table": _table(by, rows)}
        tables.append({"title": title, "open": len(rows) <= _OPEN_ROWS, **content})
    return tables


def _table(by: Sequence[str], rows: Sequence[Mapping[Hashable, Any]]) -> Table:
    def group(column: str) -> tuple[str, Callable[[Mapping[Hashable, Any]], str]]:
        return f"{'prose' if column == 'prompt' else 'name'} {column}", lambda row: row[column]

    return Table.of(
        rows,
        *map(group, by),
        ("number kept / judged", lambda row: f"{row['kept']:,} / {row['n']:,}"),
        ("number rate %", lambda row: percentage_points(row["rate"])),
        ("number 95 % interval", lambda row: interval(row["ci_low"], row["ci_high"]) or NONE),
        ("text method", lambda row: row["interval"] or NONE),
        ("number not inpainted", lambda row: f"{row['unpainted']:,}"),
        ("name reasons", lambda row: row["reasons"]),
    )
