"""Estimates, their covariance, and the table of parameters: the result of every kind of regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from xray.core.errors import unknown
from xray.statistics.regression.design import Design
from xray.statistics.regression.validation import validate_confidence

Values = NDArray[np.float64]
_ROUNDING = 1e-12
STARS = ((0.0001, "****"), (0.001, "***"), (0.01, "**"), (0.05, "*"))


@dataclass(frozen=True)
class Fit:
    """Estimates of a linear predictor.

    Args:
        design: the design whose columns have the coefficients.
        estimates_P: coefficients.
        covariance_PP: covariance of the estimates.
        df: degrees of freedom of the t distribution of estimate / standard error; infinite for the normal one.
        method: name of the estimator: `least squares`, `binomial (logit)`.
        errors: kind of standard errors: `classical`, `clustered by image_id (1,234 clusters)`.
        confidence: confidence level of the intervals, inside (0, 1).
    """

    design: Design
    estimates_P: Values
    covariance_PP: Values
    df: float
    method: str
    errors: str = "classical"
    confidence: float = 0.95

    @property
    def parameters(self) -> pd.DataFrame:
        """One row per column of the design; see `parameter_table`. NaN for an error that is rounding alone."""
        errors_P = self._errors(np.diag(self.covariance_PP))
        return parameter_table(self.design.columns, self.estimates_P, errors_P, self.df, self.confidence)

    def index(self, term: str) -> int:
        """Return the index of a column, for example `model[resnet50]`.

        Raises:
            ConfigError: no such column.
        """
        if term not in self.design.columns:
            raise unknown("term", term, self.design.columns)
        return self.design.columns.index(term)

    def estimate(self, term: str) -> float:
        """Return the coefficient of a column; raises as `index`."""
        return float(self.estimates_P[self.index(term)])

    def combinations(self, weights_KP: Values) -> tuple[Values, Values]:
        """Return linear combinations of the estimates, and their standard errors.

        Args:
            weights_KP: shape (combinations, columns).

        Returns:
            Shape (combinations,) each; NaN for an error that is rounding alone.
        """
        variance_K = np.einsum("kp,pq,kq->k", weights_KP, self.covariance_PP, weights_KP)
        return weights_KP @ self.estimates_P, self._errors(variance_K)

    def _errors(self, variance_K: Values) -> Values:
        """Return roots of variances, NaN where rows are fitted exactly: t would be unbounded."""
        error_K = np.sqrt(np.maximum(variance_K, 0.0))
        return np.where(error_K > _ROUNDING * np.abs(self.estimates_P).max(), error_K, np.nan)

    def at(self, confidence: float) -> Fit:
        """Return the same fit with another confidence level.

        Raises:
            ConfigError: a level outside (0, 1).
        """
        return replace(self, confidence=validate_confidence(confidence))


def parameter_table(
    names: Sequence[str], estimates_K: Values, errors_K: Values, df: float, confidence: float
) -> pd.DataFrame:
    """Return estimates with confidence intervals and tests against 0.

        t = estimate / std_error;  p = 2 P(T_df > |t|);  interval = estimate ± std_error · t_df(½ + confidence / 2)

    Returns:
        Columns `term`, `estimate`, `std_error`, `ci_low`, `ci_high`, `t` (signed), `p`, `p_summary` (see `stars`).

    >>> parameter_table(["b"], np.array([0.05]), np.array([0.01445]), 516, 0.95).round(4).values.tolist()[0]
    ['b', 0.05, 0.0144, 0.0216, 0.0784, 3.4602, 0.0006, '***']
    """
    t_K = estimates_K / errors_K
    p_K = 2 * stats.t.sf(np.abs(t_K), df)
    half_K = stats.t.ppf(0.5 + confidence / 2, df) * errors_K
    return pd.DataFrame(
        {
            "term": names, "estimate": estimates_K, "std_error": errors_K, "ci_low": estimates_K - half_K,
            "ci_high": estimates_K + half_K, "t": t_K, "p": p_K, "p_summary": list(map(stars, p_K)),
        }
    )  # fmt: skip


def stars(p: float) -> str:
    """Return a P value as GraphPad Prism's stars.

    >>> stars(0.00001), stars(0.03), stars(0.2), stars(float("nan"))
    ('****', '*', 'ns', '')
    """
    if np.isnan(p):
        return ""
    return next((mark for limit, mark in STARS if p < limit), "ns")
