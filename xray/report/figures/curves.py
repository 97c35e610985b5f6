"""Accuracy over the levels of a factor, and by the position of the object."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes

from xray.core.errors import ConfigError, unknown
from xray.report.figures.style import (
    FONT,
    INK,
    LINES,
    MUTED,
    ink_on,
    marker,
    new_axes,
    plain,
    require,
    rows_of,
    series_legend,
    series_of,
    title,
)
from xray.runs.roles import series_name

_SHADES = "YlGnBu"


def level_curve(
    curves: pd.DataFrame, curve: str | None = None, ax: Axes | None = None, confidence: float = 0.95
) -> Axes:
    """Draw the accuracy of each model over the levels of one factor, with intervals.

    Args:
        curves: one row per (model, trained_on, curve, level) with `accuracy`, `ci_low`, `ci_high` (0–1), as
            `Run.curves`; `label` names the levels.
        curve: its name; None if there is only one.
        ax: where to draw.
        confidence: of the intervals, for the label of the axis.

    Raises:
        XrayError: no such curve.
    """
    table = _one_curve(curves, curve, ("level",))
    levels = table.drop_duplicates("level").sort_values("level")
    positions = {level: index for index, level in enumerate(levels["level"])}
    ax = ax or new_axes(max(4.2, 1.6 + 0.75 * len(levels)), 3.2)
    _lines(ax, table.assign(at=table["level"].map(positions)), confidence)
    labels = levels["label"] if "label" in levels else levels["level"].map("{:g}".format)
    ax.set_xticks(range(len(levels)), [str(label) for label in labels], parse_math=False)
    ax.set_xlabel(str(table["factor" if "factor" in table else "curve"].iloc[0]))
    return ax


def complexity_curve(
    curves: pd.DataFrame, curve: str | None = None, ax: Axes | None = None, confidence: float = 0.95
) -> Axes:
    """Draw the accuracy of each model over the measured complexity of the background, with intervals.

    Points are at the mean complexity of a bin's images, lines below them over the range of these.

    Args:
        curves: one row per (model, trained_on, curve, bin) with `complexity_mean`, `complexity_low`, `complexity_high`,
            and `accuracy`, `ci_low`, `ci_high` (0–1), as `Run.curves(measured=True)`.
        curve: its name; None if there is only one.
        ax: where to draw.
        confidence: of the intervals, for the label of the axis.

    Raises:
        XrayError: no such curve.
    """
    table = _one_curve(curves, curve, ("complexity_mean", "complexity_low", "complexity_high"))
    ax = ax or new_axes(5.4, 3.2)
    _lines(ax, table.assign(at=table["complexity_mean"]), confidence)
    ranges = table.drop_duplicates("complexity_mean")
    ax.hlines([2] * len(ranges), ranges["complexity_low"], ranges["complexity_high"], color=MUTED, linewidth=3)
    ax.set_xlabel("measured complexity of the background")
    return ax


def _one_curve(curves: pd.DataFrame, curve: str | None, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows of one curve, which may be None if there is only one."""
    needed = ("model", "trained_on", "curve", *columns, "accuracy", "ci_low", "ci_high")
    names = list(dict.fromkeys(require(curves, needed, "curves")["curve"]))
    if curve is None and len(names) > 1:
        raise ConfigError(f"name one curve; the table has {'; '.join(names)}")
    if curve is not None and curve not in names:
        raise unknown("curve", curve, names)
    return curves[curves["curve"] == (curve or names[0])]


def _lines(ax: Axes, table: pd.DataFrame, confidence: float) -> None:
    """Draw the accuracies of each model over `at`, with intervals as bands, the axis of accuracies, and the legend."""
    series = series_of(table)
    for index, pair in enumerate(series):
        rows = rows_of(table, pair, "curves").sort_values("at")
        at, colour = rows["at"].to_numpy(float), LINES[index % len(LINES)]
        ax.plot(
            at, 100 * rows["accuracy"], color=colour, marker=marker(index), markersize=5, linewidth=1.8, clip_on=False
        )
        ax.fill_between(at, 100 * rows["ci_low"], 100 * rows["ci_high"], color=colour, alpha=0.15, linewidth=0)
    ax.set_ylim(0, 100)
    ax.grid(axis="y", color=MUTED, alpha=0.25, linewidth=0.7)
    plain(ax)
    ax.set_ylabel(f"accuracy in % ({100 * confidence:g} % interval)")
    series_legend(ax, [series_name(*pair) for pair in series])


def position_map(cells: pd.DataFrame, model: str, trained_on: str = "pretrained", ax: Axes | None = None) -> Axes:
    """Draw the accuracy of one model in percent by the cell of the frame that the object stands in.

    Args:
        cells: one row per (model, trained_on, row, column) with `accuracy` (0–1), of one map of `position_maps`.
        model: name of the model.
        trained_on: its training scenario, or `pretrained`.
        ax: where to draw.
    """
    require(cells, ("model", "trained_on", "row", "column", "accuracy"), "cells")
    table = rows_of(cells, (model, trained_on), "cells")
    if table.duplicated(["row", "column"]).any():
        raise ConfigError("there are several accuracies of one cell: draw one map at a time")
    values = table.pivot(index="row", columns="column", values="accuracy").to_numpy(float)
    ax = ax or new_axes(2.6, 2.2)
    ax.pcolormesh(values, cmap=_SHADES, vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
    for (row, column), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{100 * value:.0f}"
        colour = INK if np.isnan(value) else ink_on(colormaps[_SHADES](value))
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=FONT + 2, color=colour)
    ax.invert_yaxis()
    ax.set_xticks([])
    ax.set_yticks([])
    plain(ax)
    title(ax, series_name(model, trained_on), 32)
    return ax
