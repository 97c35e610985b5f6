"""The bootstrap over source images, for statistics that are functions of column means.

One object recurs in every scenario, so rows are not independent: source images are resampled, each with all of its
rows, and every scenario and model uses the same resamples. Images that belong together (`group`) are resampled
together. A resample is a count per group; all of its means are one product of these counts with the table of groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtr, ndtri

from xray.core.errors import ConfigError, unknown
from xray.statistics.regression.validation import validate_confidence, validate_predictions
from xray.statistics.robustness.numbering import numbered

Values = NDArray[np.float64]
Codes = NDArray[np.intp]
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
        left_out_NK: statistics of the table without one of its rows (or groups of rows), shape (N, K).

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
    def of_means(
        cls, values_NK: Values, resamples: int = 2000, seed: int = 0, group_N: Codes | None = None
    ) -> Bootstrap:
        """Bootstrap the column means of an array, shape (N, K); NaN for missing values, which are ignored.

        `group_N` numbers the group of each row, 0 … G − 1; None: each row is its own.
        """
        total_GK, count_GK = group_totals(values_NK, group_N)
        total_K, count_K = total_GK.sum(axis=0), count_GK.sum(axis=0)
        left_out_GK = _ratio(total_K - total_GK, count_K - count_GK)
        return cls(_ratio(total_K, count_K), resampled_means(values_NK, resamples, seed, group_N), left_out_GK)

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
        return quantiles(self.resampled_BK, self._corrected(tails_2K) if method == "bca" else tails_2K)

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


def resampled_means(values_NK: Values, resamples: int, seed: int, group_N: Codes | None = None) -> Values:
    """Return column means over samples with replacement of as many rows (or groups) as there are; (resamples, K).

    All columns share the samples, which their number, `resamples` and `seed` decide. NaN if a sample has no value in a
    column.
    """
    if resamples < 1:
        raise ConfigError(f"a bootstrap needs at least one resample, not {resamples}")
    total_GK, count_GK = group_totals(values_NK, group_N)
    n, k = total_GK.shape
    # Columns with the same missing rows share their counts: one column if nothing is missing.
    kinds: dict[bytes, int] = {}
    kind_K = [kinds.setdefault(column_G.tobytes(), len(kinds)) for column_G in np.ascontiguousarray(count_GK.T)]
    kinds_GP = np.stack([np.frombuffer(kind) for kind in kinds], axis=1) if kinds else count_GK
    summands = np.hstack([total_GK, kinds_GP])
    generator = np.random.Generator(np.random.PCG64(seed))
    means = np.empty((resamples, k))
    step = max(1, _DRAWS_AT_ONCE // max(1, n))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        picked = generator.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
        counts = np.bincount(picked.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
        totals = counts @ summands
        means[start : start + rows] = _ratio(totals[:, :k], totals[:, k:][:, kind_K])
    return means


def influences(values_NK: Values, group_N: Codes | None = None) -> Values:
    """Return what each row (or group of rows) adds to the errors of the column means, shape (G, K).

    Their products are unbiased estimates of the covariances of the means: `influences.T @ influences`. With every value
    present and each row its own group, a column's sum of squares is s² / N. NaN for a column of a single group.
    """
    total_GK, count_GK = group_totals(values_NK, group_N)
    n_K, groups_K = count_GK.sum(axis=0), (count_GK > 0).sum(axis=0)
    residual_GK = total_GK - count_GK * _ratio(total_GK.sum(axis=0), n_K)
    return residual_GK * np.sqrt(_ratio(groups_K.astype(np.float64), groups_K - 1)) / np.where(n_K > 0, n_K, np.nan)


def groups_of(predictions: pd.DataFrame, images: pd.Index) -> Codes | None:
    """Number the groups of source images, 0 … G − 1, from the column `group`; None if there is no such column.

    Images without a group are their own.
    """
    if "group" not in predictions:
        return None
    group = predictions.drop_duplicates("image_id").set_index("image_id")["group"].reindex(images).astype(object)
    keys = [("alone", image) if pd.isna(name) else ("group", name) for image, name in group.items()]
    return np.asarray(pd.factorize(pd.Series(keys, dtype=object))[0], np.intp)


def group_totals(values_NK: Values, group_N: Codes | None) -> tuple[Values, Values]:
    """Return the sums and the numbers of the present values of each group, shape (G, K) each."""
    present_NK = ~np.isnan(values_NK)
    value_NK, one_NK = np.where(present_NK, values_NK, 0.0), present_NK.astype(np.float64)
    if group_N is None:
        return value_NK, one_NK
    member = sparse.csr_array((np.ones(len(group_N)), (group_N, np.arange(len(group_N)))))
    return member @ value_NK, member @ one_NK


def image_accuracies(
    predictions: pd.DataFrame, by: Sequence[str] = ("scenario",), rows: Sequence[str] = ("image_id",)
) -> pd.DataFrame:
    """Return the accuracy of every source image, over its variants, folds and repeats; NaN without a prediction.

    Rows: source images, or what else identifies them, sorted. Columns: (model, trained_on, *by), sorted.
    """
    names = [*SERIES, *by]
    validate_predictions(predictions, [*names, *rows])
    cell_N, columns = numbered(predictions, names)
    row_N, index = numbered(predictions, rows)
    place_N, size = row_N * len(columns) + cell_N, len(index) * len(columns)
    correct_K = np.asarray(np.bincount(place_N, predictions["correct"].to_numpy(np.float64), size), np.float64)
    accuracy_NK = _ratio(correct_K, np.bincount(place_N, minlength=size)).reshape(len(index), len(columns))
    by_row = pd.Index(index[rows[0]]) if len(rows) == 1 else pd.MultiIndex.from_frame(index)
    # Not copied into the order of columns, in which sums over images would be rounded otherwise.
    return pd.DataFrame(accuracy_NK, by_row, pd.MultiIndex.from_frame(columns), copy=False)


def column_means(values_NK: Values) -> Values:
    """Return the mean of the present values of each column, shape (K,); NaN if there are none."""
    return _ratio(np.nansum(values_NK, axis=0), (~np.isnan(values_NK)).sum(axis=0))


def columns_of(wide: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return (model, trained_on, …) of each column of a table by source image."""
    return list(wide.columns)  # type: ignore[arg-type]


def _ratio(above: Values, below: NDArray[np.integer] | Values) -> Values:
    """Divide; NaN for a divisor of 0."""
    ratio: Values = np.divide(above, below, out=np.full(np.shape(above), math.nan), where=below != 0)
    return ratio


def quantiles(resampled_BK: Values, tails_2K: Values) -> Values:
    """Return quantiles of the present resamples of each column, shape (2, K); NaN if there are none."""
    bounds_2K = np.full(tails_2K.shape, np.nan)
    for k in np.flatnonzero(~np.isnan(tails_2K).any(axis=0)):
        present_B = resampled_BK[~np.isnan(resampled_BK[:, k]), k]
        if len(present_B):
            bounds_2K[:, k] = np.quantile(present_B, tails_2K[:, k])
    return bounds_2K
