"""The cells of a table that S_robust of each model is computed from, checked for completeness."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.statistics.robustness.bootstrap import column_means, columns_of
from xray.statistics.robustness.s_robust import Definition, check_halves, s_robust_by_class

Values = NDArray[np.float64]
Groups = tuple[tuple[int, ...], ...]
Cells = Mapping[tuple[str, ...], float]
Columns = Mapping[tuple[str, ...], int]
PRETRAINED = "pretrained"


@dataclass(frozen=True)
class Halves:
    """The columns of a table of accuracies that the two halves are means of.

    Args:
        model: name.
        trained_on: the reference, or `pretrained`.
        mu: columns of the accuracy on the reference.
        cross: groups of columns, one per scenario.
        inner: groups of columns, one per scenario (reading `poster`) or class (`class_scenario`).
    """

    model: str
    trained_on: str
    mu: tuple[int, ...]
    cross: Groups
    inner: Groups

    @property
    def n_scenarios(self) -> int:
        """Number of scenarios other than the reference."""
        return len(self.cross or self.inner)

    @property
    def used(self) -> list[int]:
        """All columns that are used."""
        return sorted({k for group in (self.mu, *self.cross, *self.inner) for k in group})

    @property
    def missing(self) -> str:
        """Names of the halves without any cell."""
        return ", ".join(name for name, half in (("cross", self.cross), ("inner", self.inner)) if not half)

    def mus(self, means_BK: Values) -> Values:
        """Return μ of each row of means, shape (B,); NaN for a model that was not tested on the reference."""
        return means_BK[:, self.mu].mean(axis=1) if self.mu else np.full(len(means_BK), math.nan)

    def variances(self, means_BK: Values, definition: Definition) -> tuple[Values, Values]:
        """Return σ²_cross and σ²_inner of each row of means, shape (B,) each; NaN for a missing half."""
        mu_B = self.mus(means_BK)

        def variance(half: Groups) -> Values:
            return definition.variance(means_BK[:, half].mean(axis=2), mu_B) if half else np.full(len(mu_B), math.nan)

        return variance(self.cross), variance(self.inner)


def halves(wide: pd.DataFrame, reference: str, definition: Definition) -> list[Halves]:
    """Return the halves of each model of a table by source image that was trained on the reference, or is `pretrained`.

    Raises:
        ConfigError: a half lacks some of its cells, or μ (`class_scenario` needs it only if squares are about it); a
            value is no fraction. Names model and cell.
    """
    cells = dict(zip(columns_of(wide), column_means(wide.to_numpy()).tolist(), strict=True))
    result = []
    for model in dict.fromkeys(model for model, *_ in cells):
        column = {cell[1:]: k for k, cell in enumerate(cells) if cell[0] == model}
        accuracy = {cell[1:]: value for cell, value in cells.items() if cell[0] == model}
        trainings = {trained_on for trained_on, *_ in column}
        for trained_on in [PRETRAINED] * (PRETRAINED in trainings) + [reference] * (trainings != {PRETRAINED}):
            if definition.reading == "poster":
                result.append(_by_scenario(column, accuracy, model, trained_on, reference))
            else:
                result.append(_by_class(column, accuracy, model, trained_on, reference, definition))
    return result


def _by_scenario(column: Columns, accuracy: Cells, model: str, trained_on: str, reference: str) -> Halves:
    mu = (trained_on, reference)
    cross = {cell[1]: cell for cell in column if cell[0] == trained_on and cell != mu}
    inner = {cell[1]: cell for cell in column if cell[0] == cell[1] != reference} if trained_on == reference else {}
    if cross or (inner and mu in column):
        outer, within = ({name: accuracy[cell] for name, cell in half.items()} or None for half in (cross, inner))
        check_halves(outer, within, accuracy.get(mu), model)
    groups = [tuple((column[cell],) for cell in half.values()) for half in (cross, inner)]
    return Halves(model, trained_on, (column[mu],) if mu in column else (), *groups)


def _by_class(
    column: Columns, accuracy: Cells, model: str, trained_on: str, reference: str, definition: Definition
) -> Halves:
    own = {(cell[1], cell[2]): k for cell, k in column.items() if cell[0] == trained_on}
    others = {cell: k for cell, k in own.items() if cell[0] != reference}
    scenarios, classes = (list(dict.fromkeys(cell[axis] for cell in others)) for axis in (0, 1))
    mu = tuple(k for (scenario, category), k in own.items() if scenario == reference and category in classes)
    mu = mu if len(mu) == len(classes) else ()
    if others:
        mean = float(np.mean([accuracy[trained_on, reference, name] for name in classes])) if mu else None
        values = {cell: accuracy[trained_on, *cell] for cell in others}
        s_robust_by_class(values, mean, definition.about, model=model)  # checks that all cells are there
    cross = tuple(tuple(others[scenario, category] for category in classes) for scenario in scenarios)
    return Halves(model, trained_on, mu, cross, tuple(zip(*cross, strict=True)))
