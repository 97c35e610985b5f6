"""Regression diagnostics: collinearity, normality and variance of residuals, influential rows, impossible values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from xray.core.errors import ConfigError
from xray.core.text import printable
from xray.statistics.regression.cells import CodedRows, aggregate
from xray.statistics.regression.collinearity import (
    correlation,
    generalised_variance_inflation,
    variance_inflation,
)
from xray.statistics.regression.design import Codes
from xray.statistics.regression.least_squares import EXACT, LinearFit, inverse_gram, least_squares
from xray.statistics.regression.normality import TestResult, normality

Values = NDArray[np.float64]
_COLUMNS = ("fitted", "residual", "standardised", "leverage", "cooks_distance")
_ROWS_AT_ONCE = 4096
_ROUNDING = 1e-10
_MAX_LISTED = 5
_COLLINEAR_VIF = 10.0


@dataclass(frozen=True)
class Diagnostics:
    """The results of `diagnose`.

    Args:
        multicollinearity: see `variance_inflation`.
        factors: see `generalised_variance_inflation`.
        correlation: correlation of the estimates.
        normality: tests of the residuals; empty if there are no residuals.
        heteroscedasticity: see `breusch_pagan`; None if there are no residuals.
        influence: rows with the largest Cook's distances: `row` (its label), `cell`, and the columns of `residuals`.
        impossible: cells fitted below 0 or above 1: `cell`, `fitted`, the worst first.
        warnings: sentences.
        left_out: reason for each part that could not be computed.
    """

    multicollinearity: pd.DataFrame
    factors: pd.DataFrame
    correlation: pd.DataFrame
    normality: tuple[TestResult, ...]
    heteroscedasticity: TestResult | None
    influence: pd.DataFrame
    impossible: pd.DataFrame
    warnings: tuple[str, ...]
    left_out: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types: lists, dictionaries, text, numbers; None for what is not finite."""
        terms = list(self.correlation.columns)
        return {
            "multicollinearity": _records(self.multicollinearity), "factors": _records(self.factors),
            "correlation": {"terms": terms, "matrix": self.correlation.to_numpy().tolist()},
            "normality": [_json_types(asdict(test)) for test in self.normality],
            "heteroscedasticity": self.heteroscedasticity and _json_types(asdict(self.heteroscedasticity)),
            "influence": _records(self.influence), "impossible": _records(self.impossible),
            "warnings": list(self.warnings), "left_out": dict(self.left_out),
        }  # fmt: skip


def diagnose(regression: LinearFit, alpha: float = 0.05) -> Diagnostics:
    """Check the assumptions of a regression, as GraphPad Prism and R do.

    With weights, √weight · residual is tested, as in R.

    Args:
        regression: a least squares fit.
        alpha: significance level of the verdicts.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> diagnose(regression(table, factors=["model", "scenario"])).multicollinearity.values.tolist()
    [['model[b]', 1.0, 0.0], ['scenario[y]', 1.0, 0.0]]
    """
    vif, impossible = variance_inflation(regression), fitted_outside(regression)
    normal: tuple[TestResult, ...] = ()
    homoscedastic, left_out = None, {}
    influence = pd.DataFrame(columns=["row", "cell", *_COLUMNS])
    if reason := _no_residuals(regression):
        left_out = dict.fromkeys(("normality", "heteroscedasticity", "influence"), reason)
    else:
        table = residuals(regression)
        normal = normality(_root_weighted(regression, table["residual"].to_numpy()), alpha)
        homoscedastic = breusch_pagan(regression, alpha)
        influence = _by_influence(regression, table)
    return Diagnostics(
        multicollinearity=vif,
        factors=generalised_variance_inflation(regression),
        correlation=correlation(regression),
        normality=normal,
        heteroscedasticity=homoscedastic,
        influence=influence.head(_MAX_LISTED),
        impossible=impossible,
        warnings=tuple(_warnings(regression, vif, impossible, influence)),
        left_out=left_out,
    )


def residuals(regression: LinearFit) -> pd.DataFrame:
    """Compute residuals, leverage and Cook's distance of each row.

    - standardised (internally studentised, Cook & Weisberg 1982): r = √w e / (s √(1 − h)); s² = Σ w e² / (n − P)
    - leverage: h = w x'(X'W X)⁻¹x, inside 0 … 1; their sum is P
    - Cook's distance (Cook 1977): D = r² h / ((1 − h) P)

    r and D are NaN where a row determines a parameter alone (h = 1), or the model fits all rows exactly.

    Returns:
        One row per row of the table, with its index: the factors, the response, `fitted`, `residual` (e, unweighted),
        `standardised`, `leverage`, `cooks_distance`.

    Raises:
        ConfigError: the regression has kept no rows, or a column has the name of one that is added.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> residuals(regression(table, factors=["model", "scenario"])).round(3).values.tolist()[0]
    ['a', 'x', 0.9, 0.875, 0.025, 1.0, 0.75, 1.0]
    """
    names = [*regression.design.names, regression.response]
    if taken := [name for name in names if name in _COLUMNS]:
        raise ConfigError(f"column {taken[0]!r} has the name of a column of the residuals: rename it")
    fitted_N, residual_N = _fitted(regression)
    leverage_N = _root_weighted(regression, _root_weighted(regression, _leverages(regression)))
    undefined_N = (1 - leverage_N < _ROUNDING) | regression.exact
    left_N = np.where(undefined_N, np.nan, 1 - leverage_N)
    standardised_N = _root_weighted(regression, residual_N) / np.sqrt(left_N * regression.variance)
    cook_N = standardised_N**2 * leverage_N / left_N / len(regression.fit.estimates_P)
    columns = (fitted_N, residual_N, standardised_N, leverage_N, cook_N)
    return _rows(regression)[names].assign(**dict(zip(_COLUMNS, columns, strict=True)))


def fitted_outside(regression: LinearFit) -> pd.DataFrame:
    """Return cells fitted below 0 or above 1, the farthest first: `cell`, `fitted`; none if `unit="any"`.

    >>> from xray.statistics import regression
    >>> values = [1.0, 0.6, 0.95, 0.3, 0.95, 0.9]
    >>> table = pd.DataFrame({"model": list("aabbcc"), "scenario": list("xyxyxy"), "accuracy": values})
    >>> fitted_outside(regression(table, factors=["model", "scenario"])).round(3).values.tolist()
    [['c × x', 1.108]]
    """
    fitted_C = regression.fitted_C
    beyond_C = np.maximum(fitted_C - 1, -fitted_C) if regression.unit != "any" else np.zeros(len(fitted_C))
    outside = np.argsort(-beyond_C, kind="stable")[: int((beyond_C > _ROUNDING).sum())]
    return pd.DataFrame(
        {"cell": _cell_names(regression, regression.cells.codes_CF[outside]), "fitted": fitted_C[outside]}
    )


def breusch_pagan(regression: LinearFit, alpha: float = 0.05) -> TestResult:
    """Test for heteroscedasticity (Breusch & Pagan 1979, studentised by Koenker 1981).

        LM = n R² of the regression of the squared residuals on the same design;  χ² with P − 1 df

    Raises:
        ConfigError: the regression has kept no rows.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": [*"aaabbb"], "accuracy": [0.7, 0.8, 0.9, 0.1, 0.5, 0.9]})
    >>> test = breusch_pagan(regression(table, factors=["model"]))
    >>> round(test.statistic, 3), test.p_text
    (2.801, '0.0942')
    """
    name, design, (_, residual_N) = "Breusch-Pagan (Koenker)", regression.design, _fitted(regression)
    squares = _rows(regression)[design.names].assign(
        **{regression.response: _root_weighted(regression, residual_N) ** 2}
    )
    cells = aggregate(CodedRows.of(squares, design, regression.response))
    if cells.high - cells.low <= _ROUNDING * cells.high:
        return TestResult.skipped(name, "all residuals have the same size")
    statistic = cells.rows * LinearFit(least_squares(cells, design), cells, "squares", ()).goodness["r_squared"]
    return TestResult.of(name, statistic, float(stats.chi2.sf(statistic, len(design.columns) - 1)), alpha)


def _warnings(
    regression: LinearFit, vif: pd.DataFrame, impossible: pd.DataFrame, influence: pd.DataFrame
) -> Iterator[str]:
    if len(impossible):
        above = int((impossible["fitted"] > 1).sum())
        worst = impossible.head(_MAX_LISTED).to_numpy()
        listed = "; ".join(f"{printable(cell)}: {fitted:.3f}" for cell, fitted in worst)
        yield (
            f"of {len(regression.fitted_C):,} cells, {above:,} have fitted values above 1 and "
            f"{len(impossible) - above:,} below 0 (the worst: {listed}); a binomial model stays inside"
        )
    if collinear := [printable(term) for term, value, _ in vif.to_numpy() if value > _COLLINEAR_VIF]:
        yield f"{len(collinear):,} columns are nearly collinear (VIF > {_COLLINEAR_VIF:g}), first {collinear[0]}"
    if alone := int((influence["leverage"] > 1 - _ROUNDING).sum()):
        yield f"{alone:,} rows determine a parameter alone (leverage 1): their residual is always 0"
    if strong := int((influence["cooks_distance"] > 1).sum()):
        first = printable(influence["cell"].iloc[0])
        yield f"{strong:,} rows have a large influence on the estimates (Cook's distance above 1), first {first}"
    if regression.exact:
        yield EXACT


def _no_residuals(regression: LinearFit) -> str:
    if regression.table is None:
        return (
            f"residuals of single rows are not kept for {regression.cells.rows:,} rows: regress the accuracies of "
            "cells instead, for example accuracy_table(predictions)"
        )
    return "the model fits all rows exactly: residuals are rounding errors" if regression.exact else ""


def _rows(regression: LinearFit) -> pd.DataFrame:
    if regression.table is None:
        raise ConfigError(_no_residuals(regression))
    return regression.table


def _root_weighted(regression: LinearFit, values_N: Values) -> Values:
    """Multiply by the square roots of the weights, if there are any."""
    if regression.weights is None:
        return values_N
    return np.asarray(values_N * np.sqrt(_rows(regression)[regression.weights].to_numpy(np.float64)))


def _fitted(regression: LinearFit) -> tuple[Values, Values]:
    """Return fitted values and residuals of all rows."""
    table, design = _rows(regression), regression.design
    fitted_N = np.asarray(design.matrix(design.codes(table)) @ regression.fit.estimates_P)
    return fitted_N, table[regression.response].to_numpy(np.float64) - fitted_N


def _leverages(regression: LinearFit) -> Values:
    """Return x'(X'W X)⁻¹x of each row, computed in batches since the product is dense."""
    inverse_PP, design = inverse_gram(regression.cells, regression.design), regression.design
    codes_NF = design.codes(_rows(regression))
    parts = (design.matrix(codes_NF[at : at + _ROWS_AT_ONCE]) for at in range(0, len(codes_NF), _ROWS_AT_ONCE))
    return np.concatenate([np.asarray(part.multiply(part @ inverse_PP).sum(axis=1)) for part in parts])


def _cell_names(regression: LinearFit, codes_CF: Codes) -> list[str]:
    return [" × ".join(levels) for levels in zip(*regression.design.level_columns(codes_CF).values(), strict=True)]


def _by_influence(regression: LinearFit, table: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows of `residuals` by Cook's distance, the largest first."""
    order = np.argsort(-table["cooks_distance"].to_numpy(), kind="stable")
    influence = table.iloc[order][list(_COLUMNS)].reset_index(drop=True)
    influence.insert(0, "cell", _cell_names(regression, regression.design.codes(table)[order]))
    influence.insert(0, "row", [str(label) for label in table.index[order]])
    return influence


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [_json_types(row) for row in table.to_dict("records")]


def _json_types(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(k): None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
