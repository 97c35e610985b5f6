"""S_robust of models with complete halves over the same scenarios; of the others, what is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from xray.statistics.robustness.bootstrap import SERIES
from xray.statistics.robustness.by_model import s_robusts
from xray.statistics.robustness.cells import PRETRAINED
from xray.statistics.robustness.chance import at_chance
from xray.statistics.robustness.numbering import numbered

Cell = tuple[str, str]
"""trained_on, scenario"""

Folds = Mapping[Cell, frozenset[int]]
"""The folds in which a model was tested, by cell."""

_VALUES = ("s_robust", "ci_low", "ci_high", "plug_in", "sigma2_cross", "sigma2_inner", "plug_in_cross", "plug_in_inner")

_ONE_GROUP = "only one photograph, or group of photographs, in a scenario: no estimate without bias"

Usable = tuple[Sequence[Cell], str]
"""The cells of one model that are used, and a description of what is missing."""


def matched_s_robusts(
    predictions: pd.DataFrame, reference: str = "original", within: Collection[str] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Compute S_robust of every model that has both halves over the same scenarios.

    Both halves of all models are over the scenarios in `within`: with a cross half over more scenarios than the inner
    one, values are not comparable. A half (and μ) is used only if it is complete: every scenario, and in each of them
    every fold in which the model was tested anywhere, so that all accuracies are of the same photographs. A model
    that is not shown to be above chance on the reference (see `xray.statistics.at_chance`) has no S_robust.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS, without controls.
        reference: the scenario with the unchanged photograph.
        within: scenarios that models are trained on; the reference is ignored. None: all that any model was trained
            on. If there are none, all scenarios: pretrained models then have their cross half.
        seed: seed of the bootstrap.

    Returns:
        One row per (model, trained_on), trained on the reference or `pretrained`: the columns of `s_robusts`,
        `scenarios` (names) and `missing`: a description, empty if there is an S_robust. Complete halves are given,
        unless the model is not shown to be above chance. Photographs of a single group have no estimate.
    """
    trained = predictions["trained_on"].unique()
    scenarios = {*(trained if within is None else within)} - {reference, PRETRAINED}
    names = sorted(scenarios or {*predictions["scenario"].unique()} - {reference})
    usable: dict[tuple[str, str], Usable] = {}
    for model, rows in predictions.groupby("model", observed=True):
        folds = {
            (str(on), str(scenario)): frozenset(tested["fold"].unique())
            for (on, scenario), tested in rows.groupby(["trained_on", "scenario"], observed=True)
        }
        if any(on == PRETRAINED for on, _ in folds):
            usable[str(model), PRETRAINED] = _pretrained(folds, reference, names)
        if own := {cell: tested for cell, tested in folds.items() if cell[0] != PRETRAINED}:
            usable[str(model), reference] = _trained(own, reference, names)
    used = {(model, *cell) for (model, _), (cells, _) in usable.items() for cell in cells}
    cell_N, cells = numbered(predictions, [*SERIES, "scenario"])
    chosen_N = pd.MultiIndex.from_frame(cells).isin(used)[cell_N] if used else np.zeros(len(predictions), bool)
    values = s_robusts(predictions[chosen_N], reference, seed=seed) if used else _empty()
    table = pd.DataFrame(list(usable), columns=list(SERIES)).merge(values, how="left", on=list(SERIES))
    table["missing"] = [missing for _, missing in usable.values()]
    table.loc[table["s_robust"].isna() & (table["missing"] == ""), "missing"] = _ONE_GROUP
    return _without_chance(table, at_chance(predictions, reference)).assign(scenarios=", ".join(names))


def _without_chance(table: pd.DataFrame, at_chance: pd.DataFrame) -> pd.DataFrame:
    """Remove the values of models that are not shown to be above chance, and say so in `missing`."""
    reasons = table[list(SERIES)].merge(at_chance, how="left", on=list(SERIES))["reason"]
    chance = reasons.notna().to_numpy()
    table.loc[chance, list(_VALUES)] = np.nan
    table.loc[chance, "missing"] = [
        "; ".join(filter(None, both)) for both in zip(reasons[chance], table.loc[chance, "missing"], strict=True)
    ]
    return table


def _empty() -> pd.DataFrame:
    numbers = [*_VALUES, "mu"]
    others = ["missing", "reading", "about", "power", "method", "over", "n_scenarios", "n_images", "n_images_least"]
    empty = pd.DataFrame(columns=[*SERIES, *numbers, *others])
    return empty.astype(dict.fromkeys(numbers, "float64"))


def _pretrained(folds: Folds, reference: str, names: Sequence[str]) -> Usable:
    cells = [(PRETRAINED, name) for name in (reference, *names)]
    lacking = ", ".join(name for on, name in cells if (on, name) not in folds)
    missing = f"not tested on {lacking} (cross half); " if lacking else ""
    return () if lacking else cells, f"{missing}pretrained, so not trained within scenarios (inner half)"


def _trained(own: Folds, reference: str, names: Sequence[str]) -> Usable:
    if not names:
        return (), "trained within no other scenario (inner half)"
    origin = (reference, reference)
    cross, inner = [(reference, name) for name in names], [(name, name) for name in names]
    relevant = [cell for cell in (origin, *cross, *inner) if cell in own]
    folds = frozenset[int]().union(*(own[cell] for cell in relevant))
    whole = {cell for cell in relevant if own[cell] == folds}
    trained = any(on == reference for on, _ in own)
    missing = []
    if not trained:
        missing.append(f"not trained on {reference} (mu, cross half)")
    elif origin not in own:
        missing.append(f"not tested on {reference} (mu)")
    if trained and (lacking := ", ".join(name for on, name in cross if (on, name) not in own)):
        missing.append(f"trained on {reference}, but not tested on {lacking} (cross half)")
    if lacking := ", ".join(name for on, name in inner if (on, name) not in own):
        missing.append(f"not trained within {lacking} (inner half)")
    lost = {cell: ", ".join(map(str, sorted(folds - own[cell]))) for cell in relevant if cell not in whole}
    if lacking := lost.get(origin, ""):
        missing.append(f"not trained on {reference} in fold {lacking} (mu, cross half)")
    for on, name in [cell for cell in lost if cell != origin and (cell[0] != reference or lost[cell] != lacking)]:
        where = f"trained on {on}, but not tested on {name}" if on == reference else f"not trained within {name}"
        missing.append(f"{where} in fold {lost[on, name]} ({'cross' if on == reference else 'inner'} half)")
    cells = [origin] if origin in whole else []
    for half in (cross, inner):
        cells += half if cells and whole.issuperset(half) else []
    return cells, "; ".join(missing)
