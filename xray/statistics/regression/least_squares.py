"""Least squares from cells: estimates, rank check, goodness of fit, change of reference.

The design matrix stays sparse, with one row per cell: statsmodels' OLS, influence and ANOVA would need it dense.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg, stats

from xray.core.errors import ConfigError
from xray.statistics.regression.cells import Cells
from xray.statistics.regression.design import Design
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.validation import Unit

Values = NDArray[np.float64]
EXACT = "the model fits all rows exactly: errors and P values are meaningless"
_ALIASED = 1e-9
_ROUNDING = 1e-13


@dataclass(frozen=True)
class LinearFit:
    """A least squares fit with the data that tests and diagnostics need.

    Args:
        fit: estimates with classical errors.
        cells: the cells that the model was fitted to.
        response: column name.
        notes: how the table was handled, and what is unusual about it.
        weights: column name.
        table: the rows, in order, if there are at most `ROWS_KEPT`: factors, response, weights, cluster.
        clustered: the same estimates with cluster-robust errors.
        unit: unit of the response as given; percentages have been converted to fractions.
    """

    fit: Fit
    cells: Cells
    response: str
    notes: tuple[str, ...]
    weights: str | None = None
    table: pd.DataFrame | None = None
    clustered: Fit | None = None
    unit: Unit = "fraction"

    @property
    def design(self) -> Design:
        """Factors, levels and columns."""
        return self.fit.design

    @property
    def robust_fit(self) -> Fit:
        """The fit with cluster-robust errors if there is one, else with classical errors."""
        return self.clustered or self.fit

    @property
    def parameters(self) -> pd.DataFrame:
        """Estimates with classical errors; see `xray.statistics.regression.fit.parameter_table`."""
        return self.fit.parameters

    @cached_property
    def fitted_C(self) -> Values:
        """Fitted value of each cell."""
        return np.asarray(self.design.matrix(self.cells.codes_CF) @ self.fit.estimates_P)

    @cached_property
    def exact(self) -> bool:
        """True if the model fits all rows up to rounding: errors and tests are meaningless."""
        size = max(abs(self.cells.low), abs(self.cells.high))
        return math.sqrt(self.residual_ss / self.cells.weight_C.sum()) <= _ROUNDING * size

    @property
    def residual_ss(self) -> float:
        """Weighted sum of squared residuals of all rows."""
        return residual_ss(self.cells, self.fitted_C)

    @property
    def variance(self) -> float:
        """Residual variance of a row of weight 1: residual sum of squares / residual degrees of freedom."""
        return self.residual_ss / self.fit.df

    @cached_property
    def goodness(self) -> dict[str, float]:
        """Goodness of fit, as in GraphPad Prism and R.

        n, parameters (P), df; sum_of_squares (SS), total_sum_of_squares; r_squared = 1 − SS/total, multiple_r its root,
        adjusted_r_squared; sy_x = √(SS/df), rmse = √(SS/n); f, f_df1, f_p (all coefficients but the intercept are 0);
        log_likelihood of normal errors, aic = −2 log L + 2 (P + 1) and bic as in R (the variance is a parameter);
        aicc as in Prism: n ln(SS/n) + 2 K + 2 K (K + 1) / (n − K − 1) with K = P + 1. SS of an exact fit is 0.

        >>> from xray.statistics import regression
        >>> values = [0.9, 0.5, 0.7, 0.8, 0.5, 0.6]
        >>> goodness = regression(pd.DataFrame({"model": [*"aaabbb"], "accuracy": values}), factors=["model"]).goodness
        >>> {name: round(goodness[name], 4) for name in ("sum_of_squares", "r_squared", "sy_x", "rmse", "aicc")}
        {'sum_of_squares': 0.1267, 'r_squared': 0.05, 'sy_x': 0.178, 'rmse': 0.1453, 'aicc': -5.1477}
        """
        n, p, df, ss = self.cells.rows, len(self.fit.estimates_P), self.fit.df, self.residual_ss * (not self.exact)
        total = residual_ss(self.cells, self.cells.mean)
        r2, k = 1 - ss / total, p + 1
        f = (total - ss) / (p - 1) / (ss / df) if ss > 0 else math.inf
        likelihood = 0.5 * (self.cells.log_weight - n * (math.log(2 * math.pi * ss / n) + 1)) if ss > 0 else math.inf
        corrected = n * math.log(ss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1) if ss > 0 and n > k + 1 else math.nan
        return {
            "n": n, "parameters": p, "df": df, "sum_of_squares": ss, "total_sum_of_squares": total,
            "r_squared": r2, "multiple_r": math.sqrt(max(r2, 0.0)), "adjusted_r_squared": 1 - (1 - r2) * (n - 1) / df,
            "sy_x": math.sqrt(ss / df), "rmse": math.sqrt(ss / n),
            "f": f, "f_df1": p - 1, "f_p": float(stats.f.sf(f, p - 1, df)),
            "log_likelihood": likelihood, "aic": 2 * k - 2 * likelihood, "bic": math.log(n) * k - 2 * likelihood,
            "aicc": corrected,
        }  # fmt: skip

    def relevelled(self, reference: Mapping[str, object]) -> Self:
        """Return the same fit with other reference levels, computed from the cells alone.

        Both designs span the same space, X_old = X_new A: the estimates become A b, their covariance A V A'.

        Raises:
            ConfigError: no such factor or level.

        >>> from xray.statistics import regression
        >>> values = [0.9, 0.5, 0.7, 0.8, 0.5, 0.6]
        >>> table = pd.DataFrame({"image": [*"xyzxyz"], "model": [*"aaabbb"], "accuracy": values})
        >>> fit = regression(table, factors=["model"], cluster="image").relevelled({"model": "b"})
        >>> fit.clustered.parameters[["term", "estimate", "std_error"]].round(3).values.tolist()
        [['Intercept', 0.633, 0.099], ['model[a]', 0.067, 0.037]]
        """
        design = self.design.relevelled(reference)
        levels = pd.DataFrame(self.design.level_columns(self.cells.codes_CF))
        cells = replace(self.cells, codes_CF=design.codes(levels))
        old_CP, new_CP = self.design.matrix(self.cells.codes_CF), design.matrix(cells.codes_CF)
        change_PP = np.rint(linalg.solve((new_CP.T @ new_CP).toarray(), (new_CP.T @ old_CP).toarray(), assume_a="pos"))

        def moved(fit: Fit) -> Fit:
            covariance_PP = change_PP @ fit.covariance_PP @ change_PP.T
            return replace(fit, design=design, estimates_P=change_PP @ fit.estimates_P, covariance_PP=covariance_PP)

        return replace(self, fit=moved(self.fit), cells=cells, clustered=self.clustered and moved(self.clustered))


def least_squares(cells: Cells, design: Design, confidence: float = 0.95) -> Fit:
    """Solve X'W X b = X'W y, with covariance s² (X'W X)⁻¹.

    Raises:
        ConfigError: linearly dependent columns, or no more rows than columns.
    """
    df = cells.rows - len(design.columns)
    if df < 1:
        raise ConfigError(f"{cells.rows:,} rows are too few for {len(design.columns):,} parameters and their errors")
    gram_PP = gram(cells, design)
    check_rank(gram_PP, design)
    estimates_P = linalg.solve(gram_PP, moment(cells, design), assume_a="pos")
    estimates_P[0] += cells.mean
    variance = residual_ss(cells, design.matrix(cells.codes_CF) @ estimates_P) / df
    inverse_PP = np.asarray(linalg.inv(gram_PP, assume_a="pos"))
    return Fit(design, estimates_P, variance * inverse_PP, df, "least squares", confidence=confidence)


def check_varies(cells: Cells, response: str) -> None:
    """Refuse a response that is the same in all rows.

    Raises:
        ConfigError: it is.
    """
    if cells.low == cells.high:
        raise ConfigError(f"{response} is {cells.low:g} in all {cells.rows:,} rows: there is nothing to explain")


def gram(cells: Cells, design: Design) -> Values:
    """Return X'W X, shape (columns, columns)."""
    matrix_CP = design.matrix(cells.codes_CF)
    return np.asarray((matrix_CP.T @ (matrix_CP * cells.weight_C[:, None])).toarray())


def inverse_gram(cells: Cells, design: Design) -> Values:
    """Return (X'W X)⁻¹, the covariance of the estimates at residual variance 1."""
    return np.asarray(linalg.inv(gram(cells, design), assume_a="pos"))


def moment(cells: Cells, design: Design) -> Values:
    """Return X'W (y − mean), shape (columns,)."""
    return np.asarray(design.matrix(cells.codes_CF).T @ (cells.weight_C * (cells.mean_C - cells.mean)))


def residual_ss(cells: Cells, fitted_C: Values | float) -> float:
    """Return the weighted sum of squares of all rows about the fitted value of their cell."""
    return cells.within + float((cells.weight_C * (cells.mean_C - fitted_C) ** 2).sum())


def check_rank(gram_PP: Values, design: Design) -> None:
    """Refuse linearly dependent columns, of which X'W X is given.

    Raises:
        ConfigError: names the first column that is empty or a linear combination of those before it.
    """
    scale_P = np.sqrt(np.diag(gram_PP))
    if empty := [name for name, scale in zip(design.columns, scale_P, strict=True) if scale == 0]:
        raise ConfigError(f"no row is in {_first(empty)}: leave the interaction out, or fill its cells")
    (upper_PP,) = linalg.qr(gram_PP / scale_P / scale_P[:, None], mode="r")
    aliased = [name for name, left in zip(design.columns, np.abs(np.diag(upper_PP)), strict=True) if left < _ALIASED]
    if not aliased:
        return
    term = next(term for term, span in design.spans().items() if set(design.columns[span]) & set(aliased))
    raise ConfigError(
        f"{_first(aliased)} is a linear combination of the columns before it: {':'.join(term)!r} is collinear with the "
        "other factors. Leave out one of them"
    )


def _first(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"
