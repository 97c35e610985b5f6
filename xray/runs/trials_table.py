"""The state of each planned training, from receipts and files alone: needs neither Ray nor torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from xray.runs.checkpoints import Checkpoints
from xray.runs.receipts import Receipt, parse_training_shard, training
from xray.runs.trial import Key, list_trials

if TYPE_CHECKING:
    from xray.runs.folder import RunFolder

KEY_COLUMNS = ("model", "trained_on", "fold", "repeat")
KINDS = {
    "model": "str", "trained_on": "str", "fold": "int64", "repeat": "int64", "status": "str", "reason": "str",
    "epochs": "Int64",
    "best_epoch": "Int64", "validation_loss": "float64", "seconds": "float64", "train": "Int64", "validation": "Int64",
    "test": "Int64", "spec": "str", "weights": "str", "origin": "str", "preprocessing": "str", "workers": "Int64",
    "device": "str",
}  # fmt: skip
"""Columns of `trials_table` and their dtypes."""


def trials_table(run: RunFolder) -> pd.DataFrame:
    """Read what `xray.runs.tables.RunTables.trials` returns."""
    done = {
        (model, scenario, *parse_training_shard(receipt.shard)): receipt
        for model, scenario in run.store.trained()
        for receipt in run.store.receipts(training(model, scenario))
    }
    losses = _validation_losses(run) if done else {}
    planned = _planned(run)
    rows = [
        _done_row(key, done[key], losses) if key in done else _open_row(run, key, planned[key])
        for key in dict.fromkeys([*planned, *sorted(done)])
    ]
    return pd.DataFrame(rows, columns=list(KINDS)).astype(KINDS)


def _planned(run: RunFolder) -> dict[Key, str]:
    """Return model strings by trial, in the order of the recipe."""
    recipe = run.recipe
    if recipe.training is None:
        return {}
    values = run.recipe_values
    scenario_index = {name: index for index, name in enumerate(values["scenarios"])}
    model_index = {name: index for index, name in enumerate(recipe.training.models)}
    trials = sorted(
        list_trials(recipe.training, values),
        key=lambda trial: (model_index[trial.model], scenario_index[trial.scenario], trial.fold, trial.repeat),
    )
    return {trial.key: trial.spec for trial in trials}


def _validation_losses(run: RunFolder) -> dict[tuple[Key, int], float]:
    """Return the validation loss of each training by epoch."""
    history = run.store.table("history", [*KEY_COLUMNS, "epoch", "validation_loss"]).to_pydict()
    keys = zip(history["model"], history["trained_on"], history["fold"], history["repeat"], strict=True)
    losses = zip(keys, history["epoch"], history["validation_loss"], strict=True)
    return {
        ((model, scenario, fold, repeat or 0), epoch): loss for (model, scenario, fold, repeat), epoch, loss in losses
    }


def _done_row(key: Key, receipt: Receipt, losses: Mapping[tuple[Key, int], float]) -> dict[str, Any]:
    facts = receipt.facts
    names = ("epochs", "best_epoch", "spec", "weights", "origin", "preprocessing", "workers", "device")
    return {
        **_key_columns(key),
        "status": "done",
        "reason": "",
        "validation_loss": losses.get((key, facts["best_epoch"])),
        "seconds": receipt.seconds,
        **facts["photographs"],
        **{name: facts[name] for name in names},
    }


def _open_row(run: RunFolder, key: Key, spec: str) -> dict[str, Any]:
    checkpoints = Checkpoints(run.store.trial_folder(*key))
    reason = checkpoints.failure()
    status = "failed" if reason is not None else "begun" if checkpoints.started else "planned"
    return {**_key_columns(key), "status": status, "reason": reason or "", "spec": spec}


def _key_columns(key: Key) -> dict[str, Any]:
    return dict(zip(KEY_COLUMNS, key, strict=True))
