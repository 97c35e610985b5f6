"""What a design can see: the power of its tests, and the smallest effects that they would not miss."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import integrate, optimize, special, stats

from xray.core.errors import XrayError
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.least_squares import Regression


def power_of(fit: Fit, term: str, effect: float, alpha: float = 0.05) -> float:
    """Probability that the two-sided t test of a coefficient finds an effect of this size.

        power = P(|T| > t_crit),  T noncentral t with df degrees of freedom and noncentrality effect / std_error

    For the design at hand, and the scatter that was seen in it (Cohen 1988, Statistical Power Analysis, 2nd ed.).

    Args:
        fit: whose errors are taken.
        term: a column, `scenario[blur]`.
        effect: true size of the coefficient.
        alpha: level of the test, inside (0, 1).

    Raises:
        XrayError: no such term, or no such level of a test.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": [*"ab"] * 20, "accuracy": [0.5, 0.6, 0.7, 0.6] * 10})
    >>> round(power_of(regression(table, factors=["model"]).fit, "model[b]", effect=0.05), 3)
    0.565
    """
    place = fit.place(term)
    return _power(abs(effect) / float(np.sqrt(fit.covariance_PP[place, place])), fit.df, _checked(alpha))


def minimum_detectable_effect(regression: Regression, power: float = 0.8, alpha: float = 0.05) -> pd.DataFrame:
    """The smallest coefficient that would be found with a given power, for every column.

    Rests on clustered errors where there are any.

    Args:
        regression: a fit of the design at hand.
        power: inside (alpha, 1).
        alpha: level of the two-sided tests.

    Returns:
        `term`, `std_error`, `minimum_detectable_effect` (in the response's unit), `power`, `alpha`.

    Raises:
        XrayError: power or level are out of range.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": [*"ab"] * 20, "accuracy": [0.5, 0.6, 0.7, 0.6] * 10})
    >>> minimum_detectable_effect(regression(table, factors=["model"]))["minimum_detectable_effect"].round(4).tolist()
    [0.0466, 0.066]
    """
    if not _checked(alpha) < power < 1:
        raise XrayError(f"a power lies between alpha = {alpha:g} and 1, 0.8 for example, not {power:g}")
    fit = regression.clustered or regression.fit
    enough = 1.0
    while _power(enough, fit.df, alpha) < power:
        enough *= 2
    shift = optimize.brentq(lambda size: _power(size, fit.df, alpha) - power, 0.0, enough)
    table = fit.parameters[["term", "std_error"]]
    return table.assign(minimum_detectable_effect=shift * table["std_error"], power=power, alpha=alpha)


def _power(noncentrality: float, df: float, alpha: float) -> float:
    """Of |T| > t_crit; scipy's noncentral t is not a number where both are far out."""
    limit = float(stats.t.isf(alpha / 2, df))

    def beyond(scale: float) -> float:
        return float(special.ndtr(noncentrality - limit * scale) + special.ndtr(-noncentrality - limit * scale))

    if np.isinf(df):
        return beyond(1.0)
    # T = (Z + noncentrality) / √(χ²/df): normal for each χ², whose shares 0 … 1 are what is integrated over.
    share, _ = integrate.quad(lambda u: beyond(math.sqrt(special.chdtri(df, 1 - u) / df)), 0, 1, limit=200)
    return float(share)


def _checked(alpha: float) -> float:
    if not 0 < alpha < 1:
        raise XrayError(f"the level of a test lies inside (0, 1), 0.05 for example, not {alpha:g}")
    return alpha
