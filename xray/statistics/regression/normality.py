"""Whether numbers come from a normal distribution: the four tests that GraphPad Prism prints."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.diagnostic import lilliefors, normal_ad

from xray.statistics.regression.fit import stars
from xray.statistics.regression.tables_text import p_text

Values = NDArray[np.float64]
_LILLIEFORS_LIMIT = 0.1


@dataclass(frozen=True)
class Outcome:
    """What a test of hypotheses says.

    Args:
        name: of the test.
        statistic: None where the test was not made.
        p: inside 0 … 1; None where the test was not made.
        p_text: the P value as GraphPad Prism prints it.
        passed: whether the null hypothesis stands; None where the test was not made.
        verdict: for people: `passed at alpha 0.05`, or why the test was not made.
        p_summary: stars.
    """

    name: str
    statistic: float | None
    p: float | None
    p_text: str
    passed: bool | None
    verdict: str
    p_summary: str

    @classmethod
    def of(cls, name: str, statistic: float, p: float, alpha: float, text: str = "") -> Outcome:
        """The verdict on a P value."""
        passed = p >= alpha
        verdict = f"{'passed' if passed else 'failed'} at alpha {alpha:g}"
        return cls(name, statistic, p, text or p_text(p), passed, verdict, stars(p))

    @classmethod
    def none(cls, name: str, reason: str) -> Outcome:
        """A test that was not made."""
        return cls(name, None, None, "", None, reason, "")


def normality(values_N: Values, alpha: float = 0.05) -> tuple[Outcome, ...]:
    """Tests of normality with unknown mean and variance.

    - D'Agostino-Pearson: K² = z(skewness)² + z(kurtosis)², χ² with 2 df (D'Agostino & Pearson 1973); from 20 values on,
      since the kurtosis is not near enough to normal below.
    - Anderson-Darling: A² with P by D'Agostino & Stephens 1986, table 4.9; from 8 values on.
    - Shapiro-Wilk: W with P by Royston 1995; for 3 to 5,000 values, as in R.
    - Kolmogorov-Smirnov: D with Lilliefors' P by Dallal & Wilkinson 1986, from 5 values on. That approximation holds up
      to P = 0.1; above, Prism prints `>0.1000`, and so does `p_text`, while `p` comes from statsmodels' table of
      simulated critical values.

    Args:
        values_N: residuals, at least two of them different.
        alpha: significance level of the verdicts.

    >>> values_N = stats.norm.ppf((np.arange(40) + 0.5) / 40)
    >>> [(test.name, test.p_text, test.verdict) for test in normality(values_N)][-1]
    ('Kolmogorov-Smirnov (Lilliefors)', '>0.1000', 'passed at alpha 0.05')
    """
    tests: list[tuple[str, Callable[[Values], tuple[float, float]], int, float]] = [
        ("D'Agostino-Pearson", stats.normaltest, 20, math.inf),
        ("Anderson-Darling", _anderson_darling, 8, math.inf),
        ("Shapiro-Wilk", stats.shapiro, 3, 5000),
    ]
    made = [_outcome(values_N, alpha, *test) for test in tests]
    return (*made, _lilliefors(values_N, alpha))


def _outcome(
    values_N: Values, alpha: float, name: str, test: Callable[[Values], tuple[float, float]], fewest: int, most: float
) -> Outcome:
    if len(values_N) < fewest:
        return Outcome.none(name, f"needs {fewest} values or more, there are {len(values_N)}")
    if len(values_N) > most:
        return Outcome.none(name, f"its P value is known for up to {most:,} values, there are {len(values_N):,}")
    statistic, p = map(float, test(values_N))
    return Outcome.of(name, statistic, p, alpha)


def _anderson_darling(values_N: Values) -> tuple[float, float]:
    with np.errstate(divide="ignore"):  # a value so far out that the normal distribution has no room for it
        statistic, p = normal_ad(values_N)
    return statistic, p


def _lilliefors(values_N: Values, alpha: float) -> Outcome:
    name, fewest = "Kolmogorov-Smirnov (Lilliefors)", 5
    if len(values_N) < fewest:
        return Outcome.none(name, f"needs {fewest} values or more, there are {len(values_N)}")
    statistic, p = map(float, lilliefors(values_N, dist="norm", pvalmethod="approx"))
    return Outcome.of(name, statistic, p, alpha, "" if p <= _LILLIEFORS_LIMIT else ">0.1000")
