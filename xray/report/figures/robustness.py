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
    new_figure,
    note,
    require,
    rows_axis,
    series_intervals,
)
from xray.runs.roles import series_name

_PARTS = (("sigma2_cross", "σ² cross", LINES[1]), ("sigma2_inner", "σ² inner", LINES[5]))


def drop_intervals(drops: pd.DataFrame, ax: Axes | None = None, confidence: float = 0.95) -> Axes:
    """Draw the points of accuracy lost in each scenario with intervals, the largest mean drop on top.

    Args:
        drops: one row per (model, trained_on, scenario) with `drop`, `ci_low`, `ci_high`, as `Scores.drops`.
        confidence: of the intervals, for the label of the axis.
        ax: where to draw.
    """
    require(drops, ("model", "trained_on", "scenario", "drop", "ci_low", "ci_high"), "drops")
    table = drops.dropna(subset=["drop"])
    if table.empty:
        raise ConfigError("there are no drops to draw: all are NaN")
    means = table.groupby("scenario", observed=True)["drop"].mean()
    order = means.sort_values(ascending=False, kind="stable").index.tolist()
    ax = series_intervals(table, "drop", order, "points of accuracy lost {}; left of 0: gained", confidence, ax)
    ax.axvline(0, color=MUTED, linewidth=1)
    return ax


def robustness_intervals(
    s_robusts: pd.DataFrame, ax: Axes | None = None, parts: Axes | None = None, confidence: float = 0.95
) -> Axes:
    """Draw S_robust of each model with its interval, the highest on top, next to its two terms.

    A model without S_robust is at the bottom, with the term that is known. Terms below 0 are drawn as 0.

    Args:
        s_robusts: one row per model with `model`, `s_robust`, `ci_low`, `ci_high`, `sigma2_cross`, `sigma2_inner`, as
            `xray.statistics.s_robusts`; with `trained_on` if a model has several rows.
        ax: where to draw the intervals; None: both are drawn side by side, the terms on `figure.axes[1]`.
        parts: where to draw the terms; None with `ax`: they are not drawn.
        confidence: of the intervals, for the label of the axis.
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
        note(ax, False, height, "– (a term is missing)")
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
        lengths = np.maximum(table[name].to_numpy(float), 0)  # NaN stays
        ax.barh(heights, lengths, left=start, height=0.55, color=colour, label=label)
        start = start + np.nan_to_num(lengths)
    ax.axvline(0, color=MUTED, linewidth=1)
    ax.set_xlabel("σ², the terms of S_robust")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=2, frameon=False, borderaxespad=0, fontsize=FONT,
              labelcolor=INK)  # fmt: skip
