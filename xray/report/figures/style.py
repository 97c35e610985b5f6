"""What all figures have in common: colours, sizes, labels, dots with intervals, and what they refuse to draw."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from xray.core.errors import XrayError, unknown
from xray.core.text import shown
from xray.runs.roles import series_name

INK = "#1c1e22"
MUTED = "#7b8088"
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6741d9", "#8c5b2e")
"""Okabe and Ito's colours for series; yellow and black, which are lost on white or black, replaced."""
MARKERS = "osD^vPX*"
FONT = 9
NAME_WIDTH = 40
"""Characters of a name that are shown; a longer one loses its middle."""
_CHARACTER_INCHES = 0.078
_LEGEND_INCHES = 6.6
_PAD_INCHES = 0.07
"""The layout is found in two passes, which leaves slanted labels some hundredths of an inch too little room."""

Series = tuple[str, str]


def require(table: pd.DataFrame, columns: Iterable[str], what: str) -> pd.DataFrame:
    """The table, if there is something to draw in it.

    Raises:
        XrayError: a column that is not there, or no rows.
    """
    for name in columns:
        if name not in table.columns:
            raise unknown(f"column of the {what}", name, map(str, table.columns))
    if table.empty:
        raise XrayError(f"there are no {what} to draw: the table has no rows")
    return table


def series_of(table: pd.DataFrame) -> list[Series]:
    """Pairs of `model` and `trained_on`, sorted by what they are called."""
    pairs = set(zip(table["model"], table["trained_on"], strict=True))
    return sorted(pairs, key=lambda pair: series_name(*pair))


def rows_of(table: pd.DataFrame, series: Series, what: str) -> pd.DataFrame:
    """Those of one model.

    Raises:
        XrayError: there are none; it says of what there are.
    """
    rows = table[(table["model"] == series[0]) & (table["trained_on"] == series[1])]
    if rows.empty:
        raise unknown(f"model of the {what}", series_name(*series), [series_name(*pair) for pair in series_of(table)])
    return rows


def new_figure(width: float, height: float) -> Figure:
    """A figure of that size in inches, without pyplot, on a transparent ground."""
    return Figure(
        figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=_PAD_INCHES, h_pad=_PAD_INCHES), facecolor="none"
    )


def new_axes(width: float, height: float) -> Axes:
    """The only axes of a new figure."""
    return new_figure(width, height).add_subplot(facecolor="none")


def labels_of(names: Iterable[Hashable], width: int = NAME_WIDTH) -> list[str]:
    """Names as they are drawn."""
    return [shown(str(name), width) for name in names]


def inches(labels: Iterable[str]) -> float:
    """Room that the longest one takes."""
    return _CHARACTER_INCHES * max(map(len, labels), default=1)


def plain(ax: Axes) -> None:
    """No frame and no ticks; small labels in ink."""
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labelsize=FONT, labelcolor=INK)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set(color=INK, fontsize=FONT, parse_math=False)


def title(ax: Axes, name: str, width: int = 60) -> None:
    """A name above the axes, at their left."""
    ax.set_title(shown(name, width), loc="left", fontsize=FONT, color=INK, parse_math=False)


def rows_axis(ax: Axes, labels: Sequence[str], striped: bool = True) -> None:
    """One row a label, the first on top: rows stand at heights 0, 1, … downwards."""
    ax.set_yticks(range(len(labels)), labels, parse_math=False)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    for height in range(0, len(labels) if striped else 0, 2):
        ax.axhspan(height - 0.5, height + 0.5, color=MUTED, alpha=0.09, linewidth=0)
    ax.locator_params(axis="x", nbins=7)
    ax.grid(axis="x", color=MUTED, alpha=0.25, linewidth=0.7)
    ax.set_axisbelow(True)
    plain(ax)


def intervals(ax: Axes, heights: ArrayLike, centre: ArrayLike, low: ArrayLike, high: ArrayLike, index: int = 0) -> None:
    """Dots with horizontal intervals in the colour and marker of a series; what is NaN is left out."""
    colour = LINES[index % len(LINES)]
    ax.hlines(heights, np.asarray(low, float), np.asarray(high, float), color=colour, linewidth=1.8, alpha=0.8)
    ax.plot(centre, heights, marker(index), color=colour, markersize=5.5, linestyle="none")


def marker(index: int) -> str:
    """Of a series; with its colour it is its own for 64 series."""
    return MARKERS[(index + index // len(LINES)) % len(MARKERS)]


def legend_columns(names: Sequence[str]) -> int:
    """How many columns a legend of these series has."""
    longest = max((len(shown(name, NAME_WIDTH)) for name in names), default=0)
    return max(1, min(4, int(_LEGEND_INCHES / (_CHARACTER_INCHES * (longest + 6)))))


def legend(ax: Axes, names: Sequence[str]) -> None:
    """Names of series above the axes, in the order of `intervals`; a single one is their title."""
    if len(names) == 1:
        return title(ax, names[0])
    handles = [
        Line2D([], [], color=LINES[k % len(LINES)], marker=marker(k), linestyle="none") for k in range(len(names))
    ]
    # matplotlib leaves out names that begin with an underscore: the right ones are put in afterwards
    made = ax.legend(
        handles, [str(k) for k in range(len(names))], loc="lower left", bbox_to_anchor=(0, 1.01),
        ncols=legend_columns(names), frameon=False, borderaxespad=0,
    )  # fmt: skip
    for text, name in zip(made.get_texts(), names, strict=True):
        text.set(text=shown(name, NAME_WIDTH), parse_math=False, fontsize=FONT, color=INK)
    return None


def ink_on(colour: tuple[float, float, float, float]) -> str:
    """Dark or light, whichever can be read on a colour."""
    red, green, blue, _ = colour
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else "#111111"
