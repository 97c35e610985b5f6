"""What every regression comes to: estimates, their covariance, and the table of parameters made of both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from xray.core.errors import unknown
from xray.statistics.regression.design import Design
from xray.statistics.regression.validation import checked_confidence

Values = NDArray[np.float64]
_ROUNDING = 1e-12
STARS = ((0.0001, "****"), (0.001, "***"), (0.01, "**"), (0.05, "*"))


@dataclass(frozen=True)
class Fit:
    """Estimates of a linear predictor.

    Args:
        design: whose columns the estimates belong to.
        estimates_P: of the columns' coefficients.
        covariance_PP: of the estimates.
        df: degrees of freedom of the t distribution of estimate / standard error; infinite for the normal one.
        method: what was minimised or maximised, for people: `least squares`, `binomial (logit)`.
        errors: what the covariance rests on, for people: `classical`, `clustered by image_id (1,234)`.
        confidence: of the intervals, inside (0, 1).
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
        """One row a column of the design; see `parameter_table`. An error that is rounding alone is none: NaN."""
        errors_P = self._errors(np.diag(self.covariance_PP))
        return parameter_table(self.design.columns, self.estimates_P, errors_P, self.df, self.confidence)

    def estimate(self, term: str) -> float:
        """Of the column of that name, for example `model[resnet50]`.

        Raises:
            XrayError: there is none.
        """
        return float(self.estimates_P[self.place(term)])

    def place(self, term: str) -> int:
        """Of a column, from 0.

        Raises:
            XrayError: there is none of that name.
        """
        if term not in self.design.columns:
            raise unknown("term", term, self.design.columns)
        return self.design.columns.index(term)

    def combinations(self, weights_KP: Values) -> tuple[Values, Values]:
        """Linear combinations of the estimates.

        Args:
            weights_KP: shape (combinations, columns).

        Returns:
            Estimates and standard errors, shape (combinations,) each; NaN for an error that is rounding alone.
        """
        variance_K = np.einsum("kp,pq,kq->k", weights_KP, self.covariance_PP, weights_KP)
        return weights_KP @ self.estimates_P, self._errors(variance_K)

    def _errors(self, variance_K: Values) -> Values:
        """Roots of variances; where rows are fitted exactly, what is left is rounding, and t would have no bound."""
        error_K = np.sqrt(np.maximum(variance_K, 0.0))
        return np.where(error_K > _ROUNDING * np.abs(self.estimates_P).max(), error_K, np.nan)

    def at(self, confidence: float) -> Fit:
        """The same with intervals of another confidence.

        Raises:
            XrayError: it is not inside (0, 1).
        """
        return replace(self, confidence=checked_confidence(confidence))


def parameter_table(
    names: list[str], estimates_K: Values, errors_K: Values, df: float, confidence: float
) -> pd.DataFrame:
    """Estimates with intervals and tests against 0.

        t = estimate / std_error;  p = 2 P(T_df > |t|);  interval = estimate ± std_error · t_df(1 − (1 − confidence) / 2)

    Returns:
        Columns `term`, `estimate`, `std_error`, `ci_low`, `ci_high`, `t` (signed), `p`, `p_summary` (see `stars`).

    >>> parameter_table(["b"], np.array([0.05]), np.array([0.01445]), 516, 0.95).round(4).iloc[0].to_dict()
    {'term': 'b', 'estimate': 0.05, 'std_error': 0.0144, 'ci_low': 0.0216, 'ci_high': 0.0784, 't': 3.4602, 'p': 0.0006, 'p_summary': '***'}
    """  # noqa: E501
    t_K = estimates_K / errors_K
    p_K = 2 * stats.t.sf(np.abs(t_K), df)
    half_K = stats.t.ppf(0.5 + confidence / 2, df) * errors_K
    return pd.DataFrame(
        {
            "term": names,
            "estimate": estimates_K,
            "std_error": errors_K,
            "ci_low": estimates_K - half_K,
            "ci_high": estimates_K + half_K,
            "t": t_K,
            "p": p_K,
            "p_summary": [stars(p) for p in p_K],
        }
    )


def stars(p: float) -> str:
    """A P value in GraphPad Prism's stars.

    >>> stars(0.00001), stars(0.03), stars(0.2), stars(float("nan"))
    ('****', '*', 'ns', '')
    """
    if np.isnan(p):
        return ""
    return next((mark for limit, mark in STARS if p < limit), "ns")
