"""Accuracy and accuracy drops by model, scenario and category."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from xray.core.text import printable
from xray.report import figures
from xray.report.data import ReportData
from xray.report.scores import IGNORANT
from xray.report.tables import NONE, Table, records
from xray.report.text import decimal_interval, decimals, interval, p_value, percentage_points
from xray.runs.roles import series_name
from xray.statistics.robustness.chance import NOT_ABOVE_CHANCE
from xray.statistics.robustness.findings import cross_finding, intervals_over, multiplicity

_OPEN_MAPS = 2
_OPEN_ROWS = 40


def render(data: ReportData) -> dict[str, Any] | None:
    """Return the context of `accuracy.html.j2`; None without predictions."""
    scores, baselines = data.scores, data.scores.baselines
    if scores.accuracy.empty:
        return None
    return {
        "heatmap": _heatmap(data),
        "drops": _drops(data),
        "multiplicity": "" if scores.drops is None else multiplicity(scores.above_chance(scores.drops)),
        "fewer": fewer_photographs(data),
        "at_chance": sorted(scores.at_chance),
        "baselines": None if baselines is None or baselines.empty else _baselines(data, baselines),
        "numbers": _numbers(data),
        "open": len(scores.accuracy) <= _OPEN_ROWS,
        "cross": None if scores.cross is None or scores.cross.empty else _cross(data, scores.cross),
        "over": intervals_over(scores.cross),
        "maps": [_map(data, *pair, index) for index, pair in enumerate(scores.series)],
        "reference": scores.reference,
        "left_out": len(data.grid),
        "controls": data.controls,
        "has_training": data.has_training,
    }


def _heatmap(data: ReportData) -> Markup | None:
    accuracy = data.scores.above_chance(data.scores.accuracy)
    if accuracy.empty:
        return None
    axes = figures.accuracy_heatmap(accuracy, data.overview)
    return figures.inline_svg(axes, "Accuracy in percent by model and scenario", "accuracy")


def fewer_photographs(data: ReportData) -> list[str]:
    """Return the scenarios in which fewer photographs are compared than are on the reference, with their numbers."""
    accuracy, drops = data.scores.accuracy, data.scores.drops
    if drops is None or drops.empty:
        return []
    most = int(accuracy.loc[accuracy["scenario"] == data.scores.reference, "n_images"].max())
    numbers = drops.groupby("scenario", sort=False)["n_images"].agg(["min", "max"])
    return [
        f"{name} {low:,}" if low == high else f"{name} {low:,}–{high:,}"
        for name, low, high in numbers[numbers["min"] < most].itertuples()
    ]


def _drops(data: ReportData) -> Markup | None:
    drops = data.scores.drops
    if drops is None:
        return None
    drops = data.scores.above_chance(drops[drops["scenario"].isin(data.overview)])
    if drops["drop"].isna().all():
        return None
    axes = figures.drop_intervals(drops)
    return figures.inline_svg(axes, "Points of accuracy lost in each scenario with 95 % intervals", "drops")


def _baselines(data: ReportData, baselines: pd.DataFrame) -> Table:
    """Make the table of accuracies without the object, beside those of answers that ignore the photograph."""
    return Table.of(
        records(baselines),
        ("name model", lambda row: row["series"]),
        ("name scenario", lambda row: row["scenario"]),
        ("number accuracy %", lambda row: percentage_points(row["accuracy"], 1)),
        ("number 95 % interval", lambda row: interval(row["ci_low"], row["ci_high"], 1)),
        *((f"number {text} %", _share(name)) for name, text in IGNORANT.items()),
        ("number images", lambda row: f"{row['n']:,}"),
        faint=lambda row: row["series"] in data.scores.at_chance,
    )


def _numbers(data: ReportData) -> Table:
    """Make the table of accuracies and drops by model, and by scenario in the recipe's order."""
    table = data.scores.accuracy
    chance = data.scores.at_chance
    drops = pd.DataFrame(columns=["series", "scenario", "drop", "ci_low", "ci_high", "n_images", "p", "p_holm"])
    if data.scores.drops is not None:
        drops = data.scores.above_chance(data.scores.drops)[drops.columns]
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
        ("number points lost", _points_lost(data)),
        ("number 95 % interval", lambda row: interval(row["ci_low_drop"], row["ci_high_drop"], 1) or NONE),
        ("number P", lambda row: p_value(row["p"])),
        ("number P, Holm", lambda row: p_value(row["p_holm"])),
        ("number photographs compared", lambda row: NONE if pd.isna(row["drop"]) else f"{row['n_images_drop']:,.0f}"),
        faint=lambda row: row["series"] in chance,
    )


def _points_lost(data: ReportData) -> Callable[[Mapping[Hashable, Any]], str]:
    chance = data.scores.at_chance
    return lambda row: NOT_ABOVE_CHANCE if row["series"] in chance else percentage_points(row["drop"], 1)


def photographs(row: Mapping[Hashable, Any]) -> str:
    """Return the number of photographs of S_robust or a cross term: from the scenario with the fewest to all."""
    if pd.isna(row["n_images"]):
        return NONE
    least, n = int(row["n_images_least"]), int(row["n_images"])
    return f"{least:,}–{n:,}" if least < n else f"{n:,}"


def _share(name: str) -> Callable[[Mapping[Hashable, Any]], str]:
    return lambda row: percentage_points(row[name], 1)


def _cross(data: ReportData, cross: pd.DataFrame) -> Table:
    chance = data.scores.at_chance
    return Table.of(
        records(cross),
        ("name model", lambda row: row["series"]),
        ("number cross term", lambda row: NOT_ABOVE_CHANCE if row["series"] in chance else decimals(row["cross"])),
        ("number 95 % interval", lambda row: decimal_interval(row["ci_low"], row["ci_high"])),
        ("number as published", lambda row: decimals(row["plug_in"])),
        ("prose differs from chance", lambda row: cross_finding(row) or (NONE if pd.isna(row["cross"]) else "yes")),
        ("number μ", lambda row: decimals(row["mu"])),
        ("number scenarios", lambda row: str(row["n_scenarios"])),
        ("number photographs", photographs),
        ("text definition", lambda row: f"{row['power']} about {row['about']}"),
        faint=lambda row: row["series"] in chance,
    )


def _map(data: ReportData, model: str, trained_on: str, index: int) -> dict[str, Any]:
    """Draw the density map of one model and make the table of its counts; the first maps are open."""
    series = series_name(model, trained_on)
    axes = figures.density_map(data.scores.by_category, model, trained_on, data.overview)
    rows = data.scores.by_category[data.scores.by_category["series"] == series]
    return {
        "series": series,
        "at_chance": series in data.scores.at_chance,
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
