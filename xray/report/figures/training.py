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

from xray.core.errors import unknown
from xray.report.figures.style import (
    FONT,
    INK,
    LINES,
    MUTED,
    inches,
    new_figure,
    of_model,
    plain,
    require,
    series_intervals,
    title,
)

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

    Thin lines are folds (and repeats); the thick line is their mean, up to the last epoch that all of them reached.

    Args:
        history: the run's table `history`.
        model: name of the model; None if there is only one.
        scenarios: training scenarios in order. Default: in order of appearance.
        chance: score of guessing (0–1), drawn as a line.
        columns: maximum number of panels per row.
    """
    names = [f"{part}_{what}" for part, *_ in _PARTS for what in ("loss", "score")]
    require(history, ("model", "trained_on", "fold", "epoch", "metric", *names), "epochs")
    table = of_model(history, model, "epochs")
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
        column = index % across
        pair = grid[2 * (index // across) :, column][:2]
        rows = table[table["trained_on"] == name]
        for ax, what in zip(pair, limits, strict=True):
            _curves(ax, rows, what)
            ax.set_ylim(*limits[what])
            ax.tick_params(labelleft=column == 0, labelbottom=what == "score")
        loss, score = pair
        title(loss, name, max(12, int(2.1 / inches("x"))))
        score.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        score.set_xlabel("epoch")
        if chance is not None:
            score.axhline(chance, color=MUTED, linewidth=1, linestyle=":")
        if column == 0:
            loss.set_ylabel("loss")
            score.set_ylabel(_METRICS.get(metric, metric))
    for ax in grid[-2:, (len(names_shown) - 1) % across + 1 :].flat:
        ax.remove()
    _legend(figure, chance)
    return figure


def _limits(table: pd.DataFrame, what: str) -> tuple[float, float]:
    """Return the limits of all panels, so that scenarios can be compared; extreme losses are cut off."""
    values = table[[f"{part}_{what}" for part, *_ in _PARTS]].to_numpy(float)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    top = float(np.quantile(values, 0.98) * 1.25) if what == "loss" else float(values.max() * 1.12)
    return 0.0, max(0.05, min(top, float(values.max()) * 1.05 if what == "loss" else 1.03))


def _curves(ax: Axes, rows: pd.DataFrame, what: str) -> None:
    # Without `repeat`, a training is its fold.
    trainings = rows.fillna({"repeat": 0}).sort_values("epoch").groupby([*{"fold", "repeat"} & {*rows.columns}])
    for part, _, colour, line in _PARTS:
        value = f"{part}_{what}"
        for _, training in trainings:
            dot = "." if len(training) == 1 else ""
            ax.plot(training["epoch"] + 1, training[value], line, marker=dot, color=colour, linewidth=0.8, alpha=0.45)
        epochs = rows.groupby("epoch")[value].agg(["mean", "size"])
        mean = epochs.loc[epochs["size"] == trainings.ngroups, "mean"]
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
        confidence: of the intervals, for the label of the axis.
        ax: where to draw.
    """
    columns = ("model", "trained_on", "scenario", "accuracy", "ci_low", "ci_high")
    order = list(scenarios or dict.fromkeys(require(accuracy, columns, "accuracies")["scenario"]))
    table = require(accuracy[accuracy["scenario"].isin(order)], columns, "accuracies")
    ax = series_intervals(table, "accuracy", order, "accuracy in percent {}", confidence, ax)
    ax.set_xlim(left=0)
    return ax
