"""S_robust of models whose halves are of the same scenarios; of the others, what is missing, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from xray.statistics.robustness.bootstrap import SERIES
from xray.statistics.robustness.by_model import s_robusts
from xray.statistics.robustness.cells import PRETRAINED

Cell = tuple[str, str]


@dataclass(frozen=True)
class _Told:
    """Of one model: the cells (trained_on, scenario) that count, and in words what is missing."""

    cells: Sequence[Cell]
    missing: str


def matched_s_robusts(
    predictions: pd.DataFrame, reference: str = "original", within: Collection[str] | None = None, seed: int = 0
) -> pd.DataFrame:
    """S_robust of every model that has both halves over the same scenarios, and what the others lack.

    Both halves, and those of all models, are over the scenarios in `within`: a cross half over more scenarios than the
    inner one would be another quantity. A half counts only when it is whole, and so does μ: every scenario, and in each
    of them every fold in which the model was tested anywhere, so that all accuracies are of the same photographs.

    Args:
        predictions: one row a (sample, model), with the columns of PREDICTIONS, without controls.
        reference: the scenario that shows the photograph as it is.
        within: scenarios that models are to be trained within; the reference may be among them. None: every one that
            any model was trained within. If there are none, all: pretrained models then have their cross part.
        seed: of the bootstrap.

    Returns:
        One row a (model, trained_on), trained on the reference or `pretrained`: the columns of `s_robusts`, `scenarios`
        (names) and `missing`: a sentence, empty where there is an S_robust. Parts of which all is there are given.
    """
    trained = predictions["trained_on"].unique()
    wanted = {*(trained if within is None else within)} - {reference, PRETRAINED}
    names = sorted(wanted or {*predictions["scenario"]} - {reference})
    told: dict[Cell, _Told] = {}
    for model, rows in predictions.groupby("model", observed=True):
        mine = _folds(rows)
        if any(on == PRETRAINED for on, _ in mine):
            told[str(model), PRETRAINED] = _pretrained(mine, reference, names)
        if own := {cell: found for cell, found in mine.items() if cell[0] != PRETRAINED}:
            told[str(model), reference] = _trained(own, reference, names)
    counted = {(model, *cell) for (model, _), one in told.items() for cell in one.cells}
    keys = pd.MultiIndex.from_frame(predictions[[*SERIES, "scenario"]])
    found = s_robusts(predictions[keys.isin(counted)], reference, seed=seed) if counted else _none()
    table = pd.DataFrame(list(told), columns=list(SERIES)).merge(found, how="left", on=list(SERIES))
    table["missing"] = [one.missing for one in told.values()]
    return table.assign(scenarios=", ".join(names))


def _none() -> pd.DataFrame:
    numbers = ["s_robust", "ci_low", "ci_high", "sigma2_cross", "sigma2_inner", "mu"]
    others = ["missing", "reading", "about", "power", "method", "n_scenarios", "n_images"]
    empty = pd.DataFrame(columns=[*SERIES, *numbers, *others])
    return empty.astype(dict.fromkeys(numbers, "float64"))


def _folds(rows: pd.DataFrame) -> dict[Cell, frozenset[int]]:
    """In which folds a model was tested, by cell."""
    found: dict[Cell, frozenset[int]] = {}
    for trained_on, scenario, fold in rows[["trained_on", "scenario", "fold"]].drop_duplicates().to_numpy().tolist():
        cell = (str(trained_on), str(scenario))
        found[cell] = found.get(cell, frozenset()) | {int(fold)}
    return dict(sorted(found.items()))


def _pretrained(mine: dict[Cell, frozenset[int]], reference: str, names: Sequence[str]) -> _Told:
    cells = [(PRETRAINED, name) for name in (reference, *names)]
    lacking = _named([name for on, name in cells if (on, name) not in mine])
    asked = [f"not tested on {lacking} (cross half)"] if lacking else []
    return _Told(
        () if lacking else cells, "; ".join([*asked, "pretrained, so not trained within scenarios (inner half)"])
    )


def _trained(own: dict[Cell, frozenset[int]], reference: str, names: Sequence[str]) -> _Told:
    origin = (reference, reference)
    cross, inner = [(reference, name) for name in names], [(name, name) for name in names]
    relevant = [cell for cell in (origin, *cross, *inner) if cell in own]
    folds = frozenset[int]().union(*(own[cell] for cell in relevant))
    whole = {cell for cell in relevant if own[cell] == folds}
    trained = any(on == reference for on, _ in own)
    said = []
    if not trained:
        said.append(f"not trained on {reference} (mu, cross half)")
    elif origin not in own:
        said.append(f"not tested on {reference} (mu)")
    if trained and (lacking := _named(name for on, name in cross if (on, name) not in own)):
        said.append(f"trained on {reference}, but not tested on {lacking} (cross half)")
    if lacking := _named(name for on, name in inner if (on, name) not in own):
        said.append(f"not trained within {lacking} (inner half)")
    gone = {cell: _named(map(str, sorted(folds - own[cell]))) for cell in relevant if cell not in whole}
    if lacking := gone.get(origin, ""):
        said.append(f"not trained on {reference} in fold {lacking} (mu, cross half)")
    for on, name in [cell for cell in gone if cell != origin and (cell[0] != reference or gone[cell] != lacking)]:
        where = f"trained on {on}, but not tested on {name}" if on == reference else f"not trained within {name}"
        said.append(f"{where} in fold {gone[on, name]} ({'cross' if on == reference else 'inner'} half)")
    cells = [origin] if origin in whole else []
    for half in (cross, inner):
        cells += half if cells and whole.issuperset(half) else []
    return _Told(cells if names else (), "; ".join(said) if names else "trained within no other scenario (inner half)")


def _named(names: Iterable[str]) -> str:
    return ", ".join(names)
