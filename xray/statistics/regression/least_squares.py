"""Multiple linear regression on categories: accuracy ~ intercept + model + scenario + category."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg, stats

from xray.core.errors import XrayError
from xray.statistics.regression.cells import Cells, cells_of
from xray.statistics.regression.coded_rows import Rows
from xray.statistics.regression.design import Design
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.validation import Missing, Unit, checked, checked_confidence

Values = NDArray[np.float64]
ROWS_KEPT = 100_000
"""Beyond so many rows a regression keeps cells alone: residuals of single rows are not to be had."""
EXACT = "the model fits all rows exactly: errors and P values mean nothing"
_ALIASED = 1e-9
_ROUNDING = 1e-13


@dataclass(frozen=True)
class Regression:
    """A least squares fit, and all that is asked of it afterwards.

    Args:
        fit: estimates with classical errors.
        cells: what they were made of.
        response: name of the column that is explained.
        notes: on the table, for people: how it was handled, what is unusual about it.
        weights: name of the column of weights, if there was one.
        table: the rows, in their order, if there were no more than `ROWS_KEPT`: factors, response, weights, cluster.
        clustered: the same estimates with errors that allow rows of one cluster to be alike, if asked for.
        unit: what the response was; one in `percent` is a fraction by now.
    """

    fit: Fit
    cells: Cells
    response: str
    notes: tuple[str, ...]
    weights: str | None = None
    table: pd.DataFrame | None = None
    clustered: Fit | None = None
    unit: Unit = "fraction"

    @property
    def design(self) -> Design:
        """Factors, levels and columns."""
        return self.fit.design

    @property
    def parameters(self) -> pd.DataFrame:
        """Estimates with classical errors, one row a column of the design; see `parameter_table`."""
        return self.fit.parameters

    @cached_property
    def fitted_C(self) -> Values:
        """What the model expects in each cell."""
        return np.asarray(self.design.matrix(self.cells.codes_CF) @ self.fit.estimates_P)

    @cached_property
    def exact(self) -> bool:
        """Whether the model fits all rows: what is left of them is rounding, and errors and tests mean nothing."""
        size = max(abs(self.cells.low), abs(self.cells.high))
        return math.sqrt(self.residual_ss / self.cells.weight_C.sum()) <= _ROUNDING * size

    @property
    def residual_ss(self) -> float:
        """Weighted sum of squared residuals of all rows."""
        return residual_ss(self.cells, self.fitted_C)

    @property
    def variance(self) -> float:
        """Of a row of weight 1 about the model: residual sum of squares / residual degrees of freedom."""
        return self.residual_ss / self.fit.df

    @cached_property
    def goodness(self) -> dict[str, float]:
        """How well the model fits, under the names that GraphPad Prism and R give it.

        n, parameters (P), df; sum_of_squares (SS), total_sum_of_squares; r_squared = 1 − SS/total, multiple_r its root,
        adjusted_r_squared; sy_x = √(SS/df), rmse = √(SS/n); f, f_df1, f_p (all coefficients but the intercept are 0);
        log_likelihood of normal errors, aic = −2 log L + 2 (P + 1) and bic as R has them (the variance is a parameter);
        aicc as Prism has it: n ln(SS/n) + 2 K + 2 K (K + 1) / (n − K − 1) with K = P + 1. Of an exact fit SS is 0.

        >>> values = [0.9, 0.5, 0.7, 0.8, 0.5, 0.6]
        >>> found = regression(pd.DataFrame({"model": [*"aaabbb"], "accuracy": values}), factors=["model"]).goodness
        >>> {name: round(found[name], 4) for name in ("sum_of_squares", "r_squared", "sy_x", "rmse", "aicc")}
        {'sum_of_squares': 0.1267, 'r_squared': 0.05, 'sy_x': 0.178, 'rmse': 0.1453, 'aicc': -5.1477}
        """
        n, p, df, ss = self.cells.rows, len(self.fit.estimates_P), self.fit.df, self.residual_ss * (not self.exact)
        total = total_ss(self.cells)
        r2, k = 1 - ss / total, p + 1
        f = (total - ss) / (p - 1) / (ss / df) if ss > 0 else math.inf
        likelihood = 0.5 * (self.cells.log_weight - n * (math.log(2 * math.pi * ss / n) + 1)) if ss > 0 else math.inf
        corrected = n * math.log(ss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1) if ss > 0 and n > k + 1 else math.nan
        return {
            "n": n, "parameters": p, "df": df, "sum_of_squares": ss, "total_sum_of_squares": total,
            "r_squared": r2, "multiple_r": math.sqrt(max(r2, 0.0)), "adjusted_r_squared": 1 - (1 - r2) * (n - 1) / df,
            "sy_x": math.sqrt(ss / df), "rmse": math.sqrt(ss / n),
            "f": f, "f_df1": p - 1, "f_p": float(stats.f.sf(f, p - 1, df)),
            "log_likelihood": likelihood, "aic": 2 * k - 2 * likelihood, "bic": math.log(n) * k - 2 * likelihood,
            "aicc": corrected,
        }  # fmt: skip

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table, by name; see `xray.statistics.regression.tables`."""
        from xray.statistics.regression.tables import tables

        return tables(self)

    def __repr__(self) -> str:
        from xray.statistics.regression.display import text

        return text(self)

    def _repr_html_(self) -> str:
        from xray.statistics.regression.display import html

        return html(self)

    def relevelled(self, reference: Mapping[str, object]) -> Regression:
        """The same fit, compared with other references; from the cells alone, without the rows.

        Both designs span the same, X_old = X_new A: clustered errors become those of A V A'.

        Raises:
            XrayError: no such factor or level.

        >>> values = [0.9, 0.5, 0.7, 0.8, 0.5, 0.6]
        >>> table = pd.DataFrame({"image": [*"xyzxyz"], "model": [*"aaabbb"], "accuracy": values})
        >>> fit = regression(table, factors=["model"], cluster="image").relevelled({"model": "b"})
        >>> fit.clustered.parameters[["term", "estimate", "std_error"]].round(3).values.tolist()
        [['Intercept', 0.633, 0.099], ['model[a]', 0.067, 0.037]]
        """
        design = self.design.relevelled(reference)
        named = pd.DataFrame(
            {
                factor.name: np.array(factor.levels, object)[self.cells.codes_CF[:, place]]
                for place, factor in enumerate(self.design.factors)
            }
        )
        moved = Cells(**{**vars(self.cells), "codes_CF": design.codes(named)})
        fit = least_squares(moved, design, self.fit.confidence)
        clustered = self.clustered
        if clustered is not None:
            old_CP, new_CP = self.design.matrix(self.cells.codes_CF), design.matrix(moved.codes_CF)
            change_PP = np.rint(linalg.lstsq(new_CP.toarray(), old_CP.toarray())[0])
            covariance_PP = change_PP @ clustered.covariance_PP @ change_PP.T
            clustered = replace(clustered, design=design, estimates_P=fit.estimates_P, covariance_PP=covariance_PP)
        return replace(self, fit=fit, cells=moved, clustered=clustered)


def regression(
    table: pd.DataFrame,
    response: str = "accuracy",
    factors: Sequence[str] = ("model", "scenario", "category"),
    reference: Mapping[str, object] | None = None,
    *,
    interactions: Sequence[Sequence[str]] = (),
    weights: str | None = None,
    cluster: str | None = None,
    confidence: float = 0.95,
    unit: Unit = "fraction",
    missing: Missing = "error",
) -> Regression:
    """Ordinary (or weighted) least squares with treatment coding.

    The estimates solve X'W X b = X'W y; they are made from sums over the cells of the design, equal to the fit of the
    rows. Classical errors: s² (X'W X)⁻¹ with s² = residual sum of squares / (n − P).

    Args:
        table: one row an observation: a cell's accuracy, or a prediction that is right or wrong.
        response: numeric or boolean column.
        factors: columns of categories.
        reference: level that the others of a factor are compared with; default: the first.
        interactions: of factors, by name.
        weights: column of weights, above 0.
        cluster: column of what makes rows alike, the photograph for example; adds `Regression.clustered`.
        confidence: of the intervals.
        unit: what the response is: a `fraction` 0 … 1, `percent` (divided by 100), or `any` number.
        missing: what is done with rows in which something is empty.

    Raises:
        XrayError: see `validation`; also factors that cannot be told apart, fewer rows than parameters, and
            a response that does not vary.

    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> fit = regression(table, factors=["model", "scenario"], reference={"scenario": "x"})
    >>> fit.parameters[["term", "estimate", "p_summary"]].round(3).values.tolist()
    [['Intercept', 0.875, '*'], ['model[b]', -0.05, 'ns'], ['scenario[y]', -0.35, 'ns']]
    """
    columns = [*factors, response, *(name for name in (weights, cluster) if name)]
    good = checked(table, response, factors, weights, cluster, unit, missing)
    design = Design.of(good.table, factors, reference, interactions)
    rows = Rows.of(good.table, design, response, weights)
    made = cells_of(rows)
    check_varies(made, response)
    fit = least_squares(made, design, checked_confidence(confidence))
    notes = (*good.notes, *_notes(made, design))
    kept = good.table[list(dict.fromkeys(columns))] if made.rows <= ROWS_KEPT else None
    clustered = None
    if cluster is not None:
        from xray.statistics.regression.cluster_robust import cluster_robust

        clustered = cluster_robust(fit, made, rows, good.table[cluster])
    return Regression(fit, made, response, notes, weights, kept, clustered, unit)


def least_squares(made: Cells, design: Design, confidence: float = 0.95) -> Fit:
    """Estimates and classical covariance from cells.

    Raises:
        XrayError: columns that are sums of others, or no more rows than columns.
    """
    df = made.rows - len(design.columns)
    if df < 1:
        raise XrayError(f"{made.rows:,} rows do not suffice for {len(design.columns):,} parameters and an error")
    matrix_CP, gram_PP = design.matrix(made.codes_CF), gram(made, design)
    check_rank(gram_PP, design)
    factor = linalg.cho_factor(gram_PP)
    mean = float(np.average(made.mean_C, weights=made.weight_C))
    estimates_P = linalg.cho_solve(factor, matrix_CP.T @ (made.weight_C * (made.mean_C - mean)))
    estimates_P[0] += mean
    variance = residual_ss(made, matrix_CP @ estimates_P) / df
    covariance_PP = variance * linalg.cho_solve(factor, np.eye(len(estimates_P)))
    return Fit(design, estimates_P, covariance_PP, df, "least squares", confidence=confidence)


def check_varies(made: Cells, response: str) -> None:
    """Look whether there is anything to explain.

    Raises:
        XrayError: the response is the same in all rows.
    """
    if made.low == made.high:
        raise XrayError(f"{response} is {made.low:g} in all {made.rows:,} rows: there is nothing to explain")


def gram(made: Cells, design: Design) -> Values:
    """X'W X, shape (columns, columns)."""
    matrix_CP = design.matrix(made.codes_CF)
    return np.asarray((matrix_CP.T @ (matrix_CP * made.weight_C[:, None])).toarray())


def residual_ss(made: Cells, fitted_C: Values) -> float:
    """Weighted sum of squares of all rows about what is expected in their cells."""
    return made.within + float((made.weight_C * (made.mean_C - fitted_C) ** 2).sum())


def total_ss(made: Cells) -> float:
    """Weighted sum of squares of all rows about their mean."""
    return residual_ss(made, np.full(len(made.mean_C), np.average(made.mean_C, weights=made.weight_C)))


def check_rank(gram_PP: Values, design: Design) -> None:
    """Name the columns that are sums of those before them, if there are any."""
    scale_P = np.sqrt(np.diag(gram_PP))
    if (scale_P == 0).any():
        empty = [name for name, scale in zip(design.columns, scale_P, strict=True) if scale == 0]
        raise XrayError(f"no row is in {_first(empty)}: leave the interaction out, or fill its cells")
    (left,) = linalg.qr(gram_PP / scale_P / scale_P[:, None], mode="r")
    aliased = [name for name, left in zip(design.columns, np.abs(np.diag(left)), strict=True) if left < _ALIASED]
    if not aliased:
        return
    spans = design.spans()
    terms = [":".join(t) for t, span in spans.items() if set(design.columns[span]) & set(aliased)]
    raise XrayError(
        f"{_first(aliased)} is a sum of the terms before: in this table {terms[0]!r} says nothing that the other "
        "factors do not say. Leave it out, or one that says the same"
    )


def _first(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"


def _notes(made: Cells, design: Design) -> list[str]:
    notes = []
    possible = math.prod(design.shape)
    if len(made.rows_C) < possible:
        notes.append(
            f"{possible - len(made.rows_C):,} of {possible:,} cells of {' × '.join(design.names)} have no row: "
            "their expectation rests on the other cells"
        )
    if made.rows_C.min() != made.rows_C.max():
        notes.append(
            f"unbalanced: {made.rows_C.min():,} to {made.rows_C.max():,} rows a cell; sums of squares are of type II"
        )
    elif made.rows_C.max() > 1:
        notes.append(f"{made.rows_C.max():,} rows in each cell, taken as repetitions")
    return notes
