"""The test of a trained model, and the commit of its predictions, history and weights."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from xray.core import schema
from xray.core.environment import environment
from xray.core.errors import ConfigError
from xray.models.weights.checkpoint import weights_sha256
from xray.pipeline.train.dataset import TrainingData
from xray.pipeline.train.learner import Learner
from xray.pipeline.train.streaming import feed_for
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.folds import Split
from xray.runs.predictions import predictions_table
from xray.runs.receipts import training
from xray.runs.trial import Trial


def history_row(trial: Trial, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of HISTORY: the learner's row with the trial's columns."""
    return {"model": trial.model, "trained_on": trial.scenario, "fold": trial.fold, **row}


def commit_results(learner: Learner, data: TrainingData, checkpoints: Checkpoints) -> None:
    """Predict the photographs of the fold with the best weights, in every tested scenario, and commit the trial.

    Raises:
        XrayError: a tested scenario has no images, or the disk is full.
    """
    trial, run, split = learner.trial, RunFolder(data.uri), data.split(learner.trial)
    started = time.perf_counter()
    learner.use_best()
    facts = _facts(learner, data, split)
    predictions = pa.concat_tables(
        [_predictions(learner, data, split, facts["weights"], scenario) for scenario in trial.tests]
    )
    history = pa.Table.from_pylist([history_row(trial, row) for row in learner.history], schema=schema.HISTORY)
    metadata = {"trial": list(trial.key), "categories": list(data.categories), **facts}
    name, file_entry = checkpoints.finish(learner.best, metadata)
    counts = {scenario: {schema.OK: 0} for scenario in trial.tests}
    for scenario in predictions.column("scenario").to_pylist():
        counts[scenario][schema.OK] += 1
    seconds = time.perf_counter() - started + sum(row["seconds"] for row in learner.history)
    tables = {"predictions": (predictions, None), "history": (history, None)}
    written = {"weights": {"path": ["trials", *map(str, trial.key), name], **file_entry}}
    run.store.commit(training(trial.model, trial.scenario), str(trial.fold), tables, counts, seconds, facts, written)
    checkpoints.drop_state()  # only now: a training that dies during its test must not start over


def _facts(learner: Learner, data: TrainingData, split: Split) -> dict[str, Any]:
    """Return what the receipt and the weights file record of a training."""
    trial, preparation = learner.trial, data.preparations[learner.trial.model]
    return {
        "spec": trial.spec,
        "weights": weights_sha256(learner.raw_model),
        "origin": learner.network.origin,
        "preprocessing": f"{preparation.text}, mean {learner.network.mean}, std {learner.network.std}",
        "settings": trial.decisive,
        "learning_rate": trial.training.learning_rate,
        "weight_decay": trial.training.weight_decay,
        "epochs": learner.epochs,
        "best_epoch": learner.best_epoch,
        "photographs": {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)},
        "workers": learner.worker.workers,
        "device": learner.worker.device,
        "environment": environment(),
    }


def _predictions(learner: Learner, data: TrainingData, split: Split, weights: str, scenario: str) -> pa.Table:
    """Predict the tested photographs in one scenario (PREDICTIONS)."""
    trial, samples = learner.trial, data.samples[scenario].of_images(split.test)
    feed = learner.feed if scenario == trial.scenario else feed_for(data, scenario, trial.model)
    n = len(samples)
    if not n:
        raise ConfigError(f"{trial.name}: scenario {scenario!r} has no image to test it on; run `xray generate` first")
    images: dict[str, Any] = {
        "sample_id": samples.sample_id,
        "image_id": samples.image_id,
        "category": [data.categories[label] for label in samples.label_N],
        "scenario": [scenario] * n,
        "variant": samples.variant_N,
        "model": [trial.model] * n,
        "weights": [weights] * n,
        "trained_on": [trial.scenario] * n,
        "fold": [trial.fold] * n,
    }
    columns = {**images, **learner.predict(samples, feed)}
    return predictions_table(pa.table({"sample_id": list(samples.sample_id)}), columns)
