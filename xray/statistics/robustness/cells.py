"""The cells of a table that S_robust of each model is computed from, checked for completeness."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.statistics.robustness.bootstrap import column_means, columns_of
from xray.statistics.robustness.s_robust import Definition, check_halves, s_robust_by_class

Values = NDArray[np.float64]
Cells = Mapping[tuple[str, ...], float]
Columns = Mapping[tuple[str, ...], int]
PRETRAINED = "pretrained"


@dataclass(frozen=True)
class Half:
    """A half of S_robust: the mean square of some linear combinations of paired means (`PairedTable`).

    Args:
        columns: those that are combined.
        weights_KI: of each column in each centred accuracy, shape (columns, accuracies); empty if the half is missing.
    """

    columns: tuple[int, ...] = ()
    weights_KI: Values = field(default_factory=lambda: np.zeros((0, 0)))

    def __bool__(self) -> bool:
        return bool(self.columns)

    def variance(self, means_BK: Values, errors_BI: Values | None = None) -> Values:
        """Return the mean square of each row of means, with errors of its accuracies, shape (B,); NaN if missing."""
        if not self.columns:
            return np.full(len(means_BK), math.nan)
        centred_BI = means_BK[:, self.columns] @ self.weights_KI
        variance_B: Values = ((centred_BI if errors_BI is None else centred_BI + errors_BI) ** 2).mean(axis=1)
        return variance_B

    def bias(self, influence_GK: Values) -> float:
        """Return how much larger than in truth the mean square is on average: the mean variance of its accuracies."""
        if not self.columns:
            return math.nan
        return float(((influence_GK[:, self.columns] @ self.weights_KI) ** 2).sum() / self.weights_KI.shape[1])

    def pseudo_variances(self, present_GK: NDArray[np.bool_]) -> Values:
        """Return the variance that two more images, one lost and one gained, would add to each accuracy, shape (I,).

            τ_i² = 2 Σ_k w_ki² / (n_k N)

        with n_k images (or groups) in column k, and N in the half: 2 / N² for a gain on the original.
        """
        own_GK = present_GK[:, self.columns]
        variance_I: Values = 2 * (self.weights_KI**2 / np.maximum(1, own_GK.sum(axis=0))[:, None]).sum(axis=0)
        return variance_I / max(1, int(own_GK.any(axis=1).sum()))


@dataclass(frozen=True)
class Halves:
    """The columns of a paired table that the two halves of a model are computed from.

    Args:
        model: name.
        trained_on: the reference, or `pretrained`.
        mu: columns of the accuracy on the reference.
        cross: the half of the model trained on the reference; of the reading `class_scenario` that over scenarios.
        inner: the half of models trained within scenarios; of the reading `class_scenario` that over classes.
        scenarios: their number, without the reference.
    """

    model: str
    trained_on: str
    mu: tuple[int, ...]
    cross: Half
    inner: Half
    scenarios: int

    @property
    def used(self) -> list[int]:
        """All columns that are used."""
        return sorted({*self.mu, *self.cross.columns, *self.inner.columns})

    @property
    def missing(self) -> str:
        """Names of the halves without any cell."""
        return ", ".join(name for name, half in (("cross", self.cross), ("inner", self.inner)) if not half)

    def mus(self, means_BK: Values) -> Values:
        """Return μ of each row of means, shape (B,); NaN for a model that was not tested on the reference."""
        return means_BK[:, self.mu].mean(axis=1) if self.mu else np.full(len(means_BK), math.nan)


def halves(wide: pd.DataFrame, reference: str, definition: Definition) -> list[Halves]:
    """Return the halves of each model of a table by source image that was trained on the reference, or is `pretrained`.

    Their columns are those of `wide`, and of the table that `PairedTable.of` makes of it.

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
            by = _by_scenario if definition.reading == "poster" else _by_class
            result.append(by(column, accuracy, model, trained_on, reference, definition))
    return result


def _by_scenario(
    column: Columns, accuracy: Cells, model: str, trained_on: str, reference: str, definition: Definition
) -> Halves:
    mu = (trained_on, reference)
    cross = {cell[1]: cell for cell in column if cell[0] == trained_on and cell != mu}
    inner = {cell[1]: cell for cell in column if cell[0] == cell[1] != reference} if trained_on == reference else {}
    if cross or (inner and mu in column):
        outer, within = ({name: accuracy[cell] for name, cell in half.items()} or None for half in (cross, inner))
        check_halves(outer, within, accuracy.get(mu), model)
    outer_half, inner_half = (
        centred([column[cell] for cell in half.values()], np.eye(len(half)), definition) for half in (cross, inner)
    )
    mus = (column[mu],) if mu in column else ()
    return Halves(model, trained_on, mus, outer_half, inner_half, len(cross or inner))


def _by_class(
    column: Columns, accuracy: Cells, model: str, trained_on: str, reference: str, definition: Definition
) -> Halves:
    own = {(cell[1], cell[2]): k for cell, k in column.items() if cell[0] == trained_on}
    others = {cell: k for cell, k in own.items() if cell[0] != reference}
    scenarios, classes = (list(dict.fromkeys(cell[axis] for cell in others)) for axis in (0, 1))
    known = [c for c, name in enumerate(classes) if (reference, name) in own]
    mu = tuple(own[reference, classes[c]] for c in known)
    mu_of_all = mu if len(mu) == len(classes) else ()
    if not others:
        return Halves(model, trained_on, mu_of_all, Half(), Half(), 0)
    mean = float(np.mean([accuracy[trained_on, reference, name] for name in classes])) if mu_of_all else None
    values = {cell: accuracy[trained_on, *cell] for cell in others}
    s_robust_by_class(values, mean, definition.about, model=model)  # checks that all cells are there
    n_S, n_C = len(scenarios), len(classes)
    cells = [others[scenario, category] for scenario in scenarios for category in classes]
    over_scenarios = centred(cells, np.kron(np.eye(n_S), np.full((n_C, 1), 1 / n_C)), definition)
    # Of a class: its accuracy on the original, and what it gains in the scenarios on average.
    gains_KC = np.kron(np.ones((n_S, 1)) / n_S, np.eye(n_C))
    originals_KC = np.eye(n_C) - (1 / n_C if definition.about == "mu" else 0.0)
    over_classes = centred([*cells, *mu], np.concatenate([gains_KC, originals_KC[known]]), definition)
    return Halves(model, trained_on, mu_of_all, over_scenarios, over_classes, len(scenarios))


def centred(columns: Sequence[int], weights_KI: Values, definition: Definition) -> Half:
    """Return a half about μ, which gains are already about, or about its own mean."""
    if not columns:
        return Half()
    if definition.about == "own_mean":
        weights_KI = weights_KI - weights_KI.mean(axis=1, keepdims=True)
    return Half(tuple(columns), weights_KI)
