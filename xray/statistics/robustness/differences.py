"""Differences paired by source image: means, with intervals and tests that hold where few verdicts change."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import binom, chi2

from xray.statistics.regression.validation import validate_confidence
from xray.statistics.robustness.bootstrap import Codes, Values, column_means, group_totals


def bonett_price(
    difference_NK: Values,
    group_N: Codes | None = None,
    confidence: float = 0.95,
    training_K: Values | float = 0.0,
) -> Values:
    """Return lower and upper bounds of the mean of each column of paired differences, shape (2, K).

    One image that loses everything and one that gains everything are added, so that an interval has a width even where
    no verdict changes; no bootstrap is needed. For differences d of N images:

        N' = N + 2      m = Σ d / N'      v = (Σ d² + 2) / N' − m²      m ± z √(v / N')

    With one verdict an image these are the limits of Bonett and Price (2012, Journal of Educational and Behavioral
    Statistics 37:479); d may as well be a mean over variants. Of G groups of images that belong together, with c
    images whose differences sum to T each, the two are groups of mean size N / G:

        u = T G / N      w = c G / N      m = Σ u / (G + 2)      v = (Σ (u − m w)² + (1 − m)² + (1 + m)²) / (G + 2)

    Args:
        difference_NK: differences, −1 … 1; NaN where an image lacks one side.
        group_N: the number of each image's group, 0 … G − 1; None: each image is its own.
        confidence: confidence level, inside (0, 1).
        training_K: variances of the means over trainings, which are added to v / N'.

    Returns:
        Bounds inside −1 … 1; NaN for fewer than two groups.

    >>> verdicts_N1 = np.array([[1.0], [0.0], [0.0], [0.0], [0.0], [0.0]])
    >>> bonett_price(verdicts_N1).round(3).tolist(), bonett_price(0 * verdicts_N1).round(3).tolist()
    ([[-0.29], [0.54]], [[-0.346], [0.346]])
    """
    total_GK, count_GK = group_totals(difference_NK, group_N)
    groups_K = (count_GK > 0).sum(axis=0)
    mean_size_K = np.where(groups_K > 0, count_GK.sum(axis=0) / np.maximum(groups_K, 1), 1.0)
    u_GK, w_GK, n_K = total_GK / mean_size_K, count_GK / mean_size_K, groups_K + 2
    m_K = u_GK.sum(axis=0) / n_K
    v_K = (((u_GK - m_K * w_GK) ** 2).sum(axis=0) + (1 - m_K) ** 2 + (1 + m_K) ** 2) / n_K
    half_K = ndtri(0.5 + validate_confidence(confidence) / 2) * np.sqrt(v_K / n_K + training_K)
    bounds_2K: Values = np.where(groups_K < 2, np.nan, np.clip([m_K - half_K, m_K + half_K], -1, 1))
    return bounds_2K


def paired_differences(
    sides_NK: Mapping[str, Values],
    difference_NK: Values,
    name: str,
    group_N: Codes | None = None,
    confidence: float = 0.95,
    training_K: Values | float = 0.0,
) -> pd.DataFrame:
    """Return the means of both sides and of their difference (`name`) over the images that have both, one row a column.

    The other columns are `ci_low` and `ci_high` of the difference (see `bonett_price`), and `n_images`.
    """
    both_NK = ~np.isnan(difference_NK)
    means = {side: column_means(np.where(both_NK, side_NK, np.nan)) for side, side_NK in sides_NK.items()}
    low_K, high_K = bonett_price(difference_NK, group_N, confidence, training_K)
    bounds = {"ci_low": low_K, "ci_high": high_K, "n_images": both_NK.sum(axis=0)}
    return pd.DataFrame({**means, name: column_means(difference_NK), **bounds})


def paired_tests(
    difference_NK: Values,
    group_N: Codes | None = None,
    names: tuple[str, str] = ("better", "worse"),
    training_K: Values | float = 0.0,
) -> pd.DataFrame:
    """Test whether the mean of each column of paired differences is 0.

    McNemar's exact test (1947): of the images whose verdict changes, as many are expected to gain as to lose (binomial
    distribution). If variants of an image differ, or images of a group change together, Durkalski's test for clustered
    data (Statistics in Medicine 2003, 22:2417): (Σ T)² / Σ T², T the sum of a group's differences, is χ² with one
    degree of freedom.

    Args:
        difference_NK: differences, −1 … 1; NaN where an image lacks one side.
        group_N: the number of each image's group, 0 … G − 1; None: each image is its own.
        names: of the first two columns.
        training_K: variances of the means over trainings: N² times these are added to Σ T².

    Returns:
        One row a column: the numbers of images above and below 0, `test` (`exact` or `clustered`), `p`, and `p_holm`,
        adjusted (Holm 1979) for all rows. `p` is NaN where no image has both sides.

    >>> paired_tests(np.array([[1.0]] * 8 + [[-1.0]] + [[0.0]] * 3)).round(4).to_dict("records")
    [{'better': 8, 'worse': 1, 'test': 'exact', 'p': 0.0391, 'p_holm': 0.0391}]
    """
    total_GK, count_GK = group_totals(difference_NK, group_N)
    exact_K = np.isin(total_GK, (-1.0, 0.0, 1.0)).all(axis=0) & (np.asarray(training_K) == 0)
    more_K, less_K = (total_GK > 0).sum(axis=0), (total_GK < 0).sum(axis=0)
    squares_K = (total_GK**2).sum(axis=0) + training_K * count_GK.sum(axis=0) ** 2
    statistic_K = total_GK.sum(axis=0) ** 2 / np.where(squares_K > 0, squares_K, 1.0)
    binomial_K = np.minimum(1.0, 2 * binom.cdf(np.minimum(more_K, less_K), more_K + less_K, 0.5))
    p_K = np.where(exact_K, binomial_K, chi2.sf(statistic_K, 1))
    p_K[~count_GK.any(axis=0)] = np.nan
    counts = ((difference_NK > 0).sum(axis=0), (difference_NK < 0).sum(axis=0))
    tests = {"test": np.where(exact_K, "exact", "clustered"), "p": p_K, "p_holm": holm(p_K)}
    return pd.DataFrame({**dict(zip(names, counts, strict=True)), **tests})


def holm(p_K: Values) -> Values:
    """Adjust P values for their number (Holm 1979); those that are NaN do not count."""
    adjusted_K, tested_K = np.full(len(p_K), np.nan), ~np.isnan(p_K)
    if tested_K.any():
        p_T = p_K[tested_K]
        order_T = np.argsort(p_T)
        raised_T = np.maximum.accumulate(p_T[order_T] * np.arange(len(p_T), 0, -1))
        p_T[order_T] = np.minimum(raised_T, 1)
        adjusted_K[tested_K] = p_T
    return adjusted_K
