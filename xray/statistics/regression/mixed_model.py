"""Linear mixed model: photographs, or whatever else recurs in many rows, have a level of their own that chance drew."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.regression.mixed_linear_model import MixedLM

from xray.core.errors import XrayError
from xray.statistics.regression.cells import cells
from xray.statistics.regression.design import Design
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.least_squares import check_rank, check_varies, gram
from xray.statistics.regression.validation import Missing, Unit, checked, checked_confidence

MOST_ROWS = 200_000
_NOTHING = 1e-4
"""A variance of groups below this part of the residual one is taken as 0: the search ends short of the boundary."""


@dataclass(frozen=True)
class MixedRegression:
    """A linear model with a random intercept for each group.

    Args:
        fit: fixed effects, with normal tests.
        group: name of the column of groups.
        groups: how many there are.
        group_variance: σ_u², of the random intercepts.
        residual_variance: σ², of rows within a group.
        log_likelihood: restricted.
        converged: whether the estimates are the likelihood's maximum, as far as can be told.
        notes: for people.
    """

    fit: Fit
    group: str
    groups: int
    group_variance: float
    residual_variance: float
    log_likelihood: float
    converged: bool
    notes: tuple[str, ...]

    @property
    def parameters(self) -> pd.DataFrame:
        """One row a column of the design; `t` is the normal statistic z."""
        return self.fit.parameters

    def __repr__(self) -> str:
        from xray.statistics.regression.display import fit_text

        variances = f"variance of groups {self.group_variance:.4g}, of rows {self.residual_variance:.4g}"
        return fit_text(self.fit, f"{self.groups:,} groups, {variances}, ICC {self.icc:.4g}", self.notes)

    @property
    def icc(self) -> float:
        """Intraclass correlation σ_u² / (σ_u² + σ²): how alike rows of one group are, 0 … 1."""
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
    """Random intercepts, by restricted maximum likelihood (Laird & Ware, Biometrics 38, 1982).

        y_i = x_i'b + u_g(i) + e_i,   u ~ N(0, σ_u²),   e ~ N(0, σ²)

    Args:
        table: one row an observation, at most `MOST_ROWS`.
        response: numeric or boolean column.
        factors: columns of categories whose levels are of interest (fixed).
        group: column of what chance drew: photographs, or categories that stand for all others.
        reference: level that the others of a factor are compared with; default: the first.
        interactions: of factors, by name.
        confidence: of the intervals.
        unit: what the response is; see `xray.statistics.regression`.
        missing: what is done with rows in which something is empty.

    Raises:
        XrayError: a single group, a group that is a factor too, a group to each row, too many rows; and as
            `xray.statistics.regression` does.

    >>> values = [0.9, 0.7, 0.8, 0.5, 0.6, 0.45]
    >>> table = pd.DataFrame({"model": [*"ababab"], "category": [*"xxyyzz"], "accuracy": values})
    >>> made = mixed(table, factors=["model"])
    >>> made.parameters["estimate"].round(4).tolist(), round(made.icc, 2)
    ([0.7667, -0.2167], 0.86)
    """
    if group in factors:
        raise XrayError(f"{group!r} is a factor and cannot be the group as well: it is fixed, or drawn by chance")
    if len(table) > MOST_ROWS:
        raise XrayError(
            f"{len(table):,} rows are too many for a mixed model (at most {MOST_ROWS:,}): give accuracies of cells, or "
            f"use regression(cluster={group!r}), which allows rows of a group to be alike, too"
        )
    good = checked(table, response, factors, cluster=group, unit=unit, missing=missing)
    design = Design.of(good.table, factors, reference, interactions)
    made = cells(good.table, design, response)
    check_varies(made, response)
    check_rank(gram(made, design), design)
    codes_N, names = pd.factorize(good.table[group])
    if not 1 < len(names) < len(codes_N):
        raise XrayError(
            f"a mixed model needs groups of several rows; {group!r} has {len(names):,} in {len(codes_N):,} rows"
        )
    model = MixedLM(
        good.table[response].to_numpy(np.float64), design.matrix(design.codes(good.table)).toarray(), codes_N
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say stands in `converged` and `notes`
        found = model.fit(reml=True)
    columns = len(design.columns)
    group_variance, residual_variance = float(np.asarray(found.cov_re).item()), float(found.scale)
    fit = Fit(
        design, np.asarray(found.fe_params), np.asarray(found.cov_params())[:columns, :columns], math.inf,
        f"mixed model (random intercept by {group}, REML)", confidence=checked_confidence(confidence),
    )  # fmt: skip
    notes = list(good.notes)
    if not found.converged:
        notes.append("the mixed model did not converge: its numbers are no maximum of the likelihood, do not use them")
    if group_variance < _NOTHING * residual_variance:
        notes.append(
            f"rows of one {group} are no more alike than others (variance 0, on the boundary): use least squares"
        )
    return MixedRegression(
        fit, group, len(names), group_variance, residual_variance, float(found.llf), bool(found.converged), tuple(notes)
    )
