"""Edited images: what the change costs beyond the editing, curves, maps, and answers that name another object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
from markupsafe import Markup

from xray.core.text import printable
from xray.pipeline.edits import EditScores, without_object
from xray.report import figures
from xray.report.crops import CROP, seen_by_cell
from xray.report.curves import shown_curves
from xray.report.cut_objects import cut_objects
from xray.report.data import ReportData
from xray.report.scores import IGNORANT
from xray.report.tables import NONE, Table, records, row_series
from xray.report.text import decimals, interval, percent, percentage_points
from xray.runs.factors import curve_levels, grid_scenarios
from xray.runs.roles import PRETRAINED, series_name

_OPEN_ROWS = 40
_IN_VIEW = "share in the crop"


def render(data: ReportData) -> dict[str, Any] | None:
    """Return the context of `edits.html.j2`; None without edited images."""
    edits = data.scores.edits
    if edits is None or not edits.tables():
        return None
    curves = list(shown_curves(edits, set(grid_scenarios(data.recipe))))
    beyond = edits.beyond_controls[~edits.beyond_controls["scenario"].isin(data.grid)]
    return {
        "beyond": _beyond(data, beyond) if len(beyond) else None,
        "open": len(beyond) <= _OPEN_ROWS,
        "grid": len(data.grid),
        "cut": cut_objects(data, edits.beyond_controls),
        "without_controls": _without_controls(data, edits),
        "leak": _leak(data),
        "donors": _donors(edits.donor_answers) if len(edits.donor_answers) else None,
        "curves": curves,
        "omitted": edits.curves["curve"].nunique() - len(curves) if len(edits.curves) else 0,
        "maps": list(_maps(data, edits)),
        "crop": percent(CROP, 1),
        "worst": _worst(edits.worst_groups) if len(edits.worst_groups) else None,
        "without_images": _without_images(data),
        "measures": _measures(edits) if len(edits.measures) or len(edits.challenges) else None,
        "by_chance": len(edits.donor_answers) > 0 and bool(edits.donor_answers["chance_share"].notna().any()),
        "reference": data.scores.reference,
    }


def _beyond(data: ReportData, beyond: pd.DataFrame) -> Table:
    """Make the table of drops with their controls, scenarios in the recipe's order."""
    drops = pd.DataFrame(columns=["model", "trained_on", "scenario", "drop", "ci_low", "ci_high"])
    if data.scores.drops is not None:
        drops = data.scores.drops[drops.columns]
    keys = ["model", "trained_on", "scenario"]
    table = beyond.merge(drops, how="left", on=keys, suffixes=("", "_drop"))
    order = {name: index for index, name in enumerate(data.scenarios)}
    table = table.assign(order=table["scenario"].map(order)).sort_values(["model", "trained_on", "order"])
    return Table.of(
        records(table),
        ("name model", row_series),
        ("name edit", lambda row: row["scenario"]),
        ("number points lost", lambda row: percentage_points(row["drop"], 1)),
        ("number 95 % interval", lambda row: interval(row["ci_low_drop"], row["ci_high_drop"], 1) or NONE),
        ("name control", lambda row: row["control"]),
        ("number beyond it", lambda row: percentage_points(row["beyond_control"], 1)),
        ("number 95 % interval", lambda row: interval(row["ci_low"], row["ci_high"], 1) or NONE),
        ("number photographs", lambda row: f"{row['n_images']:,}"),
    )


def _without_controls(data: ReportData, edits: EditScores) -> list[str]:
    """Return the edits that no control accompanies."""
    controlled = {*edits.beyond_controls["scenario"]}
    kinds = {name: entry["kind"] for name, entry in data.recipe["scenarios"].items()}
    shown = set(data.scores.accuracy["scenario"])
    return [
        name
        for name, kind in kinds.items()
        if kind == "edit" and name in shown and name not in controlled and name not in data.editing
    ]


def _without_images(data: ReportData) -> list[str]:
    """Return the edits, and scenarios on curves, in which no photograph has an image that was evaluated."""
    on_curves = {level.scenario for level in curve_levels(data.recipe)}
    shown = set(data.scores.accuracy["scenario"])
    entries = data.recipe["scenarios"].items()
    return [name for name, entry in entries if name not in shown and (entry["kind"] == "edit" or name in on_curves)]


def _leak(data: ReportData) -> Table | None:
    """Make the table of what the background alone gives away: accuracy and p(true) without the object."""
    rows = data.scores.predictions[data.scores.predictions["scenario"].isin(without_object(data.recipe))]
    if rows.empty:
        return None
    groups = rows.groupby(["model", "trained_on", "scenario"], observed=True)
    table = groups.agg(n=("correct", "size"), accuracy=("correct", "mean"), p_true=("p_true", "mean")).reset_index()

    def ignorant(name: str) -> Callable[[Any], str]:
        return lambda row: percent(data.scores.ignorant(row_series(row), row["scenario"]).get(name, float("nan")), 1)

    return Table.of(
        records(table),
        ("name model", row_series),
        ("name scenario", lambda row: row["scenario"]),
        ("number accuracy", lambda row: percent(row["accuracy"], 1)),
        *((f"number {name}", ignorant(name)) for name in IGNORANT.values()),
        ("number mean p(true)", lambda row: percent(row["p_true"], 1)),
        ("number images", lambda row: f"{row['n']:,}"),
        faint=lambda row: row_series(row) in data.scores.at_chance,
    )


def _donors(answers: pd.DataFrame) -> Table:
    columns: list[tuple[str, Callable[[Any], str]]] = [
        ("name model", row_series),
        ("name scenario", lambda row: row["scenario"]),
        ("number wrong / all", lambda row: f"{row['wrong']:,} / {row['n']:,}"),
        ("number naming the donor’s category", lambda row: f"{row['naming_donor']:,}"),
        ("number share of wrong answers", lambda row: percent(row["share"])),
        ("number 95 % interval", lambda row: interval(row["share_low"], row["share_high"]) or NONE),
    ]
    if answers["chance_share"].notna().any():
        columns.append(("number by chance", lambda row: percent(row["chance_share"])))
    if answers["unrecognized_wrong"].notna().any():
        columns += [
            ("number on donors not recognized", _unrecognized),
            ("number share of these", lambda row: percent(row["unrecognized_share"])),
        ]
    return Table.of(records(answers), *columns)


def _unrecognized(row: Any) -> str:
    wrong, naming = row["unrecognized_wrong"], row["unrecognized_naming"]
    return NONE if pd.isna(wrong) else f"{naming:,.0f} / {wrong:,.0f}"


def _maps(data: ReportData, edits: EditScores) -> Iterator[dict[str, Any]]:
    """Yield the maps by name: one figure per model, after one of what a centre crop leaves of the object."""
    if not len(edits.position_maps):
        return
    for index, (name, table) in enumerate(edits.position_maps.groupby("map", sort=False)):
        n, seen = int(table["n_images"].max()), seen_by_cell(data, table)
        drawn = [_map(table, str(name), *pair, f"{index}-{k}") for k, pair in enumerate(_pairs(table))]
        if len(seen):
            cells = seen.assign(accuracy=seen["seen"], model=_IN_VIEW, trained_on=PRETRAINED)
            drawn.insert(0, _map(cells, str(name), _IN_VIEW, PRETRAINED, f"{index}-crop"))
        yield {
            "name": str(name),
            "svgs": drawn,
            "n": n,
            "step": percent(1 / n, 1) if n else NONE,
            "left_out": int(table["n_left_out"].max()),
        }


def _pairs(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(zip(table["model"], table["trained_on"], strict=True)))


def _map(cells: pd.DataFrame, name: str, model: str, trained_on: str, key: str) -> Markup:
    text = f"{printable(series_name(model, trained_on))} by {printable(name)}"
    return figures.inline_svg(figures.position_map(cells, model, trained_on), text, f"position-{key}")


def _worst(worst: pd.DataFrame) -> Table:
    return Table.of(
        records(worst),
        ("name model", row_series),
        ("name worst group", lambda row: row["scenario"]),
        ("number accuracy", lambda row: percent(row["accuracy"], 1)),
        ("number corrected for the choice", lambda row: percent(row["corrected"], 1)),
        ("number 95 % interval", lambda row: interval(row["ci_low"], row["ci_high"], 1) or NONE),
        ("number mean of groups", lambda row: percent(row["mean"], 1)),
        ("number groups", lambda row: f"{row['n_groups']:,}"),
        ("number photographs", lambda row: f"{row['n_images']:,}"),
        ("number left out", lambda row: f"{row['n_left_out']:,}"),
    )


def _measures(edits: EditScores) -> Table:
    challenges = edits.challenges.assign(
        measure=[f"challenge, {row['backgrounds']} backgrounds" for row in records(edits.challenges)],
        value=edits.challenges["challenge"],
        source="ImageNet-9 (Xiao et al. 2021)",
    )
    table = pd.concat([edits.measures, challenges], ignore_index=True).sort_values(
        ["measure", "model", "trained_on"], kind="stable"
    )
    return Table.of(
        records(table),
        ("name measure", lambda row: row["measure"]),
        ("name model", row_series),
        ("number value", lambda row: decimals(row["value"])),
        ("number 95 % interval", lambda row: _decimal(row) or NONE),
        ("number photographs", lambda row: f"{row['n_images']:,}"),
        ("prose scenarios", lambda row: _few(row["scenarios"])),
        ("text formula", lambda row: row["source"]),
    )


def _decimal(row: Any) -> str:
    return "" if pd.isna(row.get("ci_low")) else f"[{decimals(row['ci_low'])}, {decimals(row['ci_high'])}]"


def _few(scenarios: str) -> str:
    """Return the names of at most three scenarios, or how many they are."""
    count = scenarios.count(", ") + 1
    return scenarios if count <= 3 else f"{count} scenarios"
