"""Figures of scores, for reports, papers and notebooks; safe for colour-blind readers.

Each draws on the axes that it is given, or makes a figure of its own of a fitting size (`axes.figure`), without
pyplot's global state. Names are drawn as they are, never as formulae.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xray.report.names import shown
from xray.score import series_name

INK = "#1c1e22"
MUTED = "#7b8088"
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7b8088", "#8c5b2e")
"""Okabe and Ito's colours for series, those that are too pale on white or black replaced."""
MARKERS = "osD^vPX*"
_SHADES = "YlGnBu"
_NUMBERED_ROWS = 26
_FONT = 9
_CHARACTER_INCHES = 0.078
_LEGEND_WIDTH = 40


def accuracy_heatmap(accuracy: pd.DataFrame, scenarios: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """Accuracy in per cent by model (rows) and scenario (columns).

    Args:
        accuracy: one row a (model, trained_on, scenario) with `accuracy` 0 … 1, as `Scores.accuracy`.
        scenarios: the columns and their order; one without a value is drawn as missing. Default: as they come.
        ax: where to draw.
    """
    names = [series_name(*pair) for pair in zip(accuracy["model"], accuracy["trained_on"], strict=True)]
    values = accuracy.assign(series=names).pivot_table(index="series", columns="scenario", values="accuracy", sort=True)
    return _heatmap(values.reindex(columns=list(scenarios or dict.fromkeys(accuracy["scenario"]))), ax, numbers=True)


def category_heatmap(
    by_category: pd.DataFrame,
    model: str,
    trained_on: str = "pretrained",
    scenarios: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Density map of one model: accuracy by category (rows, the easiest on top) and scenario (columns).

    Numbers are printed up to 26 categories; beyond, the colours have a scale.

    Args:
        by_category: one row a (model, trained_on, scenario, category) with `accuracy`, as `Scores.by_category`.
        model: its name.
        trained_on: what it was trained on.
        scenarios: the columns and their order. Default: as they come.
        ax: where to draw.
    """
    table = by_category[(by_category["model"] == model) & (by_category["trained_on"] == trained_on)]
    values = table.pivot_table(index="category", columns="scenario", values="accuracy", sort=True)
    values = values.loc[values.mean(axis=1).sort_values(ascending=False, kind="stable").index]
    columns = list(scenarios or dict.fromkeys(table["scenario"]))
    return _heatmap(values.reindex(columns=columns), ax, numbers=len(values) <= _NUMBERED_ROWS)


def drop_intervals(drops: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Accuracy lost in each scenario, in points, with its interval; the costliest scenario on top.

    Args:
        drops: one row a (model, trained_on, scenario) with `drop`, `ci_low`, `ci_high`, as `Scores.drops`.
        ax: where to draw.
    """
    table = drops.dropna(subset=["drop"])
    order = table.groupby("scenario")["drop"].mean().sort_values(kind="stable").index.tolist()
    series = sorted(set(zip(table["model"], table["trained_on"], strict=True)))
    names = [series_name(*pair) for pair in series]
    columns = _legend_columns(names)
    row_inches = max(0.3, 0.085 * len(series) + 0.13)
    ax = ax or _new_axes(7.6, 0.9 + row_inches * len(order) + 0.2 * -(-len(series) // columns))
    offsets = 0.7 / max(len(series), 1) * ((len(series) - 1) / 2 - np.arange(len(series)))
    for height in range(len(order) - 1, -1, -2):
        ax.axhspan(height - 0.5, height + 0.5, color=MUTED, alpha=0.09, linewidth=0)
    for index, ((model, trained_on), offset) in enumerate(zip(series, offsets, strict=True)):
        rows = table[(table["model"] == model) & (table["trained_on"] == trained_on)]
        heights = np.array([order.index(scenario) for scenario in rows["scenario"]]) + offset
        colour, marker = LINES[index % len(LINES)], MARKERS[index % len(MARKERS)]
        ax.hlines(heights, 100 * rows["ci_low"], 100 * rows["ci_high"], color=colour, linewidth=1.8, alpha=0.8)
        ax.plot(100 * rows["drop"], heights, marker, color=colour, markersize=5.5, linestyle="none")
    ax.axvline(0, color=MUTED, linewidth=1)
    ax.set_yticks(range(len(order)), [shown(name, 30) for name in order], parse_math=False)
    ax.set_ylim(-0.6, max(len(order), 1) - 0.4)
    ax.set_xlabel("points of accuracy lost (95 % interval); left of 0: gained")
    ax.grid(axis="x", color=MUTED, alpha=0.25, linewidth=0.7)
    ax.set_axisbelow(True)
    _plain(ax)
    _legend(ax, names, columns)
    return ax


def _new_axes(width: float, height: float) -> Axes:
    return Figure(figsize=(width, height), layout="constrained", facecolor="none").add_subplot(facecolor="none")


def _plain(ax: Axes) -> None:
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labelsize=_FONT, labelcolor=INK)
    ax.xaxis.label.set(color=INK, fontsize=_FONT)


def _legend_columns(names: Sequence[str]) -> int:
    longest = max((len(shown(name, _LEGEND_WIDTH)) for name in names), default=0)
    return max(1, min(4, int(6.6 / (_CHARACTER_INCHES * (longest + 6)))))


def _legend(ax: Axes, names: Sequence[str], columns: int) -> None:
    if len(names) < 2:
        if names:
            ax.set_title(shown(names[0], 60), loc="left", fontsize=_FONT, color=INK, parse_math=False)
        return
    handles = [
        Line2D([], [], color=LINES[k % len(LINES)], marker=MARKERS[k % len(MARKERS)], linestyle="none")
        for k in range(len(names))
    ]
    placeholders = [str(k) for k in range(len(names))]
    legend = ax.legend(
        handles, placeholders, loc="lower left", bbox_to_anchor=(0, 1.01), ncols=columns, frameon=False, borderaxespad=0
    )
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set(text=shown(name, _LEGEND_WIDTH), parse_math=False, fontsize=_FONT, color=INK)


def _heatmap(values: pd.DataFrame, ax: Axes | None, numbers: bool) -> Axes:
    rows, columns = values.shape
    row_inches = 0.33 if numbers else 0.2
    labels = [shown(str(name), 30) for name in values.index]
    label_inches = _CHARACTER_INCHES * max(map(len, labels), default=1)
    ax = ax or _new_axes(label_inches + 0.58 * columns + (0.4 if numbers else 1.0), 1.5 + row_inches * rows)
    shades = colormaps[_SHADES]
    cells = np.ma.masked_invalid(values.to_numpy(dtype=float).reshape(rows, columns))
    ax.set_facecolor("#8888882a")
    mesh = ax.pcolormesh(cells, cmap=shades, vmin=0, vmax=1, edgecolors="white", linewidth=0.6)
    if numbers:
        for (row, column), value in np.ndenumerate(values.to_numpy(dtype=float)):
            text = "–" if np.isnan(value) else f"{100 * value:.0f}"
            ink = MUTED if np.isnan(value) else _ink_on(shades(value))
            ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=_FONT, color=ink)
    else:
        scale = ax.figure.colorbar(mesh, ax=ax, shrink=0.6, aspect=30, pad=0.02, format="{x:.0%}")
        scale.outline.set_visible(False)
        scale.ax.tick_params(length=0, labelsize=_FONT, labelcolor=INK)
    ax.set_ylim(rows, 0)
    ax.set_yticks(np.arange(rows) + 0.5, labels, parse_math=False)
    ax.xaxis.tick_top()
    ax.set_xticks(
        np.arange(columns) + 0.5,
        [shown(str(name), 26) for name in values.columns],
        rotation=40, ha="left", rotation_mode="anchor", parse_math=False,
    )  # fmt: skip
    _plain(ax)
    return ax


def _ink_on(colour: tuple[float, float, float, float]) -> str:
    red, green, blue, _ = colour
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else "#111111"
