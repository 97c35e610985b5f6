"""Curves in the section of edited photographs: accuracy over levels, and over measured complexity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from xray.core.text import printable
from xray.pipeline.edits import EditScores
from xray.report import figures
from xray.report.tables import NONE, Table, records, row_series
from xray.report.text import interval, percent

_MAX_CURVES = 12


def shown_curves(edits: EditScores, grid: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the first curves, without those of the cells of a grid: position maps and the worst cell show these."""
    if not len(edits.curves):
        return
    shown = edits.curves[~edits.curves["scenario"].isin(grid)]
    for index, (curve, table) in enumerate(shown.groupby("curve", sort=False)):
        if index == _MAX_CURVES:
            return
        summaries = edits.curve_summaries[edits.curve_summaries["curve"] == curve]
        axes = figures.level_curve(table)
        yield {
            "name": str(curve),
            "svg": figures.inline_svg(axes, f"Accuracy over {printable(str(curve))}", f"curve-{index}"),
            "table": _summaries(summaries),
            "measured": _measured(edits.complexity_curves, str(curve), index),
            "n": int(table["n_images"].max()),
            "left_out": int(table["n_left_out"].max()),
            "lost": next(iter(table["categories_lost"]), ""),
        }


def _measured(curves: pd.DataFrame, curve: str, index: int) -> dict[str, Any] | None:
    """Return what shows a curve over measured complexity; None if none was measured."""
    table = curves[curves["curve"] == curve] if len(curves) else curves
    if table.empty:
        return None
    text = f"Accuracy over measured complexity, {printable(curve)}"
    first = table.drop_duplicates(["model", "trained_on"])
    return {
        "svg": figures.inline_svg(figures.complexity_curve(table), text, f"complexity-{index}"),
        "table": Table.of(
            records(table),
            ("name model", row_series),
            ("number complexity", lambda row: f"{row['complexity_low']:.1f} – {row['complexity_high']:.1f}"),
            ("number accuracy", lambda row: percent(row["accuracy"], 1)),
            ("number 95 % interval", lambda row: interval(row["ci_low"], row["ci_high"], 1) or NONE),
            ("number images", lambda row: f"{row['n']:,}"),
            ("number photographs", lambda row: f"{row['n_images']:,}"),
        ),
        "bins": int(table["bin"].nunique()),
        "all_bins": int(first["n_all_bins"].max()),
        "complete": bool((table["n_images"] == table["n_all_bins"]).all()),
        "left_out": int(first["n_left_out"].max()),
    }


def _summaries(summaries: pd.DataFrame) -> Table:
    columns: list[tuple[str, Callable[[Any], str]]] = [
        ("name model", row_series),
        ("number mean accuracy over the range", lambda row: percent(row["area"], 1)),
        ("number 95 % interval", lambda row: interval(row["area_low"], row["area_high"], 1) or NONE),
    ]
    if summaries["never_failing"].notna().any():  # levels become more severe one after the other
        columns += [
            ("number mean failure point", lambda row: NONE if _mostly_right(row) else f"{row['failure']:.3g}"),
            ("number never wrong", lambda row: percent(row["never_failing"])),
            ("number wrong, then right again", lambda row: percent(row["not_monotone"])),
        ]
    return Table.of(records(summaries), *columns)


def _mostly_right(row: Any) -> bool:
    """Return whether most photographs never fail: where their failures are assumed then decides the mean."""
    return bool(pd.isna(row["failure"]) or row["never_failing"] > 0.5)
