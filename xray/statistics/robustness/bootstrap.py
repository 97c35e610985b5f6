"""The bootstrap over source images, for statistics that are functions of column means.

One object recurs in every scenario, so rows are not independent: source images are resampled, each with all of its
rows, and every scenario and model uses the same resamples. A resample is a count per image; all of its means are one
product of these counts with the table of images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from xray.core.errors import ConfigError, unknown
from xray.statistics.regression.validation import validate_confidence, validate_predictions

Values = NDArray[np.float64]
Method = Literal["percentile", "bca"]
METHODS = ("percentile", "bca")
SERIES = ("model", "trained_on")
_DRAWS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Bootstrap:
    """Statistics of a table, its resamples and its jackknife.

    Args:
        estimate_K: statistics of the table, shape (K,).
        resampled_BK: statistics of each resample, shape (B, K).
        left_out_NK: statistics of the table without one of its rows, shape (N, K).

    >>> correct_N2 = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])  # original, other scenario
    >>> drop = Bootstrap.of_means(correct_N2, resamples=999).then(lambda mean_B2: mean_B2[:, :1] - mean_B2[:, 1:])
    >>> drop.estimate_K, drop.interval("percentile")
    (array([0.5]), array([[0.],
           [1.]]))
    """

    estimate_K: Values
    resampled_BK: Values
    left_out_NK: Values

    @classmethod
    def of_means(cls, values_NK: Values, resamples: int = 2000, seed: int = 0) -> Bootstrap:
        """Bootstrap the column means of an array, shape (N, K); NaN for missing values, which are ignored."""
        present_NK = ~np.isnan(values_NK)
        value_NK = np.where(present_NK, values_NK, 0.0)
        total_K, count_K = value_NK.sum(axis=0), present_NK.sum(axis=0)
        left_out_NK = _ratio(total_K - value_NK, count_K - present_NK)
        return cls(_ratio(total_K, count_K), resampled_means(values_NK, resamples, seed), left_out_NK)

    def then(self, statistic: Callable[[Values], Values]) -> Bootstrap:
        """Apply a vectorised function from shape (B, K) to shape (B, J)."""
        estimate_J = statistic(self.estimate_K[None])[0]
        return Bootstrap(estimate_J, statistic(self.resampled_BK), statistic(self.left_out_NK))

    def interval(self, method: Method = "percentile", confidence: float = 0.95) -> Values:
        """Return lower and upper confidence bounds, shape (2, K).

        Percentile: the quantiles α and 1 − α of the resamples, α = (1 − confidence) / 2. BCa (Efron 1987, Better
        bootstrap confidence intervals, JASA 82:171): the quantiles

            Φ(z₀ + (z₀ + z) / (1 − a (z₀ + z))),  z = Φ⁻¹(α) and Φ⁻¹(1 − α)

        z₀ = Φ⁻¹(share of resamples below the estimate; ties count half) corrects the median bias; the acceleration
        a = Σ d³ / 6 (Σ d²)^1.5, d = mean of the jackknife − its value without an image, a standard error that changes
        with the value. NaN if the estimate is NaN, or (BCa) if all resamples lie on one side of the estimate.

        Raises:
            ConfigError: an unknown method, or a confidence level outside (0, 1).
        """
        validate_method(method)
        validate_confidence(confidence)
        tails_2K = np.repeat([[0.5 - confidence / 2], [0.5 + confidence / 2]], len(self.estimate_K), axis=1)
        return _quantiles(self.resampled_BK, self._corrected(tails_2K) if method == "bca" else tails_2K)

    def p_values(self) -> Values:
        """Return two-sided P values of 0 by the percentile method, shape (K,).

        P = 2 · the smaller share of resamples beside 0. The estimate counts as a resample (Davison & Hinkley 1997,
        4.4), so P is at least 2 / (B + 1).
        """
        resampled_BK = np.where(np.isnan(self.resampled_BK), 0.0, self.resampled_BK)
        smaller_K = np.minimum((resampled_BK <= 0).sum(axis=0), (resampled_BK >= 0).sum(axis=0))
        p_K = np.minimum(2 * (1 + smaller_K) / (1 + len(resampled_BK)), 1.0)
        return np.where(np.isnan(self.estimate_K), np.nan, p_K)

    def _corrected(self, tails_2K: Values) -> Values:
        """Return the levels of the BCa quantiles."""
        some_BK = ~np.isnan(self.resampled_BK)
        below_BK = (self.resampled_BK < self.estimate_K) + 0.5 * (self.resampled_BK == self.estimate_K)
        share_K = _ratio(below_BK.sum(axis=0), some_BK.sum(axis=0))
        bias_K = ndtri(np.where((share_K > 0) & (share_K < 1), share_K, np.nan))
        d_NK = self.left_out_NK.mean(axis=0) - self.left_out_NK
        square_K = (d_NK**2).sum(axis=0)
        acceleration_K = np.where(square_K == 0, 0.0, _ratio((d_NK**3).sum(axis=0), 6 * square_K**1.5))
        z_2K = bias_K + ndtri(tails_2K)
        scale_2K = 1 - acceleration_K * z_2K
        return np.asarray(ndtr(bias_K + _ratio(z_2K, np.maximum(scale_2K, 0.0))), np.float64)


def validate_method(method: str) -> None:
    """Raise a ConfigError for an unknown kind of interval."""
    if method not in METHODS:
        raise unknown("interval `method`", method, METHODS)


def resampled_means(values_NK: Values, resamples: int, seed: int) -> Values:
    """Return column means over samples of N rows with replacement, shape (resamples, K).

    All columns share the samples, which N, `resamples` and `seed` decide. NaN if a sample has no value in a column.
    """
    if resamples < 1:
        raise ConfigError(f"a bootstrap needs at least one resample, not {resamples}")
    n, k = values_NK.shape
    present_NK = ~np.isnan(values_NK)
    # Columns with the same missing rows share their counts: one column if nothing is missing.
    patterns, pattern_K = np.unique(np.packbits(present_NK, axis=0), axis=1, return_index=True, return_inverse=True)[1:]
    summands = np.hstack([np.where(present_NK, values_NK, 0.0), present_NK[:, patterns]])
    generator = np.random.Generator(np.random.PCG64(seed))
    means = np.empty((resamples, k))
    step = max(1, _DRAWS_AT_ONCE // max(1, n))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        picked = generator.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
        counts = np.bincount(picked.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
        totals = counts @ summands
        means[start : start + rows] = _ratio(totals[:, :k], totals[:, k:][:, pattern_K])
    return means


def image_accuracies(predictions: pd.DataFrame, by: Sequence[str] = ("scenario",)) -> pd.DataFrame:
    """Return the accuracy of every source image, over its variants and folds; NaN without a prediction.

    Rows: source images, sorted. Columns: (model, trained_on, *by), sorted.
    """
    columns, keys = [*SERIES, *by], [*SERIES, *by, "image_id"]
    return (
        validate_predictions(predictions, keys)
        .groupby(keys, observed=True)["correct"]
        .mean()
        .astype(np.float64)
        .unstack(columns)
        .sort_index(axis=0)
        .sort_index(axis=1)
    )


def column_means(values_NK: Values) -> Values:
    """Return the mean of the present values of each column, shape (K,); NaN if there are none."""
    return _ratio(np.nansum(values_NK, axis=0), (~np.isnan(values_NK)).sum(axis=0))


def columns_of(wide: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return (model, trained_on, …) of each column of a table by source image."""
    return list(wide.columns)  # type: ignore[arg-type]


def paired_differences(
    sides_NK: Mapping[str, Values],
    difference_NK: Values,
    name: str,
    resamples: int,
    seed: int,
    confidence: float,
    method: Method = "percentile",
) -> pd.DataFrame:
    """Return the means of both sides and of their difference (`name`) over the images that have both, one row a column.

    The other columns are `ci_low` and `ci_high` of the difference, NaN for a single image, and `n_images`.
    """
    both_NK = ~np.isnan(difference_NK)
    bootstrap = Bootstrap.of_means(difference_NK, resamples, seed)
    low_K, high_K = bootstrap.interval(method, confidence)
    n_images_K = both_NK.sum(axis=0)
    means = {side: column_means(np.where(both_NK, side_NK, np.nan)) for side, side_NK in sides_NK.items()}
    bounds = {"ci_low": np.where(n_images_K < 2, np.nan, low_K), "ci_high": np.where(n_images_K < 2, np.nan, high_K)}
    return pd.DataFrame({**means, name: bootstrap.estimate_K, **bounds, "n_images": n_images_K})


def _ratio(above: Values, below: NDArray[np.number]) -> Values:
    """Divide; NaN for a divisor of 0."""
    ratio: Values = np.divide(above, below, out=np.full(np.shape(above), math.nan), where=below != 0)
    return ratio


def _quantiles(resampled_BK: Values, tails_2K: Values) -> Values:
    """Return quantiles of the present resamples of each column; NaN if there are none."""
    bounds_2K = np.full(tails_2K.shape, np.nan)
    for k in np.flatnonzero(~np.isnan(tails_2K).any(axis=0)):
        present_B = resampled_BK[~np.isnan(resampled_BK[:, k]), k]
        if len(present_B):
            bounds_2K[:, k] = np.quantile(present_B, tails_2K[:, k])
    return bounds_2K
