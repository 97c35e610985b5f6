"""Heat maps of accuracies: by model, by category, and by what was trained and tested on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from xray.core.errors import XrayError, unknown
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
    """Accuracy in per cent by model (rows) and scenario (columns).

    Args:
        accuracy: one row a (model, trained_on, scenario) with `accuracy` 0 … 1, as `Scores.accuracy`.
        scenarios: the columns and their order; one without a value is drawn as missing. Default: as they come.
        ax: where to draw.

    Raises:
        XrayError: no rows, a column that is not there, or two rows for one cell.
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
    """Density map of one model: accuracy by category (rows, the easiest on top) and scenario (columns).

    Numbers are printed up to 26 categories; beyond, the colours have a scale.

    Args:
        by_category: one row a (model, trained_on, scenario, category) with `accuracy`, as `Scores.by_category`.
        model: its name.
        trained_on: what it was trained on.
        scenarios: the columns and their order. Default: as they come.
        ax: where to draw.

    Raises:
        XrayError: no rows, no such model, a column that is not there, or two rows for one cell.
    """
    table = rows_of(_categories(by_category), (model, trained_on), "accuracies")
    values = _cells(table, ["category"], "scenario").reindex(
        columns=list(scenarios or dict.fromkeys(table["scenario"]))
    )
    return _heatmap(_easiest_first(values), ax, numbers=len(values) <= _NUMBERED_ROWS)


def density_maps(
    by_category: pd.DataFrame,
    series: Sequence[Series] | None = None,
    scenarios: Sequence[str] | None = None,
    columns: int = 4,
) -> Figure:
    """Density maps of several models side by side, with the same categories (the easiest on top) and one scale.

    Args:
        by_category: as `density_map` takes it.
        series: pairs of model and trained_on, in their order. Default: all.
        scenarios: the columns of each map and their order. Default: as they come.
        columns: maps in a row.

    Returns:
        Figure of one axes a model, and one for the scale.

    Raises:
        XrayError: as `density_map`.
    """
    chosen = list(series or series_of(_categories(by_category)))
    tables = [rows_of(by_category, pair, "accuracies") for pair in chosen]
    scenarios = list(scenarios or dict.fromkeys(by_category["scenario"]))
    order = _easiest_first(
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
    for place, (ax, name, table) in enumerate(zip(grid, names, tables, strict=False)):
        mesh = _mesh(ax, _cells(table, ["category"], "scenario").reindex(index=order.index, columns=scenarios))
        title(ax, name, max(12, int(width / inches("x"))))
        outer = place % across == 0
        ax.set_yticks(np.arange(len(order)) + 0.5 if outer else [], rows if outer else [], parse_math=False)
        lowest = place + across >= len(chosen)
        ax.set_xticks(
            np.arange(len(scenarios)) + 0.5 if lowest else [], heads if lowest else [], rotation=90, parse_math=False
        )
        plain(ax)
    for ax in grid[len(chosen) :]:
        ax.remove()
    _scale(mesh, list(grid[: len(chosen)]), down * height)
    return figure


def train_test_map(
    scores: pd.DataFrame, model: str | None = None, scenarios: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Accuracy in per cent of one model by what it was trained on (rows) and tested on (columns).

    Frames mark where both are the same scenario; rows that were trained on no scenario (`pretrained`) stand below.

    Args:
        scores: `model`, `trained_on`, `scenario` (or `tested_on`), `accuracy`; finer rows, by fold or category, are
            pooled if they have `n` and `correct`, as the run's table `scores`.
        model: its name; None: there is only one.
        scenarios: the columns and their order. Default: as they come.
        ax: where to draw.

    Raises:
        XrayError: no rows, no such model, several models and none named, or two rows for one cell.
    """
    tested = "tested_on" if "tested_on" in scores.columns else "scenario"
    require(scores, ("model", "trained_on", tested, "accuracy"), "accuracies")
    models = list(dict.fromkeys(scores["model"]))
    if model is None and len(models) > 1:
        raise XrayError(f"name one model; the table has {', '.join(map(str, models))}")
    if model is not None and model not in models:
        raise unknown("model of the accuracies", model, map(str, models))
    table = scores if model is None else scores[scores["model"] == model]
    columns = list(scenarios or dict.fromkeys(table[tested]))
    trained = set(table["trained_on"])
    rows = [name for name in columns if name in trained] + sorted(trained - set(columns))
    ax = _heatmap(_cells(table, ["trained_on"], tested).reindex(index=rows, columns=columns), ax, numbers=True)
    for row, name in enumerate(rows):
        if name in columns:
            corner = (columns.index(name), row)
            ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, linewidth=1.8, clip_on=False))
    ax.set_ylabel("trained on", fontsize=FONT, color=INK)
    ax.set_xlabel("tested on", fontsize=FONT, color=INK)
    ax.xaxis.set_label_position("top")
    return ax


def _categories(by_category: pd.DataFrame) -> pd.DataFrame:
    return require(by_category, ("model", "trained_on", "scenario", "category", "accuracy"), "accuracies")


def _cells(table: pd.DataFrame, rows: list[str], column: str) -> pd.DataFrame:
    """Accuracies as a matrix; rows of one cell are pooled by their counts, never averaged."""
    groups = table.groupby([*rows, column], observed=True, sort=True)
    if {"n", "correct"} <= set(table.columns):
        return (groups["correct"].sum() / groups["n"].sum()).unstack(column)
    if (sizes := groups.size()).max() > 1:
        cell = ", ".join(str(name) for name in sizes.index[int(sizes.argmax())])
        raise XrayError(f"{sizes.max()} accuracies for one cell ({cell}): pool them first, or give `n` and `correct`")
    return groups["accuracy"].first().unstack(column)


def _easiest_first(values: pd.DataFrame) -> pd.DataFrame:
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
    """Squares of colour, the first row on top; the ground shows through where there is no value."""
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
