"""Linear mixed model with a random intercept per group: photographs, or whatever recurs in many rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.regression.mixed_linear_model import MixedLM

from xray.core.errors import ConfigError
from xray.statistics.regression.cells import CodedRows, aggregate
from xray.statistics.regression.design import Design
from xray.statistics.regression.display import fit_text
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.least_squares import check_rank, check_varies, gram
from xray.statistics.regression.validation import Missing, Unit, validate_confidence, validate_table

MAX_ROWS = 200_000
_ZERO_VARIANCE = 1e-4
"""A group variance below this share of the residual variance is taken as 0: the optimiser stops before the boundary."""


@dataclass(frozen=True, repr=False)
class MixedRegression:
    """A linear model with a random intercept for each group.

    Args:
        fit: fixed effects, with normal tests.
        group: column of groups.
        groups: number of groups.
        group_variance: σ_u², variance of the random intercepts.
        residual_variance: σ², variance of rows within a group.
        log_likelihood: restricted.
        converged: whether the optimiser converged.
        notes: caveats.
        response: column name.
        unit: of the response as given; percentages have been converted to fractions.
    """

    fit: Fit
    group: str
    groups: int
    group_variance: float
    residual_variance: float
    log_likelihood: float
    converged: bool
    notes: tuple[str, ...]
    response: str = "accuracy"
    unit: Unit = "fraction"

    @property
    def parameters(self) -> pd.DataFrame:
        """One row per column of the design; `t` is the normal statistic z."""
        return self.fit.parameters

    def __repr__(self) -> str:
        variances = f"variance of groups {self.group_variance:.4g}, of rows {self.residual_variance:.4g}"
        return fit_text(self.fit, f"{self.groups:,} groups, {variances}, ICC {self.icc:.4g}", self.notes)

    @property
    def icc(self) -> float:
        """Intraclass correlation σ_u² / (σ_u² + σ²), 0 … 1."""
        return self.group_variance / (self.group_variance + self.residual_variance)


def mixed(
    table: pd.DataFrame,
    response: str = "accuracy",
    factors: Sequence[str] = ("model", "scenario"),
    group: str = "category",
    reference: Mapping[str, object] | None = None,
    *,
    interactions: Sequence[Sequence[str]] = (),
    confidence: float = 0.95,
    unit: Unit = "fraction",
    missing: Missing = "error",
) -> MixedRegression:
    """Fit random intercepts by restricted maximum likelihood (Laird & Ware, Biometrics 38, 1982).

        y_i = x_i'b + u_g(i) + e_i,   u ~ N(0, σ_u²),   e ~ N(0, σ²)

    Args:
        table: one row per observation, at most `MAX_ROWS`.
        response: numeric or boolean column.
        factors: categorical columns with fixed effects.
        group: column with random effects: photographs, or categories that represent all others.
        reference: reference level of each factor; default: the first level.
        interactions: tuples of factor names.
        confidence: confidence level of the intervals.
        unit: unit of the response; see `xray.statistics.regression`.
        missing: `error`, or `drop` rows with an empty cell.

    Raises:
        ConfigError: a single group, a group that is a factor too, a group per row, too many rows; and as
            `xray.statistics.regression`.

    >>> values = [0.9, 0.7, 0.8, 0.5, 0.6, 0.45]
    >>> table = pd.DataFrame({"model": [*"ababab"], "category": [*"xxyyzz"], "accuracy": values})
    >>> result = mixed(table, factors=["model"])
    >>> result.parameters["estimate"].round(4).tolist(), round(result.icc, 2)
    ([0.7667, -0.2167], 0.86)
    """
    if group in factors:
        raise ConfigError(f"{group!r} is a factor and cannot be the group as well: its effect is fixed or random")
    if len(table) > MAX_ROWS:
        raise ConfigError(
            f"{len(table):,} rows are too many for a mixed model (at most {MAX_ROWS:,}): give accuracies of cells, or "
            f"use regression(cluster={group!r})"
        )
    valid = validate_table(table, response, factors, cluster=group, unit=unit, missing=missing)
    design = Design.of(valid.table, factors, reference, interactions)
    cells = aggregate(CodedRows.of(valid.table, design, response))
    check_varies(cells, response)
    check_rank(gram(cells, design), design)
    codes_N, names = pd.factorize(valid.table[group])
    if not 1 < len(names) < len(codes_N):
        raise ConfigError(
            f"a mixed model needs groups of several rows; {group!r} has {len(names):,} in {len(codes_N):,} rows"
        )
    matrix_NP = design.matrix(design.codes(valid.table)).toarray()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reported in `converged` and `notes`
        result = MixedLM(valid.table[response].to_numpy(np.float64), matrix_NP, codes_N).fit(reml=True)
    columns = len(design.columns)
    group_variance, residual_variance = float(np.asarray(result.cov_re).item()), float(result.scale)
    fit = Fit(
        design, np.asarray(result.fe_params), np.asarray(result.cov_params())[:columns, :columns], math.inf,
        f"mixed model (random intercept by {group}, REML)", confidence=validate_confidence(confidence),
    )  # fmt: skip
    notes = list(valid.notes)
    if not result.converged:
        notes.append("the mixed model did not converge: do not use its estimates")
    if group_variance < _ZERO_VARIANCE * residual_variance:
        notes.append(f"rows of one {group} are not correlated (group variance 0, on the boundary): use least squares")
    likelihood, converged = float(result.llf), bool(result.converged)
    return MixedRegression(
        fit,
        group,
        len(names),
        group_variance,
        residual_variance,
        likelihood,
        converged,
        tuple(notes),
        response,
        unit,
    )
