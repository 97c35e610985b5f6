"""Tests of normality: the four that GraphPad Prism prints."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.diagnostic import lilliefors, normal_ad

from xray.statistics.regression.fit import stars
from xray.statistics.regression.tables_text import p_text

Values = NDArray[np.float64]
_MAX_LILLIEFORS_P = 0.1


@dataclass(frozen=True)
class TestResult:
    """The result of a hypothesis test.

    Args:
        name: name of the test.
        statistic: None where the test was skipped.
        p: inside 0 … 1; None where the test was skipped.
        p_text: the P value as GraphPad Prism prints it.
        passed: whether the null hypothesis is not rejected; None where the test was skipped.
        verdict: `passed at alpha 0.05`, or why the test was skipped.
        p_summary: stars.
    """

    __test__: ClassVar[bool] = False  # pytest collects no class of that name

    name: str
    statistic: float | None
    p: float | None
    p_text: str
    passed: bool | None
    verdict: str
    p_summary: str

    @classmethod
    def of(cls, name: str, statistic: float, p: float, alpha: float, text: str = "") -> TestResult:
        """Compare a P value with the significance level."""
        passed = p >= alpha
        verdict = f"{'passed' if passed else 'failed'} at alpha {alpha:g}"
        return cls(name, statistic, p, text or p_text(p), passed, verdict, stars(p))

    @classmethod
    def skipped(cls, name: str, reason: str) -> TestResult:
        """Return the result of a test that cannot be made."""
        return cls(name, None, None, "", None, reason, "")


def normality(values_N: Values, alpha: float = 0.05) -> tuple[TestResult, ...]:
    """Test normality with unknown mean and variance.

    - D'Agostino-Pearson: K² = z(skewness)² + z(kurtosis)², χ² with 2 df (D'Agostino & Pearson 1973); from 20 values on,
      since the kurtosis is not close enough to normal below.
    - Anderson-Darling: A² with P by D'Agostino & Stephens 1986, table 4.9; from 8 values on.
    - Shapiro-Wilk: W with P by Royston 1995; for 3 to 5,000 values, as in R.
    - Kolmogorov-Smirnov: D with Lilliefors' P by Dallal & Wilkinson 1986, from 5 values on. That approximation holds up
      to P = 0.1; above, `p_text` is `>0.1000` as in Prism, and `p` is from statsmodels' table of simulated critical
      values.

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
        ("Kolmogorov-Smirnov (Lilliefors)", lambda v_N: lilliefors(v_N, dist="norm", pvalmethod="approx"), 5, math.inf),
    ]
    results, n = [], len(values_N)
    for name, test, min_values, max_values in tests:
        if n < min_values:
            results.append(TestResult.skipped(name, f"needs {min_values} values or more, there are {n}"))
        elif n > max_values:
            results.append(
                TestResult.skipped(name, f"P values are known for up to {max_values:,} values, there are {n:,}")
            )
        else:
            statistic, p = map(float, test(values_N))
            beyond = "Lilliefors" in name and p > _MAX_LILLIEFORS_P
            results.append(TestResult.of(name, statistic, p, alpha, ">0.1000" if beyond else ""))
    return tuple(results)


def _anderson_darling(values_N: Values) -> tuple[float, float]:
    with np.errstate(divide="ignore"):  # the normal tail probability of a far outlier is 0
        statistic, p = normal_ad(values_N)
    return statistic, p
