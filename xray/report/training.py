"""Models that were trained within scenarios: how, how far, and what they are worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from markupsafe import Markup

from xray.core.text import shown
from xray.report import figures
from xray.report.data import Evidence
from xray.report.text import percent

_BACKGROUNDS = ("original", "generated_background", "random_background")
_DONE = "done"


@dataclass(frozen=True)
class Trained:
    """The section of the report; what cannot be had is empty or None.

    Args:
        s_robusts: as `Scores.s_robust`, with `series`.
        scenarios: names of those that S_robust is over.
        intervals: S_robust and its parts as a figure.
        warnings: which S_robust chance would reach too.
        backgrounds: accuracy on the original, generated and random backgrounds, as a figure.
        models: by model its matrix and its curves, as figures.
        trainings: one row a model and training scenario.
        missing: trainings that have not ended, and why.
        segmentation: as `Scores.segmentation`, with `series`.
        basis: terms and what is to be said of them.
    """

    s_robusts: list[dict[Hashable, Any]]
    scenarios: str
    intervals: Markup | None
    warnings: tuple[str, ...]
    backgrounds: Markup | None
    models: list[dict[str, Any]]
    trainings: list[dict[str, Any]]
    missing: list[dict[Hashable, Any]]
    segmentation: list[dict[Hashable, Any]]
    basis: list[tuple[str, str]] = field(default_factory=list)


def trained(evidence: Evidence) -> Trained | None:
    """What the report says of trainings; None where the recipe plans none and no model was trained."""
    if evidence.trials.empty and evidence.trained.empty and evidence.segmentation.empty:
        return None
    table = evidence.s_robust
    known = table is not None and table[["sigma2_cross", "sigma2_inner"]].notna().any(axis=None)
    missing = evidence.trials[evidence.trials["status"] != _DONE].astype(object)
    return Trained(
        s_robusts=[] if table is None else table.to_dict("records"),
        scenarios="" if table is None or table.empty else str(table["scenarios"].iloc[0]),
        intervals=_svg(figures.robustness_intervals(table), "S_robust by model, and its parts", "s-robust")
        if known and table is not None
        else None,
        warnings=evidence.near_chance,
        backgrounds=_backgrounds(evidence),
        models=_models(evidence),
        trainings=_trainings(evidence.trials[evidence.trials["status"] == _DONE], evidence.trials),
        missing=missing.where(missing.notna(), "").to_dict("records"),
        segmentation=evidence.segmentation.to_dict("records"),
        basis=_basis(evidence),
    )


def unfinished(evidence: Evidence) -> str:
    """How many trainings have not ended; empty if none."""
    counts = evidence.trials["status"].value_counts()
    total, done = int(counts.sum()), int(counts.get(_DONE, 0))
    if done == total:
        return ""
    told = {"failed": "failed", "begun": "begun", "planned": "not begun"}
    parts = [f"{counts[status]:,} {word}" for status, word in told.items() if status in counts]
    return f"Of {total:,} planned trainings {done:,} are done ({', '.join(parts)}); the others are listed below."


def _svg(drawn: Any, title: str, name: str) -> Markup:
    # matplotlib's own XML; ElementTree has escaped every name in it
    return Markup(figures.inline_svg(drawn, title, name))


def _backgrounds(evidence: Evidence) -> Markup | None:
    """Of models that are pretrained or trained on the reference, and of those trained within the scenario itself."""
    kinds = {name: entry["kind"] for name, entry in evidence.recipe["scenarios"].items()}
    rows = [name for kind in _BACKGROUNDS for name, found in kinds.items() if found == kind]
    own = evidence.trained[evidence.trained["trained_on"] == evidence.trained["scenario"]]
    own = own[own["trained_on"] != evidence.reference].assign(trained_on="the scenario itself")
    table = pd.concat([evidence.accuracy, own])
    there = [name for name in rows if name in set(table["scenario"])]
    if len(there) < 2:
        return None
    drawn = figures.accuracy_intervals(table, there)
    return _svg(drawn, "Accuracy on the original, on generated and on random backgrounds", "backgrounds")


def _models(evidence: Evidence) -> list[dict[str, Any]]:
    names = dict.fromkeys([*evidence.history["model"], *evidence.trained["model"]])
    return [
        {
            "name": name,
            "matrix": _matrix(evidence, str(name), place),
            "curves": _curves(evidence, str(name), place),
        }
        for place, name in enumerate(names)
    ]


def _matrix(evidence: Evidence, model: str, place: int) -> Markup | None:
    rows = evidence.trained[evidence.trained["model"] == model]
    if rows.empty:
        return None
    there = [name for name in evidence.scenarios if name in set(rows["scenario"]) | set(rows["trained_on"])]
    drawn = figures.train_test_map(rows, model, there)
    title = f"Accuracy of {shown(model)} in per cent by what it was trained on and tested on"
    return _svg(drawn, title, f"matrix-{place}")


def _curves(evidence: Evidence, model: str, place: int) -> Markup | None:
    rows = evidence.history[evidence.history["model"] == model]
    if rows.empty:
        return None
    there = [name for name in evidence.scenarios if name in set(rows["trained_on"])]
    there += sorted(set(rows["trained_on"]) - set(there))
    drawn = figures.learning_curves(rows, model, there, evidence.chance if set(rows["metric"]) == {"top1"} else None)
    return _svg(drawn, f"Loss and score of {shown(model)} by epoch, by training scenario", f"curves-{place}")


def _trainings(done: pd.DataFrame, planned: pd.DataFrame) -> list[dict[str, Any]]:
    """Those of one model and scenario together, in the recipe's order."""
    folds = Counter(zip(planned["model"], planned["trained_on"], strict=True))
    return [
        {
            "model": model,
            "trained_on": scenario,
            "folds": f"{len(rows)} of {folds[str(model), str(scenario)]}",
            "epochs": _range(rows["epochs"]),
            "best_epoch": f"{rows['best_epoch'].mean() + 1:.1f}",
            "photographs": " / ".join(_range(rows[part]) for part in ("train", "validation", "test")),
            "seconds": f"{rows['seconds'].sum():,.0f}",
            "origin": ", ".join(dict.fromkeys(rows["origin"])),
        }
        for (model, scenario), rows in done.groupby(["model", "trained_on"], sort=False)
    ]


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _basis(evidence: Evidence) -> list[tuple[str, str]]:
    told: Mapping[str, Any] | None = evidence.recipe.get("training")
    if told is None:
        return []
    split = (
        f"{told['folds']}-fold cross-validation, stratified by category: each photograph is tested once, and "
        "accuracies are pooled over the folds"
        if told["folds"]
        else f"{percent(told['holdout'])} of the photographs of each category are tested, once"
    )
    best = (
        "the photographs that are tested (as in the published code: optimistic)"
        if told["validation"] == "test"
        else f"the lowest loss on {percent(told['validation'])} of the training photographs, which are not tested"
    )
    workers = ", ".join(dict.fromkeys(evidence.trials["device"].dropna())) or "–"
    return [
        ("Split", split),
        ("Never seen before", "trained models were tested on photographs that they had seen in no scenario"),
        ("Best epoch", f"chosen by {best}"),
        ("Right, of trained models", "the most probable of the run’s own categories is the object’s"),
        (
            "Trained on",
            f"{workers}; at most {told['epochs']:,} epochs, batches of {told['batch']:,}, {told['optimizer']}",
        ),
    ]
