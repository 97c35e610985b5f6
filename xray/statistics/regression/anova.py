"""Analysis of variance: how much each factor explains beyond the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import linalg, stats

from xray.statistics.regression.fit import stars
from xray.statistics.regression.least_squares import LinearFit, gram, moment

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
        without = {column for other in spans if set(term) < set(other) for column in _columns(spans[other])}
        kept = [column for column in range(len(regression.design.columns)) if column not in without]
        others = [column for column in kept if column not in _columns(span)]
        explained = _explained(regression, kept) - _explained(regression, others)
        columns = len(_columns(span))
        with np.errstate(divide="ignore", invalid="ignore"):
            f = np.float64(explained / columns) / variance if not regression.exact else np.float64(np.nan)
            eta = np.float64(explained) / (explained + ss)
        p = float(stats.f.sf(f, columns, df))
        rows.append((":".join(term), columns, explained, explained / columns, f, p, eta, stars(p)))
    rows.append((RESIDUAL, df, ss, variance, np.nan, np.nan, np.nan, ""))
    names = ["term", "df", "sum_of_squares", "mean_square", "f", "p", "partial_eta_squared", "p_summary"]
    return pd.DataFrame(rows, columns=names).astype({"df": "float64"})


def _columns(span: slice) -> range:
    return range(span.start, span.stop)


def _explained(regression: LinearFit, columns: list[int]) -> float:
    """Return the sum of squares about the mean that some columns, the intercept among them, explain."""
    cells, design = regression.cells, regression.design
    moment_K = moment(cells, design)[columns]
    gram_KK = gram(cells, design)[np.ix_(columns, columns)]
    return float(moment_K @ linalg.solve(gram_KK, moment_K, assume_a="pos"))
