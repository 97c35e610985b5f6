"""Analysis of variance: how much of the response each factor explains beyond the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import linalg, stats

from xray.statistics.regression.fit import stars
from xray.statistics.regression.least_squares import Regression

RESIDUAL = "Residual"


def anova(regression: Regression) -> pd.DataFrame:
    """Sums of squares of type II, each term beside all others that do not contain it.

        SS(term) = RSS(others that do not contain it) − RSS(those and the term);  F = (SS/df) / s²
        partial η² = SS / (SS + RSS of the whole model)

    In balanced designs all types agree. A factor that is also in an interaction is judged without that interaction
    (marginality); s² is of the whole model. Where it fits all rows exactly, F and P are not to be had: NaN. As `car::Anova` in R and `statsmodels.stats.anova.anova_lm(typ=2)` have it.

    Returns:
        One row a term (`model`, `model:scenario`), then `Residual`: `df`, `sum_of_squares`, `mean_square`, `f`, `p`,
        `partial_eta_squared` (0 … 1), `p_summary`.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> anova(regression(table, factors=["model", "scenario"])).round(4).iloc[1].to_dict()
    {'term': 'scenario', 'df': 1.0, 'sum_of_squares': 0.1225, 'mean_square': 0.1225, 'f': 49.0, 'p': 0.0903, 'partial_eta_squared': 0.98, 'p_summary': 'ns'}
    """  # noqa: E501
    ss, df, variance = regression.residual_ss, regression.fit.df, regression.variance
    spans = regression.design.spans()
    rows: list[tuple[object, ...]] = []
    for term, span in spans.items():
        columns = span.stop - span.start
        containing = [other for other in spans if set(term) < set(other)]
        explained = _explained(regression, span, [spans[other] for other in containing])
        with np.errstate(divide="ignore", invalid="ignore"):
            f = np.float64(explained / columns) / variance
            eta = np.float64(explained) / (explained + ss)
        f = np.float64(np.nan) if regression.exact else f
        p = float(stats.f.sf(f, columns, df))
        rows.append((":".join(term), columns, explained, explained / columns, f, p, eta, stars(p)))
    rows.append((RESIDUAL, df, ss, variance, np.nan, np.nan, np.nan, ""))
    names = ["term", "df", "sum_of_squares", "mean_square", "f", "p", "partial_eta_squared", "p_summary"]
    return pd.DataFrame(rows, columns=names).astype({"df": "float64"})


def _explained(regression: Regression, span: slice, without: list[slice]) -> float:
    """By how much the residual sum of squares grows when the columns of a span are left out of a model.

    Args:
        regression: whose cells and design.
        span: columns that are judged.
        without: columns that the model does not have in the first place.
    """
    made = regression.cells
    matrix_CP = regression.design.matrix(made.codes_CF)
    dropped = {column for other in without for column in range(other.start, other.stop)}
    kept = [column for column in range(matrix_CP.shape[1]) if column not in dropped]
    part_CK = matrix_CP[:, kept]
    weighted_CK = part_CK * made.weight_C[:, None]
    factor = linalg.cho_factor((part_CK.T @ weighted_CK).toarray())
    deviation_C = made.mean_C - np.average(made.mean_C, weights=made.weight_C)
    places = [kept.index(column) for column in range(span.start, span.stop)]
    estimates_T = linalg.cho_solve(factor, weighted_CK.T @ deviation_C)[places]
    inverse_TT = linalg.cho_solve(factor, np.eye(len(kept))[:, places])[places]
    return float(estimates_T @ linalg.solve(inverse_TT, estimates_T, assume_a="pos"))
