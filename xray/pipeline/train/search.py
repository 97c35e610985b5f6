"""Look for the learning rate and weight decay of a trial, by its validation photographs, never by tested ones.

The trial itself is then trained as any other, with what was found.
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

from xray.cluster.session import quietly
from xray.core.errors import XrayError
from xray.core.files import exists, read_bytes, write_bytes
from xray.core.uri import join, open_store
from xray.pipeline.train.dataset import Material
from xray.pipeline.train.resources import Layout
from xray.pipeline.train.trainer import fit
from xray.runs.run import Run
from xray.runs.trial import Trial

_FOUND = "search.json"
_PAIR = ("learning_rate", "weight_decay")


def searched(run: Run, trial: Trial, material: Material, layout: Layout) -> Trial:
    """The trial with the learning rate and weight decay of the lowest validation loss; found once, and kept.

    Args:
        run: of the trial.
        trial: with `search`.
        material: of the sweep.
        layout: how many pairs are tried at a time.

    Raises:
        XrayError: no pair led to a loss that is a number.
    """
    search = trial.training.search
    assert search is not None
    file = join(run.trial_folder(*trial.key), _FOUND)
    asked = {"search": asdict(search), "settings": trial.decisive}
    if exists(file) and (kept := json.loads(read_bytes(file)))["asked"] == json.loads(json.dumps(asked)):
        return _with(trial, kept["best"])
    store, path = open_store(join(run.trial_folder(*trial.key), "search"))
    trainable = tune.with_parameters(_try, trial=trial, material=material, gpus=layout.gpus)
    epochs = trial.training.epochs
    tuner = tune.Tuner(
        tune.with_resources(trainable, dict(layout.share)),
        param_space={name: tune.loguniform(*getattr(search, name)) for name in _PAIR},
        tune_config=tune.TuneConfig(
            metric="validation_loss",
            mode="min",
            num_samples=search.samples,
            max_concurrent_trials=layout.at_once,
            scheduler=ASHAScheduler(max_t=epochs, grace_period=min(search.grace, epochs)),
            search_alg=BasicVariantGenerator(random_state=trial.number % 2**32),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(name="tune", storage_path=path, storage_filesystem=store, verbose=0),
    )
    with quietly():
        results = tuner.fit()
    tried = [_outcome(results[place]) for place in range(len(results))]
    tried = [one for one in tried if math.isfinite(one["validation_loss"])]
    if not tried:
        raise XrayError(f"{trial.name}: none of the {search.samples} pairs of `search` led to a loss that is a number")
    best = min(tried, key=lambda one: one["validation_loss"])
    write_bytes(file, json.dumps({"asked": asked, "best": best, "tried": tried}, indent=1).encode())
    return _with(trial, best)


def _outcome(result: tune.Result) -> dict[str, float]:
    """A pair, its lowest validation loss, and the epochs that it was trained for."""
    losses = [] if result.metrics_dataframe is None else list(result.metrics_dataframe.get("validation_loss", ()))
    lowest = min((float(loss) for loss in losses if math.isfinite(loss)), default=math.inf)
    return {**(result.config or {}), "validation_loss": lowest, "epochs": len(losses)}


def _with(trial: Trial, found: Mapping[str, Any]) -> Trial:
    told: dict[str, Any] = {name: float(found[name]) for name in _PAIR}
    return replace(trial, training=replace(trial.training, **told))


def _try(config: dict[str, float], trial: Trial, material: Material, gpus: float) -> None:
    """Train with one pair, without a test."""
    with contextlib.suppress(XrayError):
        fit(_with(trial, config), material, gpus, tune.report)
