"""What became of each planned training, from receipts and files alone: without Ray and torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from xray.runs.checkpoints import Checkpoints
from xray.runs.receipts import Receipt, training
from xray.runs.roles import reference_scenario
from xray.runs.trial import trials

if TYPE_CHECKING:
    from xray.runs.run import Run

Key = tuple[str, str, int]
KINDS = {
    "model": "str", "trained_on": "str", "fold": "int64", "status": "str", "reason": "str", "epochs": "Int64",
    "best_epoch": "Int64", "validation_loss": "float64", "seconds": "float64", "train": "Int64", "validation": "Int64",
    "test": "Int64", "spec": "str", "weights": "str", "origin": "str", "preprocessing": "str", "workers": "Int64",
    "device": "str",
}  # fmt: skip
"""Columns of `run_trials`, and their kinds."""


def run_trials(run: Run) -> pd.DataFrame:
    """What `Run.trials` gives; see there."""
    done = {
        (model, scenario, int(receipt.shard)): receipt
        for model, scenario in run.trained()
        for receipt in run.receipts(training(model, scenario))
    }
    losses = _best_losses(run) if done else {}
    planned = _planned(run)
    rows = [
        _done(key, done[key], losses.get(key)) if key in done else _not_done(run, key, planned[key])
        for key in dict.fromkeys([*planned, *sorted(done)])
    ]
    return pd.DataFrame(rows, columns=list(KINDS)).astype(KINDS)


def _planned(run: Run) -> dict[Key, str]:
    """Model strings by trial, in the order of the recipe."""
    recipe = run.recipe_object
    if recipe.training is None:
        return {}
    values = run.recipe
    wanted = trials(recipe.training, values["scenarios"], reference_scenario(values), recipe.seed)
    places = {name: place for place, name in enumerate(values["scenarios"])}
    models = {name: place for place, name in enumerate(recipe.training.models)}
    wanted.sort(key=lambda trial: (models[trial.model], places[trial.scenario], trial.fold))
    return {trial.key: trial.spec for trial in wanted}


def _best_losses(run: Run) -> dict[Key, float]:
    """The lowest validation loss of each training: that of its best epoch."""
    history = run.table("history", ["model", "trained_on", "fold", "validation_loss"]).to_pandas()
    least = history.groupby(["model", "trained_on", "fold"])["validation_loss"].min()
    return {(str(model), str(scenario), int(fold)): float(loss) for (model, scenario, fold), loss in least.items()}


def _done(key: Key, receipt: Receipt, loss: float | None) -> dict[str, Any]:
    facts: Mapping[str, Any] = receipt.facts
    told = ("epochs", "best_epoch", "spec", "weights", "origin", "preprocessing", "workers", "device")
    return {
        **_key(key),
        "status": "done",
        "reason": "",
        "validation_loss": loss,
        "seconds": receipt.seconds,
        **facts["photographs"],
        **{name: facts[name] for name in told},
    }


def _not_done(run: Run, key: Key, spec: str) -> dict[str, Any]:
    checkpoints = Checkpoints(run.trial_folder(*key))
    reason = checkpoints.failure()
    status = "failed" if reason is not None else "begun" if checkpoints.begun else "planned"
    return {**_key(key), "status": status, "reason": reason or "", "spec": spec}


def _key(key: Key) -> dict[str, Any]:
    return dict(zip(("model", "trained_on", "fold"), key, strict=True))
