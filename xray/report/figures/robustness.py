"""Accuracy drops by scenario and S_robust by model."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from xray.core.errors import ConfigError
from xray.report.figures.style import (
    FONT,
    INK,
    LINES,
    MUTED,
    inches,
    intervals,
    labels_of,
    legend,
    legend_columns,
    new_axes,
    new_figure,
    require,
    rows_axis,
    series_of,
)
from xray.runs.roles import series_name

_PARTS = (("sigma2_cross", "σ² cross", LINES[1]), ("sigma2_inner", "σ² inner", LINES[5]))


def drop_intervals(drops: pd.DataFrame, ax: Axes | None = None, confidence: float = 0.95) -> Axes:
    """Draw the points of accuracy lost in each scenario with intervals, the largest mean drop on top.

    Args:
        drops: one row per (model, trained_on, scenario) with `drop`, `ci_low`, `ci_high`, as `Scores.drops`.
        ax: where to draw.
        confidence: confidence of the intervals, for the axis label.

    Raises:
        XrayError: no rows, no known drop, or a missing column.
    """
    require(drops, ("model", "trained_on", "scenario", "drop", "ci_low", "ci_high"), "drops")
    table = drops.dropna(subset=["drop"])
    if table.empty:
        raise ConfigError("there are no drops to draw: all are NaN")
    order = table.groupby("scenario", observed=True)["drop"].mean().sort_values(ascending=False, kind="stable").index
    heights_by_scenario = {scenario: height for height, scenario in enumerate(order)}
    series, labels = series_of(table), labels_of(order)
    names = [series_name(*pair) for pair in series]
    row_inches = max(0.3, 0.085 * len(series) + 0.13)
    legend_inches = 0.2 * -(-len(series) // legend_columns(names))
    ax = ax or new_axes(5.6 + inches(labels), 0.9 + row_inches * len(order) + legend_inches)
    rows_axis(ax, labels)
    offsets = 0.7 / len(series) * (np.arange(len(series)) - (len(series) - 1) / 2)
    for index, ((model, trained_on), offset) in enumerate(zip(series, offsets, strict=True)):
        rows = table[(table["model"] == model) & (table["trained_on"] == trained_on)]
        heights = rows["scenario"].map(heights_by_scenario).to_numpy(float) + offset
        intervals(ax, heights, 100 * rows["drop"], 100 * rows["ci_low"], 100 * rows["ci_high"], index)
    ax.axvline(0, color=MUTED, linewidth=1)
    ax.set_xlabel(f"points of accuracy lost ({100 * confidence:g} % interval); left of 0: gained")
    legend(ax, names)
    return ax


def robustness_intervals(
    s_robusts: pd.DataFrame, ax: Axes | None = None, parts: Axes | None = None, confidence: float = 0.95
) -> Axes:
    """Draw S_robust of each model with its interval, the highest on top, next to its two terms.

    A model without S_robust is at the bottom, with the term that is known.

    Args:
        s_robusts: one row per model with `model`, `s_robust`, `ci_low`, `ci_high`, `sigma2_cross`, `sigma2_inner`, as
            `xray.statistics.s_robusts`; with `trained_on` if a model has several rows.
        ax: where to draw the intervals; None: both are drawn side by side, the terms on `figure.axes[1]`.
        parts: where to draw the terms; None with `ax`: they are not drawn.
        confidence: confidence of the intervals, for the axis label.

    Raises:
        XrayError: no rows, a missing column, or a model twice.
    """
    columns = ("model", "s_robust", "ci_low", "ci_high", *(name for name, *_ in _PARTS))
    table = require(s_robusts, columns, "S_robusts").sort_values("s_robust", ascending=False, kind="stable")
    labels = labels_of(_model_names(table))
    if ax is None:
        figure = new_figure(6.6 + inches(labels), 0.9 + 0.3 * len(table))
        ax, parts = figure.subplots(1, 2, width_ratios=(3, 2), subplot_kw={"facecolor": "none"})
    heights = np.arange(len(table))
    rows_axis(ax, labels)
    intervals(ax, heights, table["s_robust"], table["ci_low"], table["ci_high"])
    for height in heights[table["s_robust"].isna()]:
        ax.annotate("– (a term is missing)", (0, height), (4, 0), xycoords=ax.get_yaxis_transform(),
                    textcoords="offset points", va="center", fontsize=FONT, color=MUTED)  # fmt: skip
    ax.set_xlabel(f"S_robust ({100 * confidence:g} % interval)" if table["ci_low"].notna().any() else "S_robust")
    if parts is not None:
        _parts(parts, table)
    return ax


def _model_names(table: pd.DataFrame) -> list[str]:
    if not table["model"].duplicated().any():
        return [str(name) for name in table["model"]]
    if "trained_on" not in table.columns or table.duplicated(["model", "trained_on"]).any():
        raise ConfigError(f"model {table.loc[table['model'].duplicated(), 'model'].iloc[0]!r} is there twice")
    return [series_name(*pair) for pair in zip(table["model"], table["trained_on"], strict=True)]


def _parts(ax: Axes, table: pd.DataFrame) -> None:
    heights, start = np.arange(len(table)), np.zeros(len(table))
    rows_axis(ax, [""] * len(table))
    ax.locator_params(axis="x", nbins=4)
    for name, label, colour in _PARTS:
        lengths = table[name].to_numpy(float)
        ax.barh(heights, lengths, left=start, height=0.55, color=colour, label=label)
        start = start + np.nan_to_num(lengths)
    ax.axvline(0, color=MUTED, linewidth=1)
    ax.set_xlabel("σ², the terms of S_robust")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=2, frameon=False, borderaxespad=0, fontsize=FONT,
              labelcolor=INK)  # fmt: skip
