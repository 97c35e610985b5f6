"""Shared parts of all figures: colours, sizes, labels, dots with intervals, and checks of their tables."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from xray.core.errors import ConfigError, unknown
from xray.core.text import printable
from xray.runs.roles import series_name

INK = "#1c1e22"
MUTED = "#7b8088"
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6741d9", "#8c5b2e")
"""Okabe and Ito's colours for series, with yellow and black replaced because they vanish on white or black."""
MARKERS = "osD^vPX*"
FONT = 9
NAME_WIDTH = 40
"""Maximum length of a name in characters; longer names lose their middle."""
_CHARACTER_INCHES = 0.078
_LEGEND_INCHES = 6.6
_PAD_INCHES = 0.07
"""The two-pass layout leaves slanted labels some hundredths of an inch too little room."""

Series = tuple[str, str]


def require(table: pd.DataFrame, columns: Iterable[str], what: str) -> pd.DataFrame:
    """Return the table if it has rows and these columns; otherwise raise `XrayError`."""
    for name in columns:
        if name not in table.columns:
            raise unknown(f"column of the {what}", name, map(str, table.columns))
    if table.empty:
        raise ConfigError(f"there are no {what} to draw: the table has no rows")
    return table


def series_of(table: pd.DataFrame) -> list[Series]:
    """Return the pairs of `model` and `trained_on`, sorted by series name."""
    pairs = set(zip(table["model"], table["trained_on"], strict=True))
    return sorted(pairs, key=lambda pair: series_name(*pair))


def rows_of(table: pd.DataFrame, series: Series, what: str) -> pd.DataFrame:
    """Return the rows of one series; an unknown one is an `XrayError` that names the known ones."""
    rows = table[(table["model"] == series[0]) & (table["trained_on"] == series[1])]
    if rows.empty:
        raise unknown(f"model of the {what}", series_name(*series), [series_name(*pair) for pair in series_of(table)])
    return rows


def of_model(table: pd.DataFrame, model: str | None, what: str) -> pd.DataFrame:
    """Return the rows of one model, which may be None if there is only one."""
    models = list(dict.fromkeys(map(str, table["model"])))
    if model is None and len(models) > 1:
        raise ConfigError(f"name one model; the table has {', '.join(models)}")
    if model is not None and model not in models:
        raise unknown(f"model of the {what}", model, models)
    return table if model is None else table[table["model"] == model]


def new_figure(width: float, height: float) -> Figure:
    """Make a figure of a size in inches, without pyplot, on a transparent background."""
    return Figure(
        figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=_PAD_INCHES, h_pad=_PAD_INCHES), facecolor="none"
    )


def new_axes(width: float, height: float) -> Axes:
    """Make the axes of a new figure."""
    return new_figure(width, height).add_subplot(facecolor="none")


def labels_of(names: Iterable[Hashable], width: int = NAME_WIDTH) -> list[str]:
    """Return names as they are drawn."""
    return [printable(str(name), width) for name in names]


def inches(labels: Iterable[str]) -> float:
    """Return the width of the longest label in inches."""
    return _CHARACTER_INCHES * max(map(len, labels), default=1)


def plain(ax: Axes) -> None:
    """Remove the frame and ticks; make the labels small and dark."""
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labelsize=FONT, labelcolor=INK)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set(color=INK, fontsize=FONT, parse_math=False)


def title(ax: Axes, name: str, width: int = 60) -> None:
    """Put a name above the axes, at the left."""
    ax.set_title(printable(name, width), loc="left", fontsize=FONT, color=INK, parse_math=False)


def rows_axis(ax: Axes, labels: Sequence[str], striped: bool = True) -> None:
    """Set up one row per label, the first on top, at heights 0, 1, … downwards."""
    ax.set_yticks(range(len(labels)), labels, parse_math=False)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    for height in range(0, len(labels) if striped else 0, 2):
        ax.axhspan(height - 0.5, height + 0.5, color=MUTED, alpha=0.09, linewidth=0)
    ax.locator_params(axis="x", nbins=7)
    ax.grid(axis="x", color=MUTED, alpha=0.25, linewidth=0.7)
    ax.set_axisbelow(True)
    plain(ax)


def intervals(ax: Axes, heights: ArrayLike, centre: ArrayLike, low: ArrayLike, high: ArrayLike, index: int = 0) -> None:
    """Draw dots with horizontal intervals in the colour and marker of a series; NaN is omitted."""
    colour = LINES[index % len(LINES)]
    ax.hlines(heights, np.asarray(low, float), np.asarray(high, float), color=colour, linewidth=1.8, alpha=0.8)
    ax.plot(centre, heights, marker(index), color=colour, markersize=5.5, linestyle="none")


def series_intervals(
    table: pd.DataFrame, value: str, order: Sequence[Hashable], what: str, confidence: float, ax: Axes | None
) -> Axes:
    """Draw the column `value` in percent with its interval, by scenario (rows) and series (colours and markers).

    The label of the axis is `what`, with the confidence in place of `{}`.
    """
    series, labels = series_of(table), labels_of(order)
    names = [series_name(*pair) for pair in series]
    row_inches = max(0.3, 0.085 * len(series) + 0.13)
    legend_inches = 0.2 * -(-len(series) // _legend_columns(names))
    ax = ax or new_axes(5.6 + inches(labels), 0.9 + row_inches * len(order) + legend_inches)
    rows_axis(ax, labels)
    offsets = 0.7 / len(series) * (np.arange(len(series)) - (len(series) - 1) / 2)
    heights = table["scenario"].map({scenario: height for height, scenario in enumerate(order)}).to_numpy(float)
    for index, ((model, trained_on), offset) in enumerate(zip(series, offsets, strict=True)):
        mine = (table["model"] == model) & (table["trained_on"] == trained_on)
        rows = 100 * table.loc[mine, [value, "ci_low", "ci_high"]]
        intervals(ax, heights[mine] + offset, rows[value], rows["ci_low"], rows["ci_high"], index)
    ax.set_xlabel(what.format(f"({100 * confidence:g} % interval)"))
    series_legend(ax, names)
    return ax


def note(ax: Axes, right: bool, height: float | np.integer[Any], text: str, colour: str = MUTED) -> None:
    """Write a text into a row, at the left or right edge of the axes."""
    ax.annotate(text, (int(right), height), (4, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points",
                va="center", fontsize=FONT, color=colour)  # fmt: skip


def marker(index: int) -> str:
    """Return the marker of a series; colour and marker together are unique for 64 series."""
    return MARKERS[(index + index // len(LINES)) % len(MARKERS)]


def _legend_columns(names: Sequence[str]) -> int:
    """Return the number of columns of a legend with these names."""
    longest = max((len(printable(name, NAME_WIDTH)) for name in names), default=0)
    return max(1, min(4, int(_LEGEND_INCHES / (_CHARACTER_INCHES * (longest + 6)))))


def series_legend(ax: Axes, names: Sequence[str]) -> None:
    """Put the names of series above the axes, in the order of `intervals`; a single name becomes the title."""
    if len(names) == 1:
        return title(ax, names[0])
    handles = [
        Line2D([], [], color=LINES[k % len(LINES)], marker=marker(k), linestyle="none") for k in range(len(names))
    ]
    # matplotlib omits names that start with an underscore, so the names are set afterwards
    box = ax.legend(
        handles, [str(k) for k in range(len(names))], loc="lower left", bbox_to_anchor=(0, 1.01),
        ncols=_legend_columns(names), frameon=False, borderaxespad=0,
    )  # fmt: skip
    for text, name in zip(box.get_texts(), names, strict=True):
        text.set(text=printable(name, NAME_WIDTH), parse_math=False, fontsize=FONT, color=INK)
    return None


def ink_on(colour: tuple[float, float, float, float]) -> str:
    """Return the text colour, dark or light, that is readable on a colour."""
    red, green, blue, _ = colour
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else "#111111"
