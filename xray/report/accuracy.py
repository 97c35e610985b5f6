"""Accuracy and accuracy drops by model, scenario and category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from xray.core.text import printable
from xray.report import figures
from xray.report.data import ReportData
from xray.report.tables import NONE, Table, records
from xray.report.text import decimal_interval, decimals, interval, percentage_points
from xray.runs.roles import series_name

_OPEN_MAPS = 2
_OPEN_ROWS = 40


def render(data: ReportData) -> dict[str, Any] | None:
    """Return the context of `accuracy.html.j2`; None without predictions."""
    scores = data.scores
    if scores.accuracy.empty:
        return None
    heatmap = figures.accuracy_heatmap(scores.accuracy, data.overview)
    return {
        "heatmap": figures.inline_svg(heatmap, "Accuracy in percent by model and scenario", "accuracy"),
        "drops": _drops(scores.drops, data.overview),
        "numbers": _numbers(data),
        "open": len(scores.accuracy) <= _OPEN_ROWS,
        "cross": None if scores.cross is None or scores.cross.empty else _cross(scores.cross),
        "maps": [_map(data, index) for index in range(len(scores.series))],
        "reference": scores.reference,
        "left_out": len(data.grid),
        "controls": data.controls,
        "has_training": data.has_training,
    }


def _drops(drops: pd.DataFrame | None, scenarios: Sequence[str]) -> Markup | None:
    if drops is None or drops["drop"].isna().all():
        return None
    drops = drops[drops["scenario"].isin(scenarios)]
    axes = figures.drop_intervals(drops)
    return figures.inline_svg(axes, "Points of accuracy lost in each scenario with 95 % intervals", "drops")


def _numbers(data: ReportData) -> Table:
    """Make the table of accuracies and drops by model, and by scenario in the recipe's order."""
    table = data.scores.accuracy
    drops = pd.DataFrame(columns=["series", "scenario", "drop", "ci_low", "ci_high", "n_images"])
    if data.scores.drops is not None:
        drops = data.scores.drops[drops.columns]
    table = table.merge(drops, how="left", on=["series", "scenario"], suffixes=("", "_drop"))
    order = {name: index for index, name in enumerate(data.scenarios)}
    table = table.assign(order=table["scenario"].map(order)).sort_values(["series", "order"], kind="stable")
    return Table.of(
        records(table),
        ("name model", lambda row: row["series"]),
        ("name scenario", lambda row: row["scenario"]),
        ("number correct / all", lambda row: f"{row['correct']:,} / {row['n']:,}"),
        ("number accuracy %", lambda row: percentage_points(row["accuracy"], 1)),
        ("number 95 % interval", lambda row: interval(row["ci_low"], row["ci_high"], 1)),
        ("number points lost", lambda row: percentage_points(row["drop"], 1)),
        ("number 95 % interval", lambda row: interval(row["ci_low_drop"], row["ci_high_drop"], 1) or NONE),
        ("number photographs compared", lambda row: NONE if pd.isna(row["drop"]) else f"{row['n_images_drop']:,.0f}"),
    )


def _cross(cross: pd.DataFrame) -> Table:
    return Table.of(
        records(cross),
        ("name model", lambda row: row["series"]),
        ("number cross term", lambda row: decimals(row["cross"])),
        ("number 95 % interval", lambda row: decimal_interval(row["ci_low"], row["ci_high"])),
        ("number μ", lambda row: decimals(row["mu"])),
        ("number scenarios", lambda row: str(row["n_scenarios"])),
        ("number photographs", lambda row: f"{row['n_images']:,}"),
        ("text definition", lambda row: f"{row['power']} about {row['about']}"),
    )


def _map(data: ReportData, index: int) -> dict[str, Any]:
    """Draw the density map of one model and make the table of its counts; the first maps are open."""
    model, trained_on = data.scores.series[index]
    series = series_name(model, trained_on)
    axes = figures.density_map(data.scores.by_category, model, trained_on, data.overview)
    rows = data.scores.by_category[data.scores.by_category["series"] == series]
    return {
        "series": series,
        "open": index < _OPEN_MAPS,
        "svg": figures.inline_svg(axes, f"Accuracy of {printable(series)} by category and scenario", f"map-{index}"),
        "counts": _counts(rows, data.overview),
    }


def _counts(rows: pd.DataFrame, scenarios: Sequence[str]) -> Table:
    """Make the table of correct and all predictions by category and scenario."""
    cells = {(row["category"], row["scenario"]): f"{row['correct']}/{row['n']}" for row in rows.to_dict("records")}
    categories = sorted(set(rows["category"]))
    return Table(
        [("category", "name"), *((printable(scenario), "number") for scenario in scenarios)],
        [[category, *(cells.get((category, scenario), NONE) for scenario in scenarios)] for category in categories],
    )
