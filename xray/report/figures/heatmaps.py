"""Heat maps of accuracies by model, by category, and by training and test scenario."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from xray.core.errors import ConfigError
from xray.report.figures.style import (
    FONT,
    INK,
    MUTED,
    Series,
    inches,
    ink_on,
    labels_of,
    new_axes,
    new_figure,
    of_model,
    plain,
    require,
    rows_of,
    series_of,
    title,
)
from xray.runs.roles import series_name

_SHADES = "YlGnBu"
_NUMBERED_ROWS = 26
_CELL_INCHES = 0.19
_SCALE_INCHES = 3.0
_TITLE_INCHES = 2.6


def accuracy_heatmap(accuracy: pd.DataFrame, scenarios: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """Draw accuracy in percent by model (rows) and scenario (columns).

    Args:
        accuracy: one row per (model, trained_on, scenario) with `accuracy` (0–1), as `Scores.accuracy`.
        scenarios: the columns in order; those without values are drawn as missing. Default: in order of appearance.
        ax: where to draw.
    """
    require(accuracy, ("model", "trained_on", "scenario", "accuracy"), "accuracies")
    pairs = series_of(accuracy)
    values = _cells(accuracy, ["model", "trained_on"], "scenario").loc[pairs]
    values = values.reindex(columns=list(scenarios or dict.fromkeys(accuracy["scenario"])))
    return _heatmap(values.set_axis([series_name(*pair) for pair in pairs]), ax, numbers=True)


def density_map(
    by_category: pd.DataFrame,
    model: str,
    trained_on: str = "pretrained",
    scenarios: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the density map of one model: accuracy by category (rows, the highest on top) and scenario (columns).

    Up to 26 categories the cells have numbers; with more, the colours have a scale.

    Args:
        by_category: one row per (model, trained_on, scenario, category) with `accuracy`, as `Scores.by_category`.
        model: name of the model.
        trained_on: its training scenario, or `pretrained`.
        scenarios: the columns in order.
        ax: where to draw.
    """
    table = rows_of(_categories(by_category), (model, trained_on), "accuracies")
    values = _cells(table, ["category"], "scenario").reindex(
        columns=list(scenarios or dict.fromkeys(table["scenario"]))
    )
    return _heatmap(_sort_by_mean(values), ax, numbers=len(values) <= _NUMBERED_ROWS)


def density_maps(
    by_category: pd.DataFrame,
    series: Sequence[Series] | None = None,
    scenarios: Sequence[str] | None = None,
    columns: int = 4,
) -> Figure:
    """Draw density maps of several models side by side, with the same rows (the highest on top) and one scale.

    Args:
        by_category: as `density_map` takes it.
        series: pairs of model and trained_on, in order. Default: all.
        scenarios: the columns of each map in order. Default: in order of appearance.
        columns: number of maps per row.

    Returns:
        Figure with one axes per model, and one for the scale.
    """
    chosen = list(series or series_of(_categories(by_category)))
    tables = [rows_of(by_category, pair, "accuracies") for pair in chosen]
    scenarios = list(scenarios or dict.fromkeys(by_category["scenario"]))
    order = _sort_by_mean(
        _cells(pd.concat(tables), ["model", "trained_on", "category"], "scenario").groupby("category").mean()
    )
    names, rows, heads = [series_name(*pair) for pair in chosen], labels_of(order.index), labels_of(scenarios)
    across = min(columns, len(chosen))
    down = -(-len(chosen) // across)
    width = max(_CELL_INCHES * len(scenarios), min(_TITLE_INCHES, inches(names)))
    height = _CELL_INCHES * len(order)
    below = inches(heads) * (1 if len(chosen) % across == 0 else 2)
    figure = new_figure(inches(rows) + across * (width + 0.15) + 0.9, below + down * (height + 0.35) + 0.1)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for index, (ax, name, table) in enumerate(zip(grid, names, tables, strict=False)):
        mesh = _mesh(ax, _cells(table, ["category"], "scenario").reindex(index=order.index, columns=scenarios))
        title(ax, name, max(12, int(width / inches("x"))))
        shown_rows = rows if index % across == 0 else []
        shown_heads = heads if index + across >= len(chosen) else []
        ax.set_yticks(np.arange(len(shown_rows)) + 0.5, shown_rows, parse_math=False)
        ax.set_xticks(np.arange(len(shown_heads)) + 0.5, shown_heads, rotation=90, parse_math=False)
        plain(ax)
    for ax in grid[len(chosen) :]:
        ax.remove()
    _scale(mesh, list(grid[: len(chosen)]), down * height)
    return figure


def train_test_map(
    scores: pd.DataFrame, model: str | None = None, scenarios: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw accuracy in percent of one model by training scenario (rows) and test scenario (columns).

    Frames mark training and test on the same scenario; `pretrained` is the last row.

    Args:
        scores: `model`, `trained_on`, `scenario` (or `tested_on`), `accuracy`; finer rows, by fold or category, are
            pooled if they have `n` and `correct`, as in the run's table `scores`.
        model: name of the model; None if there is only one.
        scenarios: the columns in order.
        ax: where to draw.
    """
    tested = "tested_on" if "tested_on" in scores.columns else "scenario"
    require(scores, ("model", "trained_on", tested, "accuracy"), "accuracies")
    table = of_model(scores, model, "accuracies")
    columns = list(scenarios or dict.fromkeys(table[tested]))
    trained = set(table["trained_on"])
    rows = [name for name in columns if name in trained] + sorted(trained - set(columns))
    ax = _heatmap(_cells(table, ["trained_on"], tested).reindex(index=rows, columns=columns), ax, numbers=True)
    for row, name in enumerate(rows):
        if name in columns:
            corner = (columns.index(name), row)
            ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, linewidth=1.8, clip_on=False))
    ax.set_ylabel("trained on")
    ax.set_xlabel("tested on")
    ax.xaxis.set_label_position("top")
    return ax


def _categories(by_category: pd.DataFrame) -> pd.DataFrame:
    return require(by_category, ("model", "trained_on", "scenario", "category", "accuracy"), "accuracies")


def _cells(table: pd.DataFrame, rows: list[str], column: str) -> pd.DataFrame:
    """Return accuracies as a matrix; rows of one cell are pooled by their counts, never averaged."""
    groups = table.groupby([*rows, column], observed=True, sort=True)
    if {"n", "correct"} <= set(table.columns):
        return (groups["correct"].sum() / groups["n"].sum()).unstack(column)
    if (sizes := groups.size()).max() > 1:
        cell = ", ".join(str(name) for name in sizes.index[int(sizes.argmax())])
        raise ConfigError(f"{sizes.max()} accuracies for one cell ({cell}): pool them first, or give `n` and `correct`")
    return groups["accuracy"].first().unstack(column)


def _sort_by_mean(values: pd.DataFrame) -> pd.DataFrame:
    return values.loc[values.mean(axis=1).sort_values(ascending=False, kind="stable").index]


def _heatmap(values: pd.DataFrame, ax: Axes | None, numbers: bool) -> Axes:
    rows, columns = values.shape
    labels, heads = labels_of(values.index), labels_of(values.columns)
    slanted, row_inches = 0.77 * inches(heads), 0.33 if numbers else 0.2
    width = inches(labels) + 0.58 * columns + max(0.4 if numbers else 1.0, slanted - 0.3)
    ax = ax or new_axes(width, slanted + 0.3 + row_inches * rows)
    mesh = _mesh(ax, values)
    if numbers:
        _print_numbers(ax, values)
    else:
        _scale(mesh, [ax], row_inches * rows)
    ax.set_yticks(np.arange(rows) + 0.5, labels, parse_math=False)
    ax.xaxis.tick_top()
    ax.set_xticks(np.arange(columns) + 0.5, heads, rotation=40, ha="left", rotation_mode="anchor", parse_math=False)
    plain(ax)
    return ax


def _mesh(ax: Axes, values: pd.DataFrame) -> QuadMesh:
    """Draw one coloured square per value, the first row on top; missing values are transparent."""
    ax.set_facecolor("#8888882a")
    cells = np.ma.masked_invalid(values.to_numpy(dtype=float).reshape(values.shape))
    mesh = ax.pcolormesh(cells, cmap=colormaps[_SHADES], vmin=0, vmax=1, edgecolors="white", linewidth=0.6)
    ax.set_ylim(len(values), 0)
    return mesh


def _print_numbers(ax: Axes, values: pd.DataFrame) -> None:
    shades = colormaps[_SHADES]
    for (row, column), value in np.ndenumerate(values.to_numpy(dtype=float)):
        text = "–" if np.isnan(value) else f"{100 * value:.0f}"
        ink = MUTED if np.isnan(value) else ink_on(shades(value))
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=FONT, color=ink)


def _scale(mesh: QuadMesh, axes: list[Axes], height: float) -> None:
    scale = axes[0].figure.colorbar(
        mesh, ax=axes, shrink=min(1.0, _SCALE_INCHES / height), aspect=25, pad=0.02, format="{x:.0%}"
    )
    scale.outline.set_visible(False)
    scale.ax.tick_params(length=0, labelsize=FONT, labelcolor=INK)
