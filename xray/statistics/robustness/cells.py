"""Which cells S_robust is made of, for every model of a table, and whether all of them are there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xray.statistics.robustness.s_robust import About, Reading, check_halves, s_robust_by_class, spread

Values = NDArray[np.float64]
Groups = tuple[tuple[int, ...], ...]
Cells = Mapping[tuple[str, ...], float]
Places = Mapping[tuple[str, ...], int]
PRETRAINED = "pretrained"


@dataclass(frozen=True)
class Halves:
    """Columns of a table of accuracies; each accuracy that counts is the mean over a group of columns.

    Args:
        model: name.
        trained_on: the reference, or `pretrained`.
        mu: columns of the accuracy on the reference.
        cross: groups of columns, one a scenario.
        inner: groups of columns, one a scenario (reading `poster`) or a class (`class_scenario`).
        n_scenarios: other than the reference.
    """

    model: str
    trained_on: str
    mu: tuple[int, ...]
    cross: Groups
    inner: Groups
    n_scenarios: int

    @property
    def used(self) -> list[int]:
        """All columns that count."""
        return sorted({k for group in (self.mu, *self.cross, *self.inner) for k in group})

    @property
    def missing(self) -> str:
        """Halves of which nothing is there."""
        return ", ".join(name for name, half in (("cross", self.cross), ("inner", self.inner)) if not half)

    def mus(self, means_BK: Values) -> Values:
        """μ in each row of means, shape (B,); NaN for a model that was not asked about the reference."""
        return means_BK[:, self.mu].mean(axis=1) if self.mu else np.full(len(means_BK), math.nan)

    def variances(self, means_BK: Values, about: About) -> tuple[Values, Values]:
        """σ²_cross and σ²_inner in each row of means, shape (B,) each; NaN for a half that is missing."""
        mu_B = self.mus(means_BK)

        def variance(half: Groups) -> Values:
            return spread(means_BK[:, half].mean(axis=2), mu_B, about) if half else np.full(len(means_BK), math.nan)

        return variance(self.cross), variance(self.inner)


def halves(cells: Cells, reference: str, reading: Reading, about: About) -> list[Halves]:
    """What a table has of each model that was trained on the reference, or is `pretrained`.

    Args:
        cells: accuracies by (model, trained_on, scenario), and category for `class_scenario`, in the columns' order.
        reference: the scenario that shows the photograph as it is.
        reading: `poster` or `class_scenario`.
        about: what the squares are about; the reading `class_scenario` needs μ only where they are about it.

    Raises:
        XrayError: a half lacks some of its cells, or μ; a value is no fraction; model and cell are named.
    """
    found = []
    for model in dict.fromkeys(model for model, *_ in cells):
        place = {cell[1:]: k for k, cell in enumerate(cells) if cell[0] == model}
        accuracy = {cell[1:]: value for cell, value in cells.items() if cell[0] == model}
        trainings = {trained_on for trained_on, *_ in place}
        series = [PRETRAINED] * (PRETRAINED in trainings) + [reference] * (trainings != {PRETRAINED})
        for trained_on in series:
            if reading == "poster":
                found.append(_by_scenario(place, accuracy, model, trained_on, reference))
            else:
                found.append(_by_class(place, accuracy, model, trained_on, reference, about))
    return found


def _by_scenario(place: Places, accuracy: Cells, model: str, trained_on: str, reference: str) -> Halves:
    mu = (trained_on, reference)
    cross = {cell[1]: cell for cell in place if cell[0] == trained_on and cell != mu}
    inner = {cell[1]: cell for cell in place if cell[0] == cell[1] != reference} if trained_on == reference else {}
    if cross or (inner and mu in place):
        seen, own = ({on: accuracy[cell] for on, cell in half.items()} or None for half in (cross, inner))
        check_halves(seen, own, accuracy.get(mu), model)
    outer, within = (tuple((place[cell],) for cell in half.values()) for half in (cross, inner))
    return Halves(model, trained_on, (place[mu],) if mu in place else (), outer, within, len(cross or inner))


def _by_class(place: Places, accuracy: Cells, model: str, trained_on: str, reference: str, about: About) -> Halves:
    seen = {(cell[1], cell[2]): k for cell, k in place.items() if cell[0] == trained_on}
    others = {cell: k for cell, k in seen.items() if cell[0] != reference}
    scenarios, classes = (list(dict.fromkeys(cell[axis] for cell in others)) for axis in (0, 1))
    mu = tuple(k for (scenario, category), k in seen.items() if scenario == reference and category in classes)
    if others:
        whole = (
            float(np.mean([accuracy[trained_on, reference, c] for c in classes])) if len(mu) == len(classes) else None
        )
        s_robust_by_class({cell: accuracy[trained_on, *cell] for cell in others}, whole, about, model=model)
    cross = tuple(tuple(others[scenario, category] for category in classes) for scenario in scenarios)
    inner = tuple(zip(*cross, strict=True))
    return Halves(model, trained_on, mu if len(mu) == len(classes) else (), cross, inner, len(scenarios))
