"""What speaks against a regression: collinear factors, residuals that are not normal, rows that decide alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from xray.core.errors import XrayError
from xray.core.text import shown
from xray.statistics.regression.cells import cells
from xray.statistics.regression.collinearity import (
    correlation,
    generalised_variance_inflation,
    inverse_gram,
    variance_inflation,
)
from xray.statistics.regression.design import Codes
from xray.statistics.regression.least_squares import EXACT, ROWS_KEPT, Regression, least_squares, residual_ss, total_ss
from xray.statistics.regression.normality import Outcome, normality

Values = NDArray[np.float64]
_COLUMNS = ("fitted", "residual", "standardised", "leverage", "cooks_distance")
_ROWS_AT_ONCE = 4096
_ROUNDING = 1e-10
_SHOWN = 5
_COLLINEAR = 10.0


@dataclass(frozen=True)
class Diagnostics:
    """All that `diagnose` finds.

    Args:
        multicollinearity: see `variance_inflation`.
        factors: see `generalised_variance_inflation`.
        correlation: of the estimates, see `correlation`.
        normality: of the residuals, see `xray.statistics.regression.normality`; empty if there are none to be had.
        heteroscedasticity: see `breusch_pagan`; None if there are no residuals to be had.
        influence: the rows with the largest Cook's distances: `row` (its label), `cell`, and what `residuals` gives.
        impossible: cells whose fitted accuracy is no accuracy: `cell`, `fitted`, the worst first.
        warnings: for people.
        left_out: what could not be computed, and why.
    """

    multicollinearity: pd.DataFrame
    factors: pd.DataFrame
    correlation: pd.DataFrame
    normality: tuple[Outcome, ...]
    heteroscedasticity: Outcome | None
    influence: pd.DataFrame
    impossible: pd.DataFrame
    warnings: tuple[str, ...]
    left_out: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON knows it: lists, dictionaries, text, numbers; None for what is not finite."""
        terms = list(self.correlation.columns)
        return {
            "multicollinearity": _records(self.multicollinearity), "factors": _records(self.factors),
            "correlation": {"terms": terms, "matrix": self.correlation.to_numpy().tolist()},
            "normality": [_plain(asdict(outcome)) for outcome in self.normality],
            "heteroscedasticity": self.heteroscedasticity and _plain(asdict(self.heteroscedasticity)),
            "influence": _records(self.influence), "impossible": _records(self.impossible),
            "warnings": list(self.warnings), "left_out": dict(self.left_out),
        }  # fmt: skip


def diagnose(regression: Regression, alpha: float = 0.05) -> Diagnostics:
    """Everything that GraphPad Prism and R say of a regression's assumptions.

    With weights, residuals are √weight · residual, as in R: they are what should be normal and of one variance.

    Args:
        regression: a fit by least squares.
        alpha: significance level of the verdicts.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> found = diagnose(regression(table, factors=["model", "scenario"]))
    >>> found.multicollinearity.values.tolist()
    [['model[b]', 1.0, 0.0], ['scenario[y]', 1.0, 0.0]]
    >>> found.normality[0].verdict
    'needs 20 values or more, there are 4'
    """
    vif, impossible = variance_inflation(regression), fitted_outside(regression)
    normal: tuple[Outcome, ...] = ()
    homoscedastic, rows, left_out = None, _rows(regression, None), {}
    if reason := _no_residuals(regression):
        left_out = dict.fromkeys(("normality", "heteroscedasticity", "influence"), reason)
    else:
        table = residuals(regression)
        normal = normality(_weighted(regression, table["residual"].to_numpy()), alpha)
        homoscedastic = breusch_pagan(regression, alpha)
        rows = _rows(regression, table)
    return Diagnostics(
        multicollinearity=vif,
        factors=generalised_variance_inflation(regression),
        correlation=correlation(regression),
        normality=normal,
        heteroscedasticity=homoscedastic,
        influence=rows.head(_SHOWN),
        impossible=impossible,
        warnings=tuple(_warnings(regression, vif, impossible, rows)),
        left_out=left_out,
    )


def residuals(regression: Regression) -> pd.DataFrame:
    """What the model leaves of each row, and how much each row counts.

    - standardised (internally studentised, Cook & Weisberg 1982): r = √w e / (s √(1 − h)); s² = Σ w e² / (n − P)
    - leverage: h = w x'(X'W X)⁻¹x, inside 0 … 1; their sum is P
    - Cook's distance (Cook 1977): D = r² h / ((1 − h) P)

    Where a row decides a parameter alone (h = 1), or the model fits all rows exactly, r and D are not to be had: NaN.

    Returns:
        One row a row of the table, under its label: the factors, the response, `fitted`, `residual` (e, not weighted),
        `standardised`, `leverage`, `cooks_distance`.

    Raises:
        XrayError: the regression has kept no rows, or a column is named as one of those that are added.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> residuals(regression(table, factors=["model", "scenario"])).round(3).iloc[0].to_dict()
    {'model': 'a', 'scenario': 'x', 'accuracy': 0.9, 'fitted': 0.875, 'residual': 0.025, 'standardised': 1.0, 'leverage': 0.75, 'cooks_distance': 1.0}
    """  # noqa: E501
    names = [*regression.design.names, regression.response]
    if taken := [name for name in names if name in _COLUMNS]:
        raise XrayError(f"column {taken[0]!r} is named as a column of the residuals: give it another name")
    table = _table(regression)
    fitted_N, residual_N = _fitted(regression)
    leverage_N = _weighted(regression, _weighted(regression, _leverages(regression)))
    alone_N = (1 - leverage_N < _ROUNDING) | regression.exact
    left_N = np.where(alone_N, np.nan, 1 - leverage_N)
    standardised_N = _weighted(regression, residual_N) / np.sqrt(left_N * regression.variance)
    cook_N = standardised_N**2 * leverage_N / left_N / len(regression.fit.estimates_P)
    made = dict(zip(_COLUMNS, (fitted_N, residual_N, standardised_N, leverage_N, cook_N), strict=True))
    return table[names].assign(**made)


def fitted_outside(regression: Regression) -> pd.DataFrame:
    """Cells whose fitted accuracy is below 0 or above 1, the farthest first: `cell`, `fitted`.

    Empty where the response is no accuracy (`unit="any"`).

    >>> from xray.statistics import regression
    >>> values = [1.0, 0.6, 0.95, 0.3, 0.95, 0.9]
    >>> table = pd.DataFrame({"model": list("aabbcc"), "scenario": list("xyxyxy"), "accuracy": values})
    >>> fitted_outside(regression(table, factors=["model", "scenario"])).round(3).values.tolist()
    [['c × x', 1.108]]
    """
    fitted_C = regression.fitted_C
    beyond_C = np.maximum(fitted_C - 1, -fitted_C) if regression.unit != "any" else np.zeros(len(fitted_C))
    found = np.argsort(-beyond_C, kind="stable")[: int((beyond_C > _ROUNDING).sum())]
    names = _cell_names(regression, regression.cells.codes_CF[found])
    return pd.DataFrame({"cell": names, "fitted": fitted_C[found]})


def breusch_pagan(regression: Regression, alpha: float = 0.05) -> Outcome:
    """Whether the variance of the residuals depends on the factors (Breusch & Pagan 1979, as studentised by Koenker 1981).

        LM = n R² of the regression of the squared residuals on the same design;  χ² with P − 1 df

    Raises:
        XrayError: the regression has kept no rows.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": [*"aaabbb"], "accuracy": [0.7, 0.8, 0.9, 0.1, 0.5, 0.9]})
    >>> found = breusch_pagan(regression(table, factors=["model"]))
    >>> round(found.statistic, 3), found.p_text
    (2.801, '0.0942')
    """  # noqa: E501
    name, (_, residual_N) = "Breusch-Pagan (Koenker)", _fitted(regression)
    table = _table(regression)[regression.design.names].assign(
        **{regression.response: _weighted(regression, residual_N) ** 2}
    )
    made = cells(table, regression.design, regression.response)
    if made.high - made.low <= _ROUNDING * made.high:
        return Outcome.none(name, "all residuals are of one size")
    auxiliary = least_squares(made, regression.design)
    fitted_C = regression.design.matrix(made.codes_CF) @ auxiliary.estimates_P
    statistic = made.rows * (1 - residual_ss(made, fitted_C) / total_ss(made))
    return Outcome.of(name, statistic, float(stats.chi2.sf(statistic, len(auxiliary.estimates_P) - 1)), alpha)


def _warnings(regression: Regression, vif: pd.DataFrame, impossible: pd.DataFrame, rows: pd.DataFrame) -> Iterator[str]:
    if len(impossible):
        above = int((impossible["fitted"] > 1).sum())
        worst = "; ".join(f"{shown(cell)}: {fitted:.3f}" for cell, fitted in impossible.head(_SHOWN).to_numpy())
        below, cells_in_all = len(impossible) - above, len(regression.fitted_C)
        yield (
            f"of {cells_in_all:,} cells, {above:,} are fitted above 1, {below:,} below 0, "
            f"where no accuracy is (the worst: {worst}); a binomial model stays inside"
        )
    if collinear := [shown(term) for term, value, _ in vif.to_numpy() if value > _COLLINEAR]:
        yield f"{len(collinear):,} columns are nearly sums of others (VIF > {_COLLINEAR:g}), first {collinear[0]}"
    if alone := int((rows["leverage"] > 1 - _ROUNDING).sum()):
        yield f"{alone:,} rows decide a parameter alone (leverage 1): their residual is 0 whatever their value"
    if strong := int((rows["cooks_distance"] > 1).sum()):
        yield f"{strong:,} rows move the estimates much (Cook's distance above 1), first {shown(rows['cell'].iloc[0])}"
    if regression.exact:
        yield EXACT


def _no_residuals(regression: Regression) -> str:
    if regression.table is None:
        return _too_many(regression)
    return "the model fits all rows exactly: what is left is rounding" if regression.exact else ""


def _too_many(regression: Regression) -> str:
    return (
        f"residuals of single rows are kept up to {ROWS_KEPT:,} rows, there are {regression.cells.rows:,}: "
        "regress the accuracies of cells instead, for example accuracy_table(predictions)"
    )


def _weighted(regression: Regression, values_N: Values) -> Values:
    """Times the roots of the weights, if there are any."""
    if regression.weights is None:
        return values_N
    return np.asarray(values_N * np.sqrt(_table(regression)[regression.weights].to_numpy(np.float64)))


def _table(regression: Regression) -> pd.DataFrame:
    """The rows, if they were kept."""
    if regression.table is None:
        raise XrayError(_too_many(regression))
    return regression.table


def _fitted(regression: Regression) -> tuple[Values, Values]:
    """Fitted values of all rows, and what is left of the response."""
    table, design = _table(regression), regression.design
    fitted_N = np.asarray(design.matrix(design.codes(table)) @ regression.fit.estimates_P)
    return fitted_N, table[regression.response].to_numpy(np.float64) - fitted_N


def _leverages(regression: Regression) -> Values:
    """x'(X'W X)⁻¹x of each row, some rows at once: the product is as wide as the design."""
    inverse_PP, design = inverse_gram(regression), regression.design
    codes_NF = design.codes(_table(regression))
    parts = (design.matrix(codes_NF[at : at + _ROWS_AT_ONCE]) for at in range(0, len(codes_NF), _ROWS_AT_ONCE))
    return np.concatenate([np.asarray(part.multiply(part @ inverse_PP).sum(axis=1)) for part in parts])


def _cell_names(regression: Regression, codes_CF: Codes) -> list[str]:
    levels = [np.array(factor.levels, object) for factor in regression.design.factors]
    return [" × ".join(level[code] for level, code in zip(levels, codes, strict=True)) for codes in codes_CF]


def _rows(regression: Regression, table: pd.DataFrame | None) -> pd.DataFrame:
    """Rows with what `residuals` says of them, the largest Cook's distance first."""
    if table is None:
        return pd.DataFrame(columns=["row", "cell", *_COLUMNS])
    codes_NF = regression.design.codes(table)
    order = np.argsort(-table["cooks_distance"].to_numpy(), kind="stable")
    named = table.iloc[order][list(_COLUMNS)].reset_index(drop=True)
    named.insert(0, "cell", _cell_names(regression, codes_NF[order]))
    named.insert(0, "row", [str(label) for label in table.index[order]])
    return named


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [_plain(row) for row in table.to_dict("records")]


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(k): None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
