"""Four plots to check the assumptions of a regression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from xray.core.errors import ConfigError
from xray.report.figures.style import LINES, MUTED, new_axes, new_figure, plain, require, title
from xray.statistics.regression.diagnostics import residuals as residuals_of
from xray.statistics.regression.result import Regression

Values = NDArray[np.float64]
_SIZE = (4.2, 3.2)
_MAX_VECTORS = 5_000
"""Maximum number of points drawn as vectors; more are rasterised, because viewers would be slow."""
_GROUPS = 10
_BAND = 400
"""Maximum number of points of the band's edge, evenly spaced along the axis."""


def residuals_plot(residuals: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw residuals against fitted values; a curve contradicts the form of the model.

    Args:
        residuals: one row per observation with `fitted` and `residual`, as `diagnostics.residuals` returns.
        ax: where to draw.
    """
    fitted_N, residual_N = _known(residuals, "fitted", "residual")
    return _around_zero(fitted_N, residual_N, "fitted", "Residuals", ax)


def scale_plot(residuals: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw absolute residuals against fitted values; a slope contradicts constant variance (homoscedasticity).

    The line joins the means of ten groups of rows in the order of fitted values (fewer groups for few rows).

    Args:
        residuals: as `residuals_plot`.
        ax: where to draw.
    """
    fitted_N, residual_N = _known(residuals, "fitted", "residual")
    size_N = np.abs(residual_N)
    ax = _points(fitted_N, size_N, ax)
    groups = np.array_split(np.argsort(fitted_N, kind="stable"), min(_GROUPS, len(fitted_N)))
    means = [(fitted_N[group].mean(), size_N[group].mean()) for group in groups]
    ax.plot(*zip(*means, strict=True), color=LINES[1], linewidth=1.6)
    ax.set_ylim(bottom=0)
    return _labelled(ax, "fitted", "|residual|", "Homoscedasticity")


def qq_plot(residuals: pd.DataFrame, confidence: float = 0.95, ax: Axes | None = None) -> Axes:
    """Draw sorted standardised residuals against normal quantiles, with a pointwise band.

    The k-th smallest of n normal values is Φ⁻¹(U) with U ~ Beta(k, n + 1 − k): its median is drawn on the x axis, its
    central interval is the band. About (1 − confidence) n of n normal residuals are outside.

    Args:
        residuals: one row per observation with `standardised`.
        confidence: confidence of the band at each point.
        ax: where to draw.
    """
    (standardised_N,) = _known(residuals, "standardised")
    n, tail = len(standardised_N), (1 - confidence) / 2

    def quantile(level: float, rank_K: NDArray[np.intp]) -> Values:
        return np.asarray(stats.norm.ppf(stats.beta.ppf(level, rank_K + 1, n - rank_K)))

    median_N = quantile(0.5, np.arange(n))
    band_K = np.unique(np.searchsorted(median_N, np.linspace(median_N[0], median_N[-1], _BAND)))
    ax = _points(median_N, np.sort(standardised_N), ax)
    low_K, high_K = (quantile(level, band_K) for level in (tail, 1 - tail))
    ax.fill_between(median_N[band_K], low_K, high_K, color=MUTED, alpha=0.2, linewidth=0)
    ax.axline((0, 0), slope=1, color=MUTED, linewidth=1)
    return _labelled(
        ax, f"normal quantile (band: {100 * confidence:g} % at each point)", "standardised residual", "QQ plot"
    )


def order_plot(residuals: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw residuals in the order of the rows; runs and trends contradict independence.

    Args:
        residuals: one row per observation with `residual`.
        ax: where to draw.
    """
    require(residuals, ("residual",), "residuals")
    order = pd.DataFrame({"row": np.arange(1, len(residuals) + 1), "residual": residuals["residual"].to_numpy(float)})
    row_N, residual_N = _known(order, "row", "residual")
    return _around_zero(row_N, residual_N, "row", "Residuals in order", ax)


def diagnostic_plots(regression: Regression | pd.DataFrame) -> Figure:
    """Draw the four plots in one figure.

    Args:
        regression: the regression, or its table of residuals.
    """
    table = residuals_of(regression) if isinstance(regression, Regression) else regression
    figure = new_figure(2 * _SIZE[0], 2 * _SIZE[1])
    axes = figure.subplots(2, 2, subplot_kw={"facecolor": "none"})
    plots: tuple[Callable[..., Axes], ...] = (residuals_plot, scale_plot, qq_plot, order_plot)
    for draw, ax in zip(plots, axes.flat, strict=True):
        draw(table, ax=ax)
    return figure


def _known(residuals: pd.DataFrame, *columns: str) -> list[Values]:
    """Return columns as numbers, without rows in which one is missing."""
    values_NC = require(residuals, columns, "residuals")[list(columns)].to_numpy(float)
    values_NC = values_NC[np.isfinite(values_NC).all(axis=1)]
    if not len(values_NC):
        raise ConfigError(f"there are no residuals to draw: {' or '.join(columns)} is missing in every row")
    return list(values_NC.T)


def _around_zero(x_N: Values, residual_N: Values, x: str, name: str, ax: Axes | None) -> Axes:
    ax = _points(x_N, residual_N, ax)
    ax.axhline(0, color=MUTED, linewidth=1)
    return _labelled(ax, x, "residual", name)


def _points(x_N: Values, y_N: Values, ax: Axes | None) -> Axes:
    ax = ax or new_axes(*_SIZE)
    alpha = float(np.clip(300 / len(x_N), 0.15, 0.6))
    (dots,) = ax.plot(x_N, y_N, "o", color=LINES[0], markersize=3.5, markeredgewidth=0, alpha=alpha)
    dots.set_rasterized(len(x_N) > _MAX_VECTORS)
    return ax


def _labelled(ax: Axes, x: str, y: str, name: str) -> Axes:
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    title(ax, name)
    ax.grid(color=MUTED, alpha=0.25, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.locator_params(nbins=6)
    plain(ax)
    return ax
