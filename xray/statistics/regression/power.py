"""Statistical power of the t tests of a regression, and minimum detectable effects."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import integrate, optimize, special, stats

from xray.core.errors import ConfigError
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.least_squares import LinearFit


def power_of(fit: Fit, term: str, effect: float, alpha: float = 0.05) -> float:
    """Compute the power of the two-sided t test of a coefficient (Cohen 1988, Statistical Power Analysis, 2nd ed.).

        power = P(|T| > t_crit),  T noncentral t with df degrees of freedom and noncentrality effect / std_error

    Args:
        fit: the fit whose standard errors are used.
        term: a column, `scenario[blur]`.
        effect: true size of the coefficient.
        alpha: significance level, inside (0, 1).

    Raises:
        ConfigError: no such column, or alpha out of range.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": [*"ab"] * 20, "accuracy": [0.5, 0.6, 0.7, 0.6] * 10})
    >>> round(power_of(regression(table, factors=["model"]).fit, "model[b]", effect=0.05), 3)
    0.565
    """
    index = fit.index(term)
    return _power(abs(effect) / float(np.sqrt(fit.covariance_PP[index, index])), fit.df, _validate_alpha(alpha))


def minimum_detectable_effect(regression: LinearFit, power: float = 0.8, alpha: float = 0.05) -> pd.DataFrame:
    """Compute, for every column, the smallest coefficient that a test detects with a given power.

    Uses clustered errors where there are any.

    Args:
        regression: a fit of the same design.
        power: inside (alpha, 1).
        alpha: significance level of the two-sided tests.

    Returns:
        `term`, `std_error`, `minimum_detectable_effect` (in the response's unit), `power`, `alpha`.

    Raises:
        ConfigError: power or alpha out of range.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": [*"ab"] * 20, "accuracy": [0.5, 0.6, 0.7, 0.6] * 10})
    >>> minimum_detectable_effect(regression(table, factors=["model"]))["minimum_detectable_effect"].round(4).tolist()
    [0.0466, 0.066]
    """
    if not _validate_alpha(alpha) < power < 1:
        raise ConfigError(f"power is between alpha = {alpha:g} and 1, for example 0.8, not {power:g}")
    fit = regression.robust_fit
    enough = 1.0
    while _power(enough, fit.df, alpha) < power:
        enough *= 2
    shift = optimize.brentq(lambda size: _power(size, fit.df, alpha) - power, 0.0, enough)
    table = fit.parameters[["term", "std_error"]]
    return table.assign(minimum_detectable_effect=shift * table["std_error"], power=power, alpha=alpha)


def _power(noncentrality: float, df: float, alpha: float) -> float:
    """Return P(|T| > t_crit) by integration: scipy's noncentral t is NaN far out in the tails."""
    limit = float(stats.t.isf(alpha / 2, df))

    def beyond(scale: float) -> float:
        return float(special.ndtr(noncentrality - limit * scale) + special.ndtr(-noncentrality - limit * scale))

    if np.isinf(df):
        return beyond(1.0)
    # T = (Z + noncentrality) / √(χ²/df) is normal given χ²; integrate over the quantiles 0 … 1 of χ².
    power, _ = integrate.quad(lambda u: beyond(math.sqrt(special.chdtri(df, 1 - u) / df)), 0, 1, limit=200)
    return float(power)


def _validate_alpha(alpha: float) -> float:
    if not 0 < alpha < 1:
        raise ConfigError(f"a significance level is inside (0, 1), for example 0.05, not {alpha:g}")
    return alpha
