"""Regressions of counts: binomial (logistic) and Poisson, fitted to cells; likelihoods are those of the rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from statsmodels.genmod.families import Binomial, Family, Poisson
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

from xray.core.errors import ConfigError
from xray.statistics.regression.cells import CodedRows, aggregate
from xray.statistics.regression.cluster_robust import cluster_notes, cluster_robust
from xray.statistics.regression.clusters import clustered_rows
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
        clustered: the same estimates with cluster-robust errors, and t tests.
    """

    fit: Fit
    predicted: pd.DataFrame
    rows: int
    log_likelihood: float
    deviance: float
    null_deviance: float
    pearson_chi2: float
    notes: tuple[str, ...] = ()
    clustered: Fit | None = None

    @property
    def parameters(self) -> pd.DataFrame:
        """One row per column of the design, with classical errors; `t` is the normal statistic z."""
        return self.fit.parameters

    @property
    def robust_fit(self) -> Fit:
        """The fit with cluster-robust errors if there is one, else with classical errors."""
        return self.clustered or self.fit

    def __repr__(self) -> str:
        facts = f"n {self.rows:,}, log likelihood {self.log_likelihood:.6g}, AIC {self.aic:.6g}"
        return fit_text(self.robust_fit, f"{facts}, dispersion {self.dispersion:.4g}", self.notes)

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
        """Odds ratios of a binomial regression, rate ratios of a Poisson one: exponentials of estimates and limits.

        One row per column of the design: `term`, `ratio`, `ci_low`, `ci_high`, `p`, `p_summary`; the intercept's is
        the odds, or rate, of the reference levels. Errors are clustered where clusters were given.

        >>> table = pd.DataFrame({"model": ["a", "b"], "correct": [80, 50], "n": [100, 100]})
        >>> binomial(table, ["model"], n="n").ratios.round(3).values.tolist()
        [['Intercept', 4.0, 2.451, 6.529, 0.0, '****'], ['model[b]', 0.25, 0.133, 0.468, 0.0, '****']]
        """
        columns = ["ratio", "ci_low", "ci_high"]
        table = self.robust_fit.parameters.rename(columns={"estimate": "ratio"})
        table[columns] = np.exp(table[columns])
        return table[["term", *columns, "p", "p_summary"]]


def binomial(
    table: pd.DataFrame,
    factors: Sequence[str] = ("model", "scenario", "category"),
    reference: Mapping[str, object] | None = None,
    *,
    correct: str | None = "correct",
    n: str | None = None,
    accuracy: str | None = None,
    cluster: str | None = None,
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
        cluster: column of what correlates rows, the photograph for example; adds `CountRegression.clustered`.
        interactions: tuples of factor names.
        confidence: confidence level of the intervals.
        missing: `error`, or `drop` rows with an empty cell.

    Raises:
        ConfigError: counts that are not whole or exceed n; levels that are always or never correct, whose estimates
            would be infinite; and as `xray.statistics.regression`.

    >>> table = pd.DataFrame({"model": ["a", "b"], "correct": [80, 50], "n": [100, 100]})
    >>> binomial(table, ["model"], n="n").predicted["predicted"].round(3).tolist()
    [0.8, 0.5]
    """
    if (correct is None) == (accuracy is None) or (accuracy is not None and n is None):
        raise ConfigError("a binomial regression needs `correct` (and `n`, if rows are groups), or `accuracy` and `n`")
    response = correct or str(accuracy)
    valid, rows = _coded(table, response, factors, reference, n, cluster, interactions, missing)
    size_N = _whole(rows.weights(), str(n))
    values_N = rows.response_N.astype(np.float64)
    correct_N = _whole(values_N, response) if accuracy is None else _whole(values_N * size_N, f"{response} × {n}")
    if (outside_N := (correct_N < 0) | (correct_N > size_N)).any():
        row = int(np.argmax(outside_N))
        raise ConfigError(
            f"{response}: {correct_N[row]:g} of {size_N[row]:g} are correct in row {valid.table.index[row]}"
        )
    rows = replace(rows, response_N=correct_N / size_N, weight_N=size_N)
    return _fit(_BINOMIAL, rows, confidence, valid.notes, None if cluster is None else valid.table[cluster])


def poisson(
    table: pd.DataFrame,
    response: str,
    factors: Sequence[str] = ("model", "scenario", "category"),
    reference: Mapping[str, object] | None = None,
    *,
    exposure: str | None = None,
    cluster: str | None = None,
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
        cluster: column of what correlates rows, the photograph for example; adds `CountRegression.clustered`.
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
    valid, rows = _coded(table, response, factors, reference, exposure, cluster, interactions, missing)
    count_N = _whole(rows.response_N.astype(np.float64), response)
    if (count_N < 0).any():
        raise ConfigError(f"{response} has the count {count_N.min():g}; counts are 0 or more")
    rows = replace(rows, response_N=count_N / rows.weights())
    return _fit(_POISSON, rows, confidence, valid.notes, None if cluster is None else valid.table[cluster])


def _coded(
    table: pd.DataFrame,
    response: str,
    factors: Sequence[str],
    reference: Mapping[str, object] | None,
    weights: str | None,
    cluster: str | None,
    interactions: Sequence[Sequence[str]],
    missing: Missing,
) -> tuple[ValidTable, CodedRows]:
    valid = validate_table(table, response, factors, weights, cluster, unit="any", missing=missing)
    rows = CodedRows.of(valid.table, Design.of(valid.table, factors, reference, interactions), response, weights)
    check_rank(gram(aggregate(rows), rows.design), rows.design)
    return valid, rows


def _whole(values_N: Values, name: str) -> Values:
    rounded_N = np.rint(values_N)
    if (fraction_N := np.abs(values_N - rounded_N) > _INTEGER_TOLERANCE).any():
        raise ConfigError(f"{name} has the value {values_N[np.argmax(fraction_N)]:g}; counts are whole numbers")
    return rounded_N


@dataclass(frozen=True)
class _Kind:
    """A distribution of counts relative to sizes: numbers of predictions, or exposures."""

    family: Family
    method: str
    observed: tuple[str, str]  # names of counts and sizes
    outcomes: Mapping[int, str]  # see `check_separation`
    logpmf: Callable[[Values, Values, Values], Values]  # of counts, sizes and means of counts / sizes


_BINOMIAL = _Kind(
    Binomial(), "binomial (logit)", ("correct", "n"), {1: "always correct", -1: "never correct"}, stats.binom.logpmf
)
_POISSON = _Kind(
    Poisson(), "Poisson (log)", ("count", "exposure"), {-1: "never counted"},
    lambda count_N, exposure_N, rate_N: stats.poisson.logpmf(count_N, exposure_N * rate_N),
)  # fmt: skip


def _fit(
    kind: _Kind, rows: CodedRows, confidence: float, notes: tuple[str, ...], cluster: pd.Series | None
) -> CountRegression:
    """Fit the means of cells, whose estimates are those of the rows (counts / sizes, with sizes as weights)."""
    design, cells, family = rows.design, aggregate(rows), kind.family
    count_C = np.rint(cells.mean_C * cells.weight_C)
    full_C = (count_C == cells.weight_C) & (1 in kind.outcomes)
    check_separation(design, cells.codes_CF, np.select([full_C, count_C == 0], [1, -1], 0), kind.outcomes)
    matrix_CP = design.matrix(cells.codes_CF).toarray()
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        # A saturated model fits the cells exactly; separation has been checked before.
        warnings.simplefilter("ignore", PerfectSeparationWarning)
        model = GLM(count_C / cells.weight_C, matrix_CP, family, var_weights=cells.weight_C)
        result = model.fit(tol=1e-10, tol_criterion="params", maxiter=100)
    if not result.converged:
        raise ConfigError(
            f"the {kind.method} regression did not converge in 100 iterations: some cells may be almost separated"
        )
    estimates_P, covariance_PP = np.asarray(result.params), np.asarray(result.cov_params())
    fit = Fit(design, estimates_P, covariance_PP, math.inf, kind.method, confidence=validate_confidence(confidence))
    fitted_C = np.zeros(math.prod(design.shape))
    fitted_C[np.ravel_multi_index(tuple(cells.codes_CF.T), design.shape)] = result.fittedvalues
    clustered = None
    if cluster is not None:
        scores_GP = clustered_rows(rows, cluster).scores(fitted_C)
        clustered = cluster_robust(fit, covariance_PP, scores_GP, cells.rows, str(cluster.name))
        notes = (*notes, f"standard errors are {clustered.errors}", *cluster_notes(fit, scores_GP))
    numbers = dict(zip(kind.observed, (count_C, cells.weight_C), strict=True))
    numbers |= _limits(family, clustered or fit, matrix_CP)
    levels = pd.DataFrame(design.level_columns(cells.codes_CF))
    predicted = pd.concat([levels, pd.DataFrame(numbers)], axis=1)  # a factor may have the same name as a number

    fitted_N, mean_N, size_N = fitted_C[rows.cells()], rows.response_N, rows.weights()
    null_N = np.broadcast_to(count_C.sum() / cells.weight_C.sum(), len(mean_N))
    counted = CountRegression(
        fit, predicted, len(mean_N),
        log_likelihood=float(kind.logpmf(np.rint(mean_N * size_N), size_N, fitted_N).sum()),
        deviance=float(family.deviance(mean_N, fitted_N, var_weights=size_N)),
        null_deviance=float(family.deviance(mean_N, null_N, var_weights=size_N)),
        pearson_chi2=float((size_N * (mean_N - fitted_N) ** 2 / family.variance(fitted_N)).sum()),
        notes=notes, clustered=clustered,
    )  # fmt: skip
    if clustered is None and counted.dispersion > _OVERDISPERSED:
        note = (
            f"overdispersion: rows vary {counted.dispersion:.3g} times as much as a {kind.method.split()[0]} "
            "distribution; errors are too small by the square root of that. Use clustered errors or a mixed model"
        )
        return replace(counted, notes=(*notes, note))
    return counted


def _limits(family: Family, fit: Fit, matrix_CP: Values) -> dict[str, Values]:
    """Return fitted probabilities or rates and their limits, which are symmetric on the scale of the link."""
    linear_C, error_C = fit.combinations(matrix_CP)
    half_C = stats.t.ppf(0.5 + fit.confidence / 2, fit.df) * error_C
    values = {"predicted": linear_C, "ci_low": linear_C - half_C, "ci_high": linear_C + half_C}
    return {name: family.link.inverse(values_C) for name, values_C in values.items()}
