"""Regressions of counts: binomial (logistic) and Poisson, fitted to cells; likelihoods are those of the rows."""

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

from xray.core.errors import ConfigError
from xray.statistics.regression.cells import Cells, aggregate
from xray.statistics.regression.coded_rows import CodedRows
from xray.statistics.regression.design import Design
from xray.statistics.regression.display import fit_text
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.least_squares import check_rank, gram
from xray.statistics.regression.separation import check_separation
from xray.statistics.regression.validation import Missing, ValidTable, validate_confidence, validate_table

Values = NDArray[np.float64]
_OVERDISPERSED = 1.5
_INTEGER_TOLERANCE = 1e-6


@dataclass(frozen=True, repr=False)
class CountRegression:
    """A generalised linear model of counts, with likelihoods of the table's rows as in R.

    Args:
        fit: estimates on the scale of the link (log odds, or log rates), with normal tests.
        predicted: one row per cell: its levels, what was observed (`correct` and `n`, or `count` and `exposure`), and
            the fitted probability or rate: `predicted`, `ci_low`, `ci_high`.
        rows: number of rows of the table.
        log_likelihood: with all constants.
        deviance: −2 log of the likelihood over that of a model with a parameter for each row.
        null_deviance: the deviance of the mean alone.
        pearson_chi2: sum over rows of (observed − expected)² / variance.
        notes: caveats.
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
        """One row per column of the design; `t` is the normal statistic z."""
        return self.fit.parameters

    def __repr__(self) -> str:
        facts = f"n {self.rows:,}, log likelihood {self.log_likelihood:.6g}, AIC {self.aic:.6g}"
        return fit_text(self.fit, f"{facts}, dispersion {self.dispersion:.4g}", self.notes)

    @property
    def df(self) -> int:
        """Residual degrees of freedom: rows − parameters."""
        return self.rows - len(self.fit.estimates_P)

    @property
    def dispersion(self) -> float:
        """Pearson's χ² / df; above 1 the rows are overdispersed. NaN without degrees of freedom."""
        return self.pearson_chi2 / self.df if self.df else math.nan

    @property
    def aic(self) -> float:
        """−2 log L + 2 P."""
        return 2 * len(self.fit.estimates_P) - 2 * self.log_likelihood

    @property
    def ratios(self) -> pd.DataFrame:
        """Odds ratios, or rate ratios; see `ratios`."""
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
    """Fit a logistic regression (McCullagh & Nelder 1989, Generalized Linear Models, ch. 4).

        correct_i ~ Binomial(n_i, π_i),   log(π_i / (1 − π_i)) = x_i'b

    Args:
        table: one row per prediction, or per group of them.
        factors: categorical columns.
        reference: reference level of each factor; default: the first level.
        correct: column of the number of correct predictions.
        n: column of the number of predictions; None: each row is one prediction, correct (1, True) or not.
        accuracy: column of correct / n, instead of `correct`.
        interactions: tuples of factor names.
        confidence: confidence level of the intervals.
        missing: `error`, or `drop` rows with an empty cell.

    Raises:
        ConfigError: counts that are not whole or exceed n; levels that are always or never correct, whose estimates
            would be infinite; and as `xray.statistics.regression`.

    >>> table = pd.DataFrame({"model": ["a", "b"], "correct": [80, 50], "n": [100, 100]})
    >>> binomial(table, ["model"], n="n").ratios[["term", "ratio"]].round(3).values.tolist()
    [['Intercept', 4.0], ['model[b]', 0.25]]
    """
    if (correct is None) == (accuracy is None) or (accuracy is not None and n is None):
        raise ConfigError("a binomial regression needs `correct` (and `n`, if rows are groups), or `accuracy` and `n`")
    response = correct or str(accuracy)
    valid, rows = _coded(table, response, factors, reference, n, interactions, missing)
    size_N = _whole(rows.weight(slice(0, len(rows))), str(n))
    values_N = rows.response_N.astype(np.float64)
    correct_N = _whole(values_N, response) if accuracy is None else _whole(values_N * size_N, f"{response} × {n}")
    if (outside_N := (correct_N < 0) | (correct_N > size_N)).any():
        row = int(np.argmax(outside_N))
        raise ConfigError(
            f"{response}: {correct_N[row]:g} of {size_N[row]:g} are correct in row {valid.table.index[row]}"
        )
    cells = aggregate(replace(rows, response_N=correct_N / size_N, weight_N=size_N))
    correct_C = np.rint(cells.mean_C * cells.weight_C)
    side_C = np.select([correct_C == cells.weight_C, correct_C == 0], [1, -1], 0)
    check_separation(rows.design, cells.codes_CF, side_C, {1: "always correct", -1: "never correct"})
    endog_C2 = np.stack([correct_C, cells.weight_C - correct_C], axis=1)
    model = GLM(endog_C2, rows.design.matrix(cells.codes_CF).toarray(), Binomial())
    fit = _fit(model, rows.design, "binomial (logit)", confidence)
    predicted = _predict(fit, cells, {"correct": correct_C, "n": cells.weight_C}, special.expit)
    probability_N = _by_row(rows, cells, predicted)
    variance_N = size_N * probability_N * (1 - probability_N)
    return _with_likelihoods(
        fit, predicted, float(((correct_N - size_N * probability_N) ** 2 / variance_N).sum()),
        lambda probability: float(stats.binom.logpmf(correct_N, size_N, probability).sum()),
        probability_N, correct_N / size_N, correct_C.sum() / cells.weight_C.sum(), valid.notes,
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
    """Fit a Poisson regression of counts, errors for example (McCullagh & Nelder 1989, ch. 6).

        count_i ~ Poisson(exposure_i · λ_i),   log λ_i = x_i'b

    Args:
        table: one row per count.
        response: column of whole numbers from 0.
        factors: categorical columns.
        reference: reference level of each factor; default: the first level.
        exposure: column of positive numbers that counts are relative to; None: 1 each.
        interactions: tuples of factor names.
        confidence: confidence level of the intervals.
        missing: `error`, or `drop` rows with an empty cell.

    Raises:
        ConfigError: counts that are not whole or negative; levels without any count, whose estimates would be infinite;
            and as `xray.statistics.regression`.

    >>> table = pd.DataFrame({"model": ["a", "b", "b"], "mistakes": [10, 30, 50], "images": [100, 100, 100]})
    >>> poisson(table, "mistakes", ["model"], exposure="images").ratios["ratio"].round(3).tolist()
    [0.1, 4.0]
    """
    valid, rows = _coded(table, response, factors, reference, exposure, interactions, missing)
    exposure_N = rows.weight(slice(0, len(rows)))
    count_N = _whole(rows.response_N.astype(np.float64), response)
    if (count_N < 0).any():
        raise ConfigError(f"{response} has the count {count_N.min():g}; counts are 0 or more")
    cells = aggregate(replace(rows, response_N=count_N / exposure_N, weight_N=exposure_N))
    count_C = np.rint(cells.mean_C * cells.weight_C)
    check_separation(rows.design, cells.codes_CF, np.where(count_C == 0, -1, 0), {-1: "never counted"})
    matrix_CP = rows.design.matrix(cells.codes_CF).toarray()
    fit = _fit(GLM(count_C, matrix_CP, Poisson(), exposure=cells.weight_C), rows.design, "Poisson (log)", confidence)
    predicted = _predict(fit, cells, {"count": count_C, "exposure": cells.weight_C}, np.exp)
    rate_N = _by_row(rows, cells, predicted)
    return _with_likelihoods(
        fit, predicted, float(((count_N - exposure_N * rate_N) ** 2 / (exposure_N * rate_N)).sum()),
        lambda rate: float(stats.poisson.logpmf(count_N, exposure_N * rate).sum()),
        rate_N, count_N / exposure_N, count_C.sum() / cells.weight_C.sum(), valid.notes,
    )  # fmt: skip


def ratios(fit: Fit) -> pd.DataFrame:
    """Return exponentials of the estimates: odds ratios of a binomial regression, rate ratios of a Poisson one.

        ratio = exp(estimate);   interval = exp(estimate ± z · std_error)

    Returns:
        One row per column of the design: `term`, `ratio`, `ci_low`, `ci_high`, `p`, `p_summary`; the intercept's is the
        odds, or rate, of the reference levels.

    >>> table = pd.DataFrame({"model": ["a", "b"], "correct": [80, 50], "n": [100, 100]})
    >>> ratios(binomial(table, ["model"], n="n").fit).round(3).values.tolist()
    [['Intercept', 4.0, 2.451, 6.529, 0.0, '****'], ['model[b]', 0.25, 0.133, 0.468, 0.0, '****']]
    """
    table = fit.parameters.rename(columns={"estimate": "ratio"})
    columns = ["ratio", "ci_low", "ci_high"]
    table[columns] = np.exp(table[columns])
    return table[["term", *columns, "p", "p_summary"]]


def _coded(
    table: pd.DataFrame,
    response: str,
    factors: Sequence[str],
    reference: Mapping[str, object] | None,
    weights: str | None,
    interactions: Sequence[Sequence[str]],
    missing: Missing,
) -> tuple[ValidTable, CodedRows]:
    valid = validate_table(table, response, factors, weights, unit="any", missing=missing)
    rows = CodedRows.of(valid.table, Design.of(valid.table, factors, reference, interactions), response, weights)
    check_rank(gram(aggregate(rows), rows.design), rows.design)
    return valid, rows


def _whole(values_N: Values, name: str) -> Values:
    rounded_N = np.rint(values_N)
    if (fraction_N := np.abs(values_N - rounded_N) > _INTEGER_TOLERANCE).any():
        raise ConfigError(f"{name} has the value {values_N[np.argmax(fraction_N)]:g}; counts are whole numbers")
    return rounded_N


def _fit(model: GLM, design: Design, method: str, confidence: float) -> Fit:
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        # A saturated model fits the cells exactly; separation has been checked before.
        warnings.simplefilter("ignore", PerfectSeparationWarning)
        result = model.fit(tol=1e-10, tol_criterion="params", maxiter=100)
    if not result.converged:
        raise ConfigError(
            f"the {method} regression did not converge in 100 iterations: some cells may be almost separated"
        )
    estimates_P, covariance_PP = np.asarray(result.params), np.asarray(result.cov_params())
    return Fit(design, estimates_P, covariance_PP, math.inf, method, confidence=validate_confidence(confidence))


def _predict(
    fit: Fit, cells: Cells, observed: dict[str, Values], inverse_link: Callable[[Values], Values]
) -> pd.DataFrame:
    """Return the fitted value of each cell, with an interval that is symmetric on the scale of the link."""
    linear_C, error_C = fit.combinations(fit.design.matrix(cells.codes_CF).toarray())
    half_C = stats.norm.ppf(0.5 + fit.confidence / 2) * error_C
    bounds = {"predicted": linear_C, "ci_low": linear_C - half_C, "ci_high": linear_C + half_C}
    numbers = {**observed, **{name: inverse_link(values) for name, values in bounds.items()}}
    levels = pd.DataFrame(fit.design.level_columns(cells.codes_CF))
    return pd.concat([levels, pd.DataFrame(numbers)], axis=1)  # a factor may have the same name as a number


def _by_row(rows: CodedRows, cells: Cells, predicted: pd.DataFrame) -> Values:
    expected_C = np.zeros(rows.design.shape)
    expected_C[tuple(cells.codes_CF.T)] = predicted.iloc[:, len(rows.design.names) :]["predicted"].to_numpy()
    return expected_C.ravel()[rows.cell(slice(0, len(rows)))]


def _with_likelihoods(
    fit: Fit,
    predicted: pd.DataFrame,
    chi2: float,
    likelihood: Callable[[Values], float],
    fitted_N: Values,
    observed_N: Values,
    mean: float,
    notes: tuple[str, ...],
) -> CountRegression:
    """Compare the likelihood of the fit with those of a parameter for each row, and of the mean alone."""
    own, saturated, null = (likelihood(values) for values in (fitted_N, observed_N, np.full(len(observed_N), mean)))
    result = CountRegression(
        fit, predicted, len(observed_N), own, 2 * (saturated - own), 2 * (saturated - null), chi2, notes
    )
    if not result.dispersion > _OVERDISPERSED:
        return result
    note = (
        f"overdispersion: rows vary {result.dispersion:.3g} times as much as a {fit.method.split()[0]} distribution; "
        "errors are too small by the square root of that. Use clustered errors or a mixed model"
    )
    return replace(result, notes=(*notes, note))
