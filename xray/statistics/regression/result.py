"""Multiple linear regression on categories: accuracy ~ intercept + model + scenario + category."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from xray.statistics.regression import display
from xray.statistics.regression.anova import anova
from xray.statistics.regression.cells import Cells, CodedRows, aggregate
from xray.statistics.regression.cluster_robust import cluster_notes, cluster_robust
from xray.statistics.regression.clusters import clustered_rows
from xray.statistics.regression.design import Design
from xray.statistics.regression.diagnostics import residuals
from xray.statistics.regression.least_squares import LinearFit, check_varies, inverse_gram, least_squares
from xray.statistics.regression.marginal_means import contrasts, marginal_means
from xray.statistics.regression.power import minimum_detectable_effect
from xray.statistics.regression.validation import Missing, Unit, validate_confidence, validate_table

ROWS_KEPT = 100_000
"""A regression of more rows keeps only cells: there are no residuals of single rows."""
MAX_PAIRED_LEVELS = 100
"""Levels of a factor with more than this are only compared with the reference."""


@dataclass(frozen=True, repr=False)
class Regression(LinearFit):
    """A least squares fit that prints itself and makes its tables."""

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return every table by name: what `xray regress` writes as CSV.

        `parameters`, `parameters_clustered` (if clusters were given), `anova`, `marginal_means` and `contrasts` (of
        all factors, named in the column `factor`), `power` (minimum detectable effects), `residuals` (if rows were
        kept; `row` is the row label). Marginal means, contrasts and power use clustered errors where there are any.

        >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
        >>> tables = regression(table, factors=["model", "scenario"]).tables()
        >>> list(tables)
        ['parameters', 'anova', 'marginal_means', 'contrasts', 'power', 'residuals']
        >>> tables["marginal_means"][["factor", "level", "mean"]].round(3).values.tolist()
        [['model', 'a', 0.7], ['model', 'b', 0.65], ['scenario', 'x', 0.85], ['scenario', 'y', 0.5]]
        """
        fit, factors = self.robust_fit, self.design.factors
        result = {"parameters": self.parameters}
        if self.clustered is not None:
            result["parameters_clustered"] = self.clustered.parameters
        result["anova"] = anova(self)
        result["marginal_means"] = _stacked({factor.name: marginal_means(fit, factor.name) for factor in factors})
        many = {factor.name: len(factor.levels) > MAX_PAIRED_LEVELS for factor in factors}
        result["contrasts"] = _stacked({name: contrasts(fit, name, many[name]) for name in many})
        result["power"] = minimum_detectable_effect(self)
        if self.table is not None:
            result["residuals"] = residuals(self)
            result["residuals"].insert(0, "row", result["residuals"].index, allow_duplicates=True)
        return result

    def __repr__(self) -> str:
        return display.text(self)

    def _repr_html_(self) -> str:
        return display.html(self)


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
    """Fit ordinary or weighted least squares with treatment coding.

    The estimates solve X'W X b = X'W y, from sums over the cells of the design; they equal the fit of the rows.
    Classical errors: s² (X'W X)⁻¹ with s² = residual sum of squares / (n − P).

    Args:
        table: one row per observation: a cell's accuracy, or a single prediction.
        response: numeric or boolean column.
        factors: categorical columns.
        reference: reference level of each factor; default: the first level.
        interactions: tuples of factor names.
        weights: column of positive weights.
        cluster: column of what correlates rows, the photograph for example; adds `Regression.clustered`.
        confidence: confidence level of the intervals.
        unit: `fraction` (0 … 1), `percent` (divided by 100), or `any`.
        missing: `error`, or `drop` rows with an empty cell.

    Raises:
        ConfigError: see `xray.statistics.regression.validation.validate_table`; also collinear factors, fewer rows than
            parameters, or a constant response.

    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> fit = regression(table, factors=["model", "scenario"], reference={"scenario": "x"})
    >>> fit.parameters[["term", "estimate", "p_summary"]].round(3).values.tolist()
    [['Intercept', 0.875, '*'], ['model[b]', -0.05, 'ns'], ['scenario[y]', -0.35, 'ns']]
    """
    valid = validate_table(table, response, factors, weights, cluster, unit, missing)
    design = Design.of(valid.table, factors, reference, interactions)
    rows = CodedRows.of(valid.table, design, response, weights)
    by_cluster = None if cluster is None else clustered_rows(rows, valid.table[cluster])
    cells = by_cluster.cells() if by_cluster else aggregate(rows)
    check_varies(cells, response)
    fit, clustered = least_squares(cells, design, validate_confidence(confidence)), None
    notes = [*valid.notes, *_design_notes(cells, design)]
    if by_cluster:
        scores_GP = by_cluster.scores(design.matrix(design.every_cell()) @ fit.estimates_P)
        clustered = cluster_robust(fit, inverse_gram(cells, design), scores_GP, cells.rows, str(cluster))
        notes += cluster_notes(fit, scores_GP)
    kept = valid.table if cells.rows <= ROWS_KEPT else None
    return Regression(fit, cells, response, tuple(notes), weights, kept, clustered, unit)


def _stacked(by_factor: dict[str, pd.DataFrame]) -> pd.DataFrame:
    for name, frame in by_factor.items():
        frame.insert(0, "factor", name)
    return pd.concat(by_factor.values(), ignore_index=True)


def _design_notes(cells: Cells, design: Design) -> Iterator[str]:
    for factor in design.factors:
        spellings: dict[str, str] = {}
        for level in factor.levels:
            other = spellings.setdefault(level.casefold(), level)
            if other != level:
                yield (
                    f"{factor.name} has the levels {other!r} and {level!r}, which differ only in capital letters: they "
                    "count as two"
                )
    possible = math.prod(design.shape)
    low, high = cells.rows_C.min(), cells.rows_C.max()
    if len(cells.rows_C) < possible:
        yield (
            f"{possible - len(cells.rows_C):,} of {possible:,} cells of {' × '.join(design.names)} have no row: "
            "their fitted values are extrapolated from the other cells"
        )
    if low != high:
        yield f"unbalanced: {low:,} to {high:,} rows per cell; sums of squares are of type II"
    elif high > 1:
        yield f"{high:,} rows in each cell, taken as replicates"
