"""The results of a trained model: predictions of the photographs of its fold, and the commit of its trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from xray.core import schema
from xray.core.errors import ConfigError
from xray.models.weights.checkpoint import Weights
from xray.pipeline.train.dataset import Samples, TrainingData
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.folds import Split
from xray.runs.predictions import names_donor, predictions_table
from xray.runs.receipts import training
from xray.runs.trial import Trial

Predict = Callable[[Samples], Mapping[str, Any]]
"""Returns the columns of PREDICTIONS that a model determines, for N ≥ 1 images in their order."""


def predict_scenario(
    trial: Trial, data: TrainingData, split: Split, weights: str, scenario: str, predict: Predict
) -> pa.Table:
    """Predict the tested photographs in one scenario (PREDICTIONS); `weights` is the hash of the trained weights.

    Raises:
        ConfigError: the scenario has no image to test on.
    """
    samples = data.samples[scenario].of_images(split.test)
    if not len(samples):
        raise ConfigError(f"{trial.name}: scenario {scenario!r} has no image to test it on; run `xray generate` first")
    donors = pa.array(samples.donor_category, pa.string(), from_pandas=True)
    images = {
        "sample_id": samples.sample_id,
        "image_id": samples.image_id,
        "category": [data.categories[label] for label in samples.label_N],
        "variant": samples.variant,
        "donor_category": donors,
    }
    constant = {
        "scenario": scenario,
        "model": trial.model,
        "weights": weights,
        "trained_on": trial.scenario,
        "fold": trial.fold,
        "repeat": trial.repeat,
    }
    predicted = predict(samples)
    own_label = {category: (label,) for label, category in enumerate(data.categories)}
    columns: dict[str, Any] = {name: [value] * len(samples) for name, value in constant.items()}
    columns |= {**predicted, "names_donor": names_donor(predicted["top1"].tolist(), donors.to_pylist(), own_label)}
    return predictions_table(pa.table(images), columns)


def commit_trial(
    trial: Trial,
    data: TrainingData,
    best: Weights,
    facts: Mapping[str, Any],
    predictions: Mapping[str, pa.Table],
    history: pa.Table | None,
    seconds: float,
) -> None:
    """Write the weights of a trial, its tables and its receipt.

    Args:
        trial: that was trained.
        data: that it was trained on.
        best: the weights that were tested.
        facts: for the receipt and the metadata of the weights.
        predictions: PREDICTIONS by tested scenario.
        history: HISTORY; None: it has no epochs.
        seconds: that training and test took.

    Raises:
        StorageError: the disk is full.
    """
    run = RunFolder(data.uri, trust=True)
    checkpoints = Checkpoints(run.store.trial_folder(*trial.key))
    metadata = {"trial": [trial.model, trial.scenario, *trial.numbers], "categories": list(data.categories), **facts}
    name, file_entry = checkpoints.finish(best, metadata)
    counts = {scenario: {schema.OK: len(table)} for scenario, table in predictions.items()}
    tables = {"predictions": pa.concat_tables(predictions.values()), "history": history}
    committed = {name: (table, None) for name, table in tables.items() if table is not None}
    written = {"weights": {"path": ["trials", trial.model, trial.scenario, trial.shard, name], **file_entry}}
    stage, made_from = training(trial.model, trial.scenario), data.inputs(trial.scenario, *trial.tests)
    run.store.commit(stage, trial.shard, committed, counts, seconds, facts, written, made_from)
