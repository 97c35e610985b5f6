"""Collinearity: variance inflation factors and the correlation of the estimates."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from xray.statistics.regression.least_squares import LinearFit, inverse_gram


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
    vif_P = np.diag(np.linalg.inv(correlation(regression).iloc[1:, 1:]))
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
    whole = correlation(regression).to_numpy()[1:, 1:]
    rows = []
    for term, span in regression.design.spans().items():
        inside = np.zeros(len(whole), bool)
        inside[span.start - 1 : span.stop - 1] = True
        parts = (whole[inside][:, inside], whole[~inside][:, ~inside], whole)
        own, others, all_columns = (np.linalg.slogdet(part).logabsdet for part in parts)
        gvif, df = math.exp(own + others - all_columns), int(inside.sum())
        rows.append((":".join(term), df, gvif, gvif ** (1 / (2 * df))))
    return pd.DataFrame(rows, columns=["term", "df", "gvif", "gvif_scaled"])


def correlation(regression: LinearFit) -> pd.DataFrame:
    """Return the correlations of the estimates (−1 … 1), one row and one column per column of the design."""
    inverse_PP, columns = inverse_gram(regression.cells, regression.design), regression.design.columns
    scale_P = np.sqrt(np.diag(inverse_PP))
    return pd.DataFrame(inverse_PP / scale_P / scale_P[:, None], columns, columns)
