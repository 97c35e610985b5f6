"""Learning curves, and accuracies on selected scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from xray.core.errors import ConfigError, unknown
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
    plain,
    require,
    rows_axis,
    series_of,
    title,
)
from xray.runs.roles import series_name

_Line = Literal["-", "--"]
_PARTS: tuple[tuple[str, str, str, _Line], ...] = (
    ("train", "training", LINES[0], "-"),
    ("validation", "validation", LINES[1], "--"),
)
_METRICS = {"top1": "top-1", "miou": "mean IoU"}


def learning_curves(
    history: pd.DataFrame,
    model: str | None = None,
    scenarios: Sequence[str] | None = None,
    chance: float | None = None,
    columns: int = 4,
) -> Figure:
    """Draw loss (above) and score (below) by epoch of one model, one column of panels per training scenario.

    Thin lines are folds; the thick line is their mean, up to the last epoch that all folds reached.

    Args:
        history: the run's table `history`.
        model: name of the model; None if there is only one.
        scenarios: training scenarios in order. Default: in order of appearance.
        chance: score of guessing (0–1), drawn as a line.
        columns: maximum number of panels per row.

    Raises:
        XrayError: no rows, a missing column, an unknown model or scenario, or several models and no `model`.
    """
    names = [f"{part}_{what}" for part, *_ in _PARTS for what in ("loss", "score")]
    require(history, ("model", "trained_on", "fold", "epoch", "metric", *names), "epochs")
    table = _of_model(history, model)
    names_shown = list(scenarios or dict.fromkeys(table["trained_on"]))
    for name in names_shown:
        if name not in set(table["trained_on"]):
            raise unknown("training scenario of the epochs", name, sorted(set(table["trained_on"])))
    across = min(columns, len(names_shown))
    down = -(-len(names_shown) // across)
    figure = new_figure(0.9 + 2.25 * max(2, across), 0.5 + 3.6 * down)
    grid = figure.subplots(2 * down, across, squeeze=False, sharex=True, sharey=False, subplot_kw={"facecolor": "none"})
    limits = {what: _limits(table, what) for what in ("loss", "score")}
    metric = str(table["metric"].iloc[0])
    for index, name in enumerate(names_shown):
        row, column = 2 * (index // across), index % across
        rows = table[table["trained_on"] == name]
        for ax, what in ((grid[row, column], "loss"), (grid[row + 1, column], "score")):
            _curves(ax, rows, what)
            ax.set_ylim(*limits[what])
            ax.tick_params(labelleft=column == 0, labelbottom=what == "score")
        title(grid[row, column], name, max(12, int(2.1 / inches("x"))))
        grid[row + 1, column].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        grid[row + 1, column].set_xlabel("epoch", fontsize=FONT, color=INK)
        if chance is not None:
            grid[row + 1, column].axhline(chance, color=MUTED, linewidth=1, linestyle=":")
        if column == 0:
            grid[row, 0].set_ylabel("loss", fontsize=FONT, color=INK)
            grid[row + 1, 0].set_ylabel(_METRICS.get(metric, metric), fontsize=FONT, color=INK)
    for index in range(len(names_shown), down * across):
        for below in (0, 1):
            grid[2 * (index // across) + below, index % across].remove()
    _legend(figure, chance)
    return figure


def _of_model(history: pd.DataFrame, model: str | None) -> pd.DataFrame:
    models = list(dict.fromkeys(map(str, history["model"])))
    if model is None and len(models) > 1:
        raise ConfigError(f"name one model; the table has {', '.join(models)}")
    if model is not None and model not in models:
        raise unknown("model of the epochs", model, models)
    return history if model is None else history[history["model"] == model]


def _limits(table: pd.DataFrame, what: str) -> tuple[float, float]:
    """Return the limits of all panels, so that scenarios can be compared; extreme losses are cut off."""
    values = table[[f"{part}_{what}" for part, *_ in _PARTS]].to_numpy(float)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    top = float(np.quantile(values, 0.98) * 1.25) if what == "loss" else float(values.max() * 1.12)
    return 0.0, max(0.05, min(top, float(values.max()) * 1.05 if what == "loss" else 1.03))


def _curves(ax: Axes, rows: pd.DataFrame, what: str) -> None:
    folds = rows["fold"].nunique()
    for part, _, colour, line in _PARTS:
        value = f"{part}_{what}"
        for _, fold in rows.sort_values("epoch").groupby("fold"):
            dot = "." if len(fold) == 1 else ""
            ax.plot(fold["epoch"] + 1, fold[value], line, marker=dot, color=colour, linewidth=0.8, alpha=0.45)
        epochs = rows.groupby("epoch")[value].agg(["mean", "size"])
        mean = epochs.loc[epochs["size"] == folds, "mean"]
        ax.plot(mean.index + 1, mean, line, color=colour, linewidth=2.2)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.grid(color=MUTED, alpha=0.25, linewidth=0.7)
    plain(ax)


def _legend(figure: Figure, chance: float | None) -> None:
    handles = [Line2D([], [], color=colour, linestyle=line, linewidth=2.2) for *_, colour, line in _PARTS]
    names = [label for _, label, *_ in _PARTS]
    if chance is not None:
        handles.append(Line2D([], [], color=MUTED, linestyle=":", linewidth=1))
        names.append(f"chance ({100 * chance:.1f} %)")
    legend_box = figure.legend(handles, names, loc="outside upper left", ncols=3, frameon=False, fontsize=FONT)
    for text in legend_box.get_texts():
        text.set_color(INK)


def accuracy_intervals(
    accuracy: pd.DataFrame, scenarios: Sequence[str] | None = None, ax: Axes | None = None, confidence: float = 0.95
) -> Axes:
    """Draw accuracy in percent with its interval, by scenario (rows) and model (colours and markers).

    Args:
        accuracy: one row per (model, trained_on, scenario) with `accuracy`, `ci_low`, `ci_high`, as `Scores.accuracy`.
        scenarios: the rows in order; others are omitted. Default: in order of appearance.
        ax: where to draw.
        confidence: confidence of the intervals, for the axis label.

    Raises:
        XrayError: no rows (in these scenarios), or a missing column.
    """
    columns = ("model", "trained_on", "scenario", "accuracy", "ci_low", "ci_high")
    order = list(scenarios or dict.fromkeys(require(accuracy, columns, "accuracies")["scenario"]))
    table = require(accuracy[accuracy["scenario"].isin(order)], columns, "accuracies")
    heights_by_scenario = {scenario: height for height, scenario in enumerate(order)}
    series = series_of(table)
    names, labels = [series_name(*pair) for pair in series], labels_of(order)
    row_inches = max(0.3, 0.085 * len(series) + 0.13)
    ax = ax or new_axes(
        5.6 + inches(labels), 0.9 + row_inches * len(order) + 0.2 * -(-len(names) // legend_columns(names))
    )
    rows_axis(ax, labels)
    offsets = 0.7 / len(series) * (np.arange(len(series)) - (len(series) - 1) / 2)
    for index, ((model, trained_on), offset) in enumerate(zip(series, offsets, strict=True)):
        rows = table[(table["model"] == model) & (table["trained_on"] == trained_on)]
        heights = rows["scenario"].map(heights_by_scenario).to_numpy(float) + offset
        intervals(ax, heights, 100 * rows["accuracy"], 100 * rows["ci_low"], 100 * rows["ci_high"], index)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"accuracy in percent ({100 * confidence:g} % interval)")
    legend(ax, names)
    return ax
