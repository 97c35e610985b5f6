"""Regressions of counts: logistic of right among asked, Poisson of how often; fitted from cells, judged row by row."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats
from statsmodels.genmod.families import Binomial, Poisson
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

from xray.core.errors import XrayError
from xray.statistics.regression.cells import Cells, cells_of
from xray.statistics.regression.coded_rows import Rows
from xray.statistics.regression.design import Design
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.least_squares import check_rank, gram
from xray.statistics.regression.separation import check_separation
from xray.statistics.regression.validation import Checked, Missing, checked, checked_confidence

Values = NDArray[np.float64]
_OVERDISPERSED = 1.5
_WHOLE = 1e-6
_POWERS = {"ratio": "estimate", "ci_low": "ci_low", "ci_high": "ci_high"}


@dataclass(frozen=True)
class CountRegression:
    """A generalised linear model of counts, with likelihoods of the table's rows as R has them.

    Args:
        fit: estimates on the scale of the link (logarithms of odds, or of rates), with normal tests.
        predicted: one row a cell: its levels, what was seen (`correct` and `n`, or `count` and `exposure`), and what is
            expected: `predicted` (a probability, or a rate), `ci_low`, `ci_high`.
        rows: of the table.
        log_likelihood: with all constants.
        deviance: −2 log of the likelihood over that of a model with a parameter for each row.
        null_deviance: the same of the mean alone.
        pearson_chi2: sum over rows of (seen − expected)² / variance.
        notes: for people.
    """

    fit: Fit
    predicted: pd.DataFrame
    rows: int
    log_likelihood: float
    deviance: float
    null_deviance: float
    pearson_chi2: float
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> pd.DataFrame:
        """One row a column of the design; `t` is the normal statistic z."""
        return self.fit.parameters

    def __repr__(self) -> str:
        from xray.statistics.regression.display import fit_text

        facts = f"n {self.rows:,}, log likelihood {self.log_likelihood:.6g}, AIC {self.aic:.6g}"
        return fit_text(self.fit, f"{facts}, dispersion {self.dispersion:.4g}", self.notes)

    @property
    def df(self) -> int:
        """Rows less parameters: about what Pearson's χ² comes to if the model holds."""
        return self.rows - len(self.fit.estimates_P)

    @property
    def dispersion(self) -> float:
        """Pearson's χ² / df: above 1 the rows scatter more than the distribution has it. NaN without df."""
        return self.pearson_chi2 / self.df if self.df else math.nan

    @property
    def aic(self) -> float:
        """−2 log L + 2 P."""
        return 2 * len(self.fit.estimates_P) - 2 * self.log_likelihood

    @property
    def ratios(self) -> pd.DataFrame:
        """Odds ratios, or ratios of rates; see `ratios`."""
        return ratios(self.fit)


def binomial(
    table: pd.DataFrame,
    factors: Sequence[str] = ("model", "scenario", "category"),
    reference: Mapping[str, object] | None = None,
    *,
    correct: str | None = "correct",
    n: str | None = None,
    accuracy: str | None = None,
    interactions: Sequence[Sequence[str]] = (),
    confidence: float = 0.95,
    missing: Missing = "error",
) -> CountRegression:
    """Logistic regression (McCullagh & Nelder 1989, Generalized Linear Models, ch. 4): expectations stay inside (0, 1).

        correct_i ~ Binomial(n_i, π_i),   log(π_i / (1 − π_i)) = x_i'b

    Args:
        table: one row a prediction, or a group of them.
        factors: columns of categories.
        reference: level that the others of a factor are compared with; default: the first.
        correct: column: how many are right.
        n: column: of how many; None: each row is one prediction, right (1, True) or wrong.
        accuracy: column of correct / n, in place of `correct`.
        interactions: of factors, by name.
        confidence: of the intervals.
        missing: what is done with rows in which something is empty.

    Raises:
        XrayError: counts that are not whole or more than n; levels that are right or wrong throughout, whose estimates
            would be infinite; and as `xray.statistics.regression` does.

    >>> table = pd.DataFrame({"model": ["a", "b"], "correct": [80, 50], "n": [100, 100]})
    >>> made = binomial(table, ["model"], n="n")
    >>> made.ratios[["term", "ratio"]].round(3).values.tolist()
    [['Intercept', 4.0], ['model[b]', 0.25]]
    """
    if (correct is None) == (accuracy is None) or (accuracy is not None and n is None):
        raise XrayError(
            "a binomial regression needs `correct` (with `n`, where rows are groups), or `accuracy` and `n`"
        )
    named = correct or str(accuracy)
    good, rows = _rows(table, named, factors, reference, n, interactions, missing)
    size_N = _whole(np.ones(len(rows)) if rows.weight_N is None else rows.weight_N, str(n))
    values_N = rows.response_N.astype(np.float64)
    right_N = _whole(
        values_N if accuracy is None else values_N * size_N, named if accuracy is None else f"{named} × {n}"
    )
    if (outside_N := (right_N < 0) | (right_N > size_N)).any():
        row = int(np.argmax(outside_N))
        raise XrayError(f"{named}: {right_N[row]:g} of {size_N[row]:g} are right in row {good.table.index[row]}")
    made = cells_of(replace(rows, response_N=right_N / size_N, weight_N=size_N))
    right_C = np.rint(made.mean_C * made.weight_C)
    side_C = np.select([right_C == made.weight_C, right_C == 0], [1, -1], 0)
    check_separation(rows.design, made.codes_CF, side_C, {1: "always right", -1: "never right"})
    endog_C2 = np.stack([right_C, made.weight_C - right_C], axis=1)
    model = GLM(endog_C2, rows.design.matrix(made.codes_CF).toarray(), Binomial())
    fit = _fitted(model, rows.design, "binomial (logit)", confidence)
    predicted = _predicted(fit, made, {"correct": right_C, "n": made.weight_C}, special.expit)
    chance_N = _by_row(rows, made, predicted)
    variance_N = size_N * chance_N * (1 - chance_N)
    return _judged(
        fit, predicted, float(((right_N - size_N * chance_N) ** 2 / variance_N).sum()),
        lambda chance: float(stats.binom.logpmf(right_N, size_N, chance).sum()),
        chance_N, right_N / size_N, right_C.sum() / made.weight_C.sum(), good.notes,
    )  # fmt: skip


def poisson(
    table: pd.DataFrame,
    response: str,
    factors: Sequence[str] = ("model", "scenario", "category"),
    reference: Mapping[str, object] | None = None,
    *,
    exposure: str | None = None,
    interactions: Sequence[Sequence[str]] = (),
    confidence: float = 0.95,
    missing: Missing = "error",
) -> CountRegression:
    """Poisson regression of counts (McCullagh & Nelder 1989, ch. 6), mistakes for example.

        count_i ~ Poisson(exposure_i · λ_i),   log λ_i = x_i'b

    Args:
        table: one row a count.
        response: column of whole numbers from 0.
        factors: columns of categories.
        reference: level that the others of a factor are compared with; default: the first.
        exposure: column above 0: what the count is out of; None: 1 each.
        interactions: of factors, by name.
        confidence: of the intervals.
        missing: what is done with rows in which something is empty.

    Raises:
        XrayError: counts that are not whole or below 0; levels without any count, whose estimates would be infinite;
            and as `xray.statistics.regression` does.

    >>> table = pd.DataFrame({"model": ["a", "b", "b"], "mistakes": [10, 30, 50], "images": [100, 100, 100]})
    >>> poisson(table, "mistakes", ["model"], exposure="images").ratios["ratio"].round(3).tolist()
    [0.1, 4.0]
    """
    good, rows = _rows(table, response, factors, reference, exposure, interactions, missing)
    exposure_N = np.ones(len(rows)) if rows.weight_N is None else rows.weight_N
    count_N = _whole(rows.response_N.astype(np.float64), response)
    if (count_N < 0).any():
        raise XrayError(f"{response} has the count {count_N.min():g}; counts are 0 or more")
    made = cells_of(replace(rows, response_N=count_N / exposure_N, weight_N=exposure_N))
    count_C = np.rint(made.mean_C * made.weight_C)
    check_separation(rows.design, made.codes_CF, np.where(count_C == 0, -1, 0), {-1: "never counted"})
    matrix_CP = rows.design.matrix(made.codes_CF).toarray()
    fit = _fitted(GLM(count_C, matrix_CP, Poisson(), exposure=made.weight_C), rows.design, "Poisson (log)", confidence)
    predicted = _predicted(fit, made, {"count": count_C, "exposure": made.weight_C}, np.exp)
    rate_N = _by_row(rows, made, predicted)
    return _judged(
        fit, predicted, float(((count_N - exposure_N * rate_N) ** 2 / (exposure_N * rate_N)).sum()),
        lambda rate: float(stats.poisson.logpmf(count_N, exposure_N * rate).sum()),
        rate_N, count_N / exposure_N, count_C.sum() / made.weight_C.sum(), good.notes,
    )  # fmt: skip


def ratios(fit: Fit) -> pd.DataFrame:
    """Exponentials of a fit's estimates: odds ratios of a binomial regression, ratios of rates of a Poisson one.

        ratio = exp(estimate);   interval = exp(estimate ± z · std_error)

    Returns:
        One row a column of the design: `term`, `ratio`, `ci_low`, `ci_high`, `p`, `p_summary`; the intercept's is the
        odds, or rate, of the reference levels themselves.

    >>> table = pd.DataFrame({"model": ["a", "b"], "correct": [80, 50], "n": [100, 100]})
    >>> ratios(binomial(table, ["model"], n="n").fit).round(3).values.tolist()
    [['Intercept', 4.0, 2.451, 6.529, 0.0, '****'], ['model[b]', 0.25, 0.133, 0.468, 0.0, '****']]
    """
    table = fit.parameters
    powers = {name: np.exp(table[column]) for name, column in _POWERS.items()}
    return table[["term"]].assign(**powers, p=table["p"], p_summary=table["p_summary"])


def _rows(
    table: pd.DataFrame,
    response: str,
    factors: Sequence[str],
    reference: Mapping[str, object] | None,
    weights: str | None,
    interactions: Sequence[Sequence[str]],
    missing: Missing,
) -> tuple[Checked, Rows]:
    good = checked(table, response, factors, weights, unit="any", missing=missing)
    rows = Rows.of(good.table, Design.of(good.table, factors, reference, interactions), response, weights)
    check_rank(gram(cells_of(rows), rows.design), rows.design)
    return good, rows


def _whole(values_N: Values, name: str) -> Values:
    rounded_N = np.rint(values_N)
    if (broken_N := np.abs(values_N - rounded_N) > _WHOLE).any():
        raise XrayError(f"{name} is {values_N[np.argmax(broken_N)]:g} in some row; counts are whole numbers")
    return rounded_N


def _fitted(model: GLM, design: Design, method: str, confidence: float) -> Fit:
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        # A model that has a parameter for each cell fits them exactly; of separation was spoken before.
        warnings.simplefilter("ignore", PerfectSeparationWarning)
        found = model.fit(tol=1e-10, tol_criterion="params", maxiter=100)
    if not found.converged:
        raise XrayError(f"the {method} regression did not converge in 100 steps: are some cells almost all alike?")
    covariance_PP = np.asarray(found.cov_params())
    return Fit(
        design, np.asarray(found.params), covariance_PP, math.inf, method, confidence=checked_confidence(confidence)
    )


def _predicted(fit: Fit, made: Cells, seen: dict[str, Values], inverse: Callable[[Values], Values]) -> pd.DataFrame:
    """What is expected in each cell, with an interval that is symmetric on the scale of the link."""
    linear_C, error_C = fit.combinations(fit.design.matrix(made.codes_CF).toarray())
    half_C = stats.norm.ppf(0.5 + fit.confidence / 2) * error_C
    levels = {
        factor.name: np.array(factor.levels, object)[made.codes_CF[:, place]]
        for place, factor in enumerate(fit.design.factors)
    }
    told = {"predicted": linear_C, "ci_low": linear_C - half_C, "ci_high": linear_C + half_C}
    numbers = {**seen, **{name: inverse(values) for name, values in told.items()}}
    return pd.concat([pd.DataFrame(levels), pd.DataFrame(numbers)], axis=1)  # a factor may be called as a number is


def _by_row(rows: Rows, made: Cells, predicted: pd.DataFrame) -> Values:
    expected_C = np.zeros(rows.design.shape)
    expected_C[tuple(made.codes_CF.T)] = predicted["predicted"].to_numpy()
    return rows.own(expected_C.ravel())[rows.cell(slice(None))]


def _judged(
    fit: Fit,
    predicted: pd.DataFrame,
    chi2: float,
    likelihood: Callable[[Values], float],
    fitted_N: Values,
    own_N: Values,
    mean: float,
    notes: tuple[str, ...],
) -> CountRegression:
    """The fit with its likelihoods: of itself, of a parameter for each row, and of the mean alone."""
    mine, most, least = likelihood(fitted_N), likelihood(own_N), likelihood(np.full(len(own_N), mean))
    made = CountRegression(fit, predicted, len(own_N), mine, 2 * (most - mine), 2 * (most - least), chi2, notes)
    if not made.dispersion > _OVERDISPERSED:
        return made
    note = f"rows scatter {made.dispersion:.3g} times as much as a {fit.method.split()[0]} distribution has it: errors "
    return replace(
        made,
        notes=(
            *notes,
            note + "are too small by the root of that; clustered ones, or a mixed model, are not",
        ),
    )
