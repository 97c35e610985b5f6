"""The table of models on the first screen."""

from __future__ import annotations

from typing import Any

import pandas as pd

from xray.report.background import Background
from xray.report.data import ReportData
from xray.report.tables import NONE, Table, records, row_series
from xray.report.text import decimals, interval, percent, percentage_points
from xray.runs.roles import untested_scenarios
from xray.statistics.robustness.ranking import ranking

_MOST_MODELS = 60
"""Of more models the pairs are not compared."""


def models(data: ReportData) -> Table | None:
    """Return the models above chance in order of accuracy on all tested images, with their possible ranks."""
    rows = data.scores.above_chance(data.scores.predictions)
    rows = rows[~rows["scenario"].isin(untested_scenarios(data.recipe))]
    pairs = {(row["model"], row["trained_on"]) for row in records(data.scores.accuracy)}
    keys = pd.MultiIndex.from_frame(rows[["model", "trained_on"]])
    rows = rows[keys.isin(pairs)]
    if rows.empty or data.scores.reference is None or len(pairs) > _MOST_MODELS:
        return None
    table = ranking(rows)
    found = {series: Background.of(data, series) for series in map(row_series, records(table))}

    def of(row: Any) -> Background | None:
        return found[row_series(row)]

    return Table.of(
        records(table),
        ("number rank", _rank),
        ("name model", row_series),
        ("number all scenarios", lambda row: _with_interval(row)),
        ("number originals", lambda row: _with_interval(of(row) and of(row).original)),  # type: ignore[union-attr]
        ("number background alone", lambda row: _with_interval(of(row) and of(row).alone)),  # type: ignore[union-attr]
        ("number another background costs", lambda row: _cost(of(row))),
        *([("number S_robust", lambda row: _s_robust(data, row))] if data.scores.s_robust is not None else []),
    )


def _rank(row: Any) -> str:
    best, worst = int(row["best_rank"]), int(row["worst_rank"])
    return str(best) if best == worst else f"{best}–{worst}"


def _with_interval(row: Any) -> str:
    return NONE if row is None else f"{percent(row['accuracy'])} {interval(row['ci_low'], row['ci_high'])}"


def _cost(found: Background | None) -> str:
    if found is None or found.elsewhere is None:
        return NONE
    row = found.elsewhere
    return f"{percentage_points(found.extra)} {interval(row['ci_low'], row['ci_high'])}"


def _s_robust(data: ReportData, row: Any) -> str:
    table = data.scores.s_robust
    assert table is not None
    found = table[(table["model"] == row["model"]) & (table["trained_on"] == row["trained_on"])]
    return NONE if found.empty else decimals(found["s_robust"].iloc[0])
