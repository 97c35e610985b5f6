"""The search for a trial's learning rate and weight decay, by its validation photographs only.

The trial is then trained like any other, with the settings that were found.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import BasicVariantGenerator

from xray.core.checksummed import check_record, with_checksum
from xray.core.errors import DamagedError, Rejected, XrayError
from xray.core.files import exists, read_committed, write_bytes
from xray.core.uri import join, open_store
from xray.pipeline.train.dataset import TrainingData
from xray.pipeline.train.ray_tune import run_tuner
from xray.pipeline.train.resources import TrialResources
from xray.pipeline.train.trainer import fit_once
from xray.runs.folder import RunFolder
from xray.runs.trial import Trial

_FILE = "search.json"
_NAMES = ("learning_rate", "weight_decay")


def search_settings(run: RunFolder, trial: Trial, data: TrainingData, layout: TrialResources) -> Trial:
    """Return the trial with the pair of lowest validation loss; an earlier search with the same settings is reused.

    Raises:
        XrayError: no pair had a validation loss that is a number.
    """
    search = trial.training.search
    assert search is not None
    folder = run.store.trial_folder(*trial.key)
    file = join(folder, _FILE)
    asked = {"search": asdict(search), "settings": trial.decisive, "made_from": data.inputs(trial.scenario)}
    kept = _kept(file)
    unknown = {"made_from": asked["made_from"]}  # of an earlier version
    if kept is not None and unknown | kept["asked"] == json.loads(json.dumps(asked)):
        return _with_settings(trial, kept["best"])
    epochs = trial.training.epochs
    store, path = open_store(join(folder, "search"))
    trainable = tune.with_parameters(_fit_pair, trial=trial, data=data, gpus=layout.gpus)
    tuner = tune.Tuner(
        tune.with_resources(trainable, dict(layout.per_trial)),
        param_space={name: tune.loguniform(*getattr(search, name)) for name in _NAMES},
        tune_config=tune.TuneConfig(
            metric="validation_loss",
            mode="min",
            num_samples=search.samples,
            max_concurrent_trials=layout.concurrent,
            scheduler=ASHAScheduler(max_t=epochs, grace_period=min(search.grace, epochs)),
            search_alg=BasicVariantGenerator(random_state=trial.trial_seed % 2**32),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(name="tune", storage_path=path, storage_filesystem=store, verbose=0),
    )
    outcomes = map(_outcome, run_tuner(tuner))
    tried = [outcome for outcome in outcomes if math.isfinite(outcome["validation_loss"])]
    if not tried:
        raise XrayError(f"{trial.name}: none of the {search.samples} pairs of `search` had a loss that is a number")
    best = min(tried, key=lambda outcome: outcome["validation_loss"])
    write_bytes(file, with_checksum({"asked": asked, "best": best, "tried": tried}))
    return _with_settings(trial, best)


def _kept(file: str) -> Mapping[str, Any] | None:
    """Read the record of an earlier search; None if there is none, or a damaged one."""
    if not exists(file):
        return None
    try:
        return check_record(read_committed(file), file, ["asked", "best", "tried"], "it is searched for again")
    except (DamagedError, Rejected):
        return None


def _outcome(result: tune.Result) -> dict[str, float]:
    """Return a pair, its lowest validation loss (infinite if none is a number), and its number of epochs."""
    losses = [] if result.metrics_dataframe is None else list(result.metrics_dataframe.get("validation_loss", ()))
    lowest = min((float(loss) for loss in losses if math.isfinite(loss)), default=math.inf)
    return {**(result.config or {}), "validation_loss": lowest, "epochs": len(losses)}


def _with_settings(trial: Trial, pair: Mapping[str, Any]) -> Trial:
    values: dict[str, Any] = {name: float(pair[name]) for name in _NAMES}
    return replace(trial, training=replace(trial.training, **values))


def _fit_pair(config: dict[str, float], trial: Trial, data: TrainingData, gpus: float) -> None:
    """Train with one pair, without a test, in a process of Ray Tune."""
    with contextlib.suppress(XrayError):
        fit_once(_with_settings(trial, config), data, gpus, tune.report)
