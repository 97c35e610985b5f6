"""Collinearity: variance inflation factors and the correlation of the estimates."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg

from xray.statistics.regression.least_squares import LinearFit, gram

Values = NDArray[np.float64]


def variance_inflation(regression: LinearFit) -> pd.DataFrame:
    """Compute the variance inflation factor of each column.

        VIF = 1 / (1 − R²), R² of the (weighted) regression of the column on all others and the intercept

    Returns:
        One row per column behind the intercept: `term`, `vif` (1 … ∞), `r_squared` (with the other columns).

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabbb"), "scenario": list("xyxyy"), "accuracy": [0.9, 0.5, 0.8, 0.5, 0.4]})
    >>> variance_inflation(regression(table, factors=["model", "scenario"])).round(4).values.tolist()
    [['model[b]', 1.0286, 0.0278], ['scenario[y]', 1.0286, 0.0278]]
    """
    vif_P = np.diag(linalg.inv(_correlation(regression)[1:, 1:]))
    return pd.DataFrame({"term": regression.design.columns[1:], "vif": vif_P, "r_squared": 1 - 1 / vif_P})


def generalised_variance_inflation(regression: LinearFit) -> pd.DataFrame:
    """Compute the variance inflation of whole terms, independent of reference levels (Fox & Monette 1992; `car::vif`).

        GVIF = det R₁₁ · det R₂₂ / det R, R the correlation of the estimates, R₁₁ of the term's, R₂₂ of the others'

    Returns:
        One row per term: `term`, `df` (its columns), `gvif`, `gvif_scaled` = GVIF^(1 / (2 df)), which is comparable
        between terms.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabbb"), "scenario": list("xyxyy"), "accuracy": [0.9, 0.5, 0.8, 0.5, 0.4]})
    >>> generalised_variance_inflation(regression(table, factors=["model", "scenario"])).round(4).values.tolist()
    [['model', 1, 1.0286, 1.0142], ['scenario', 1, 1.0286, 1.0142]]
    """
    whole = _correlation(regression)[1:, 1:]
    rows = []
    for term, span in regression.design.spans().items():
        inside = np.zeros(len(whole), bool)
        inside[span.start - 1 : span.stop - 1] = True
        gvif = math.exp(_logdet(whole[inside][:, inside]) + _logdet(whole[~inside][:, ~inside]) - _logdet(whole))
        df = int(inside.sum())
        rows.append((":".join(term), df, gvif, gvif ** (1 / (2 * df))))
    return pd.DataFrame(rows, columns=["term", "df", "gvif", "gvif_scaled"])


def correlation(regression: LinearFit) -> pd.DataFrame:
    """Return the correlations of the estimates (−1 … 1), one row and one column per column of the design."""
    columns = regression.design.columns
    return pd.DataFrame(_correlation(regression), columns, columns)


def inverse_gram(regression: LinearFit) -> Values:
    """Return (X'W X)⁻¹, the covariance of the estimates at residual variance 1."""
    gram_PP = gram(regression.cells, regression.design)
    return np.asarray(linalg.cho_solve(linalg.cho_factor(gram_PP), np.eye(len(gram_PP))))


def _correlation(regression: LinearFit) -> Values:
    inverse_PP = inverse_gram(regression)
    scale_P = np.sqrt(np.diag(inverse_PP))
    return inverse_PP / scale_P / scale_P[:, None]


def _logdet(matrix: Values) -> float:
    return float(np.linalg.slogdet(matrix)[1])
