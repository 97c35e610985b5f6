"""Analysis of variance: how much each factor explains beyond the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import linalg, stats

from xray.statistics.regression.fit import stars
from xray.statistics.regression.least_squares import LinearFit

RESIDUAL = "Residual"


def anova(regression: LinearFit) -> pd.DataFrame:
    """Compute type II sums of squares, as `car::Anova` in R and statsmodels' `anova_lm(typ=2)` do.

        SS(term) = RSS(others that do not contain it) − RSS(those and the term);  F = (SS/df) / s²
        partial η² = SS / (SS + RSS of the whole model)

    A factor that is also in an interaction is tested without that interaction (marginality); s² is that of the whole
    model. All types agree in balanced designs. F and P are NaN where the model fits all rows exactly.

    Returns:
        One row per term (`model`, `model:scenario`), then `Residual`: `df`, `sum_of_squares`, `mean_square`, `f`, `p`,
        `partial_eta_squared` (0 … 1), `p_summary`.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> anova(regression(table, factors=["model", "scenario"])).round(4).values.tolist()[1]
    ['scenario', 1.0, 0.1225, 0.1225, 49.0, 0.0903, 0.98, 'ns']
    """
    ss, df, variance = regression.residual_ss, regression.fit.df, regression.variance
    spans = regression.design.spans()
    rows: list[tuple[object, ...]] = []
    for term, span in spans.items():
        columns = span.stop - span.start
        explained = _explained(regression, span, [spans[other] for other in spans if set(term) < set(other)])
        with np.errstate(divide="ignore", invalid="ignore"):
            f = np.float64(explained / columns) / variance if not regression.exact else np.float64(np.nan)
            eta = np.float64(explained) / (explained + ss)
        p = float(stats.f.sf(f, columns, df))
        rows.append((":".join(term), columns, explained, explained / columns, f, p, eta, stars(p)))
    rows.append((RESIDUAL, df, ss, variance, np.nan, np.nan, np.nan, ""))
    names = ["term", "df", "sum_of_squares", "mean_square", "f", "p", "partial_eta_squared", "p_summary"]
    return pd.DataFrame(rows, columns=names).astype({"df": "float64"})


def _explained(regression: LinearFit, span: slice, without: list[slice]) -> float:
    """Return the increase of the residual sum of squares when some columns leave a model.

    Args:
        regression: the fit whose cells and design are used.
        span: columns that leave.
        without: columns that are not in the model in the first place.
    """
    cells = regression.cells
    matrix_CP = regression.design.matrix(cells.codes_CF)
    excluded = {column for other in without for column in range(other.start, other.stop)}
    kept = [column for column in range(matrix_CP.shape[1]) if column not in excluded]
    part_CK = matrix_CP[:, kept]
    weighted_CK = part_CK * cells.weight_C[:, None]
    factor = linalg.cho_factor((part_CK.T @ weighted_CK).toarray())
    deviation_C = cells.mean_C - np.average(cells.mean_C, weights=cells.weight_C)
    tested = [kept.index(column) for column in range(span.start, span.stop)]
    estimates_T = linalg.cho_solve(factor, weighted_CK.T @ deviation_C)[tested]
    inverse_TT = linalg.cho_solve(factor, np.eye(len(kept))[:, tested])[tested]
    return float(estimates_T @ linalg.solve(inverse_TT, estimates_T, assume_a="pos"))
