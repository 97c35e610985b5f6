"""The bootstrap over source images, for anything that is a function of means of columns.

One object recurs in every scenario, so rows are not independent: what is drawn again are source images, each with all
of its rows, and every scenario and model is measured on the same draws. A draw is how many times each image was taken;
all means of a draw are one product of these counts with the table of images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from xray.core.errors import XrayError, unknown
from xray.statistics.regression.validation import checked_confidence, checked_predictions

Values = NDArray[np.float64]
Method = Literal["percentile", "bca"]
METHODS = ("percentile", "bca")
SERIES = ("model", "trained_on")
_DRAWS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Bootstrap:
    """Statistics of a table, and of its resamples.

    Args:
        estimate_K: of the table itself, shape (K,).
        drawn_BK: of its resamples, shape (B, K).
        left_out_NK: of the table without one of its rows (the jackknife), shape (N, K).

    >>> right_N2 = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])  # on the original, in another scenario
    >>> drop = Bootstrap.of_means(right_N2, resamples=999).then(lambda mean_B2: mean_B2[:, :1] - mean_B2[:, 1:])
    >>> drop.estimate_K, drop.interval("percentile")
    (array([0.5]), array([[0.],
           [1.]]))
    """

    estimate_K: Values
    drawn_BK: Values
    left_out_NK: Values

    @classmethod
    def of_means(cls, values_NK: Values, resamples: int = 2000, seed: int = 0) -> Bootstrap:
        """Means of columns; see `resampled_means` for the arguments."""
        present_NK = ~np.isnan(values_NK)
        value_NK = np.where(present_NK, values_NK, 0.0)
        total_K, count_K = value_NK.sum(axis=0), present_NK.sum(axis=0)
        left_out_NK = _ratio(total_K - value_NK, count_K - present_NK)
        return cls(_ratio(total_K, count_K), resampled_means(values_NK, resamples, seed), left_out_NK)

    def then(self, statistic: Callable[[Values], Values]) -> Bootstrap:
        """Of a function that takes rows of shape (K,) to rows of shape (J,), many at a time."""
        estimate_J = statistic(self.estimate_K[None])[0]
        return Bootstrap(estimate_J, statistic(self.drawn_BK), statistic(self.left_out_NK))

    def interval(self, method: Method = "percentile", confidence: float = 0.95) -> Values:
        """Lower and upper bounds, shape (2, K).

        Percentile: the quantiles α and 1 − α of the resamples, α = (1 − confidence) / 2. BCa (Efron 1987, Better
        bootstrap confidence intervals, JASA 82:171) takes them elsewhere, at

            Φ(z₀ + (z₀ + z) / (1 − a (z₀ + z))),  z = Φ⁻¹(α) and Φ⁻¹(1 − α)

        z₀ = Φ⁻¹(share of resamples below the estimate; ties count half) corrects the median bias; the acceleration
        a = Σ d³ / 6 (Σ d²)^1.5, d = mean of the jackknife − its value without an image, a standard error that changes
        with the value. NaN: a value that is none, or resamples of which all lie on one side of the estimate (BCa).

        Raises:
            XrayError: no such method, or a confidence that is not inside (0, 1).
        """
        check_method(method)
        checked_confidence(confidence)
        tails_2K = np.repeat([[0.5 - confidence / 2], [0.5 + confidence / 2]], len(self.estimate_K), axis=1)
        return _quantiles(self.drawn_BK, self._corrected(tails_2K) if method == "bca" else tails_2K)

    def p_values(self) -> Values:
        """Two-sided P of 0 by the percentile method, shape (K,): 2 · the smaller share of resamples beside 0.

        Counted with the estimate itself among the resamples (Davison & Hinkley 1997, 4.4), so never below 2 / (B + 1).
        """
        drawn_BK = np.where(np.isnan(self.drawn_BK), 0.0, self.drawn_BK)
        smaller_K = np.minimum((drawn_BK <= 0).sum(axis=0), (drawn_BK >= 0).sum(axis=0))
        p_K = np.minimum(2 * (1 + smaller_K) / (1 + len(drawn_BK)), 1.0)
        return np.where(np.isnan(self.estimate_K), np.nan, p_K)

    def _corrected(self, tails_2K: Values) -> Values:
        """Where BCa takes its quantiles."""
        some_BK = ~np.isnan(self.drawn_BK)
        below_BK = (self.drawn_BK < self.estimate_K) + 0.5 * (self.drawn_BK == self.estimate_K)
        share_K = _ratio(below_BK.sum(axis=0), some_BK.sum(axis=0))
        bias_K = ndtri(np.where((share_K > 0) & (share_K < 1), share_K, np.nan))
        d_NK = self.left_out_NK.mean(axis=0) - self.left_out_NK
        square_K = (d_NK**2).sum(axis=0)
        acceleration_K = np.where(square_K == 0, 0.0, _ratio((d_NK**3).sum(axis=0), 6 * square_K**1.5))
        z_2K = bias_K + ndtri(tails_2K)
        brake_2K = 1 - acceleration_K * z_2K
        return np.asarray(ndtr(bias_K + _ratio(z_2K, np.maximum(brake_2K, 0.0))), np.float64)


def check_method(method: str) -> None:
    """Look whether there is an interval of that name.

    Raises:
        XrayError: there is none.
    """
    if method not in METHODS:
        raise unknown("interval `method`", method, METHODS)


def resampled_means(values_NK: Values, resamples: int, seed: int) -> Values:
    """Means of columns over bootstrap samples of the rows; the same rows are drawn for every column.

    Args:
        values_NK: shape (N, K), NaN where a value is missing: the mean is over those present.
        resamples: how many samples of N rows to draw, with replacement.
        seed: of the draws; the same N, seed and resamples draw the same rows.

    Returns:
        Shape (resamples, K); NaN where a sample has no value of a column.

    Raises:
        XrayError: no resamples are asked for.
    """
    if resamples < 1:
        raise XrayError(f"a bootstrap needs resamples, 2,000 for example, not {resamples}")
    n, k = values_NK.shape
    present_NK = ~np.isnan(values_NK)
    # Columns that miss the same rows have the same counts of them; where nothing misses this is one column.
    patterns, pattern_K = np.unique(np.packbits(present_NK, axis=0), axis=1, return_index=True, return_inverse=True)[1:]
    summands = np.hstack([np.where(present_NK, values_NK, 0.0), present_NK[:, patterns]])
    generator = np.random.Generator(np.random.PCG64(seed))
    means = np.empty((resamples, k))
    step = max(1, _DRAWS_AT_ONCE // max(1, n))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = generator.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
        times = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
        totals = times @ summands
        means[start : start + rows] = _ratio(totals[:, :k], totals[:, k:][:, pattern_K])
    return means


def image_accuracies(predictions: pd.DataFrame, by: Sequence[str] = ("scenario",)) -> pd.DataFrame:
    """Share of right predictions of every source image: the mean over its variants (and folds).

    Returns:
        Index: source images, sorted. Columns: (model, trained_on, *by), sorted. NaN where there is no prediction.

    Raises:
        XrayError: see `xray.statistics.regression.validation.checked_predictions`.
    """
    columns, keys = [*SERIES, *by], [*SERIES, *by, "image_id"]
    return (
        checked_predictions(predictions, keys)
        .groupby(keys, observed=True)["correct"]
        .mean()
        .astype(np.float64)
        .unstack(columns)
        .sort_index(axis=0)
        .sort_index(axis=1)
    )


def column_means(values_NK: Values) -> Values:
    """Over the values that are there, shape (K,); NaN where there is none."""
    return _ratio(np.nansum(values_NK, axis=0), (~np.isnan(values_NK)).sum(axis=0))


def columns_of(wide: pd.DataFrame) -> list[tuple[str, ...]]:
    """(model, trained_on, …) of each column of a table by source image."""
    return list(wide.columns.to_frame().itertuples(index=False, name=None))


def series_of(wide: pd.DataFrame) -> list[tuple[str, ...]]:
    """The different (model, trained_on) of a table by source image."""
    return list(dict.fromkeys(column[:2] for column in columns_of(wide)))


def _ratio(above: Values, below: NDArray[np.number]) -> Values:
    """NaN where it is of nothing."""
    made: Values = np.divide(above, below, out=np.full(np.shape(above), math.nan), where=below != 0)
    return made


def _quantiles(drawn_BK: Values, tails_2K: Values) -> Values:
    """Each column's own quantiles, of its resamples that have a value; NaN where there are none."""
    bounds_2K = np.full(tails_2K.shape, np.nan)
    for k in np.flatnonzero(~np.isnan(tails_2K).any(axis=0)):
        drawn_B = drawn_BK[~np.isnan(drawn_BK[:, k]), k]
        if len(drawn_B):
            bounds_2K[:, k] = np.quantile(drawn_B, tails_2K[:, k])
    return bounds_2K
