"""Trials of heads alone: linear probes on features that are computed once, many of them in one process."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import ray
from numpy.typing import NDArray

from xray.core.device import configure_worker
from xray.core.environment import environment
from xray.core.errors import XrayError
from xray.core.progress import Progress
from xray.models.outputs import prediction_columns
from xray.models.weights.checkpoint import Weights
from xray.pipeline.train.dataset import Samples, TrainingData
from xray.pipeline.train.features import compute_features
from xray.pipeline.train.linear_probe import Features, Head, choose_head
from xray.pipeline.train.results import commit_trial, predict_scenario
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.folds import Split
from xray.runs.receipts import features
from xray.runs.trial import Trial

if TYPE_CHECKING:
    from ray import ObjectRef


def train_heads(run: RunFolder, trials: Sequence[Trial], data: TrainingData) -> dict[str, Exception]:
    """Compute the features that are missing, then fit, test and commit each trial, on the connected Ray session.

    Returns:
        Why workers died, by the trial's name; why trials failed is recorded beside their weights.

    Raises:
        XrayError: features cannot be computed.
    """
    training = trials[0].training
    compute_features(run, {trial.model: trial.spec for trial in trials}, training.gpus)
    by_scenario = dict(_features(data, trials))
    shared = ray.put(data)
    fit: Any = ray.remote(num_cpus=1, max_retries=training.retries)(train_head)
    pending: dict[Any, Trial] = {}
    for trial in trials:
        names = list(dict.fromkeys([trial.scenario, *trial.tests]))
        pending[fit.remote(trial, shared, names, *(by_scenario[trial.model, name] for name in names))] = trial
    errors: dict[str, Exception] = {}
    with Progress("sweep", len(trials), "heads") as progress:
        while pending:
            ready, _ = ray.wait(list(pending), num_returns=1)
            trial = pending.pop(ready[0])
            try:
                ray.get(ready[0])
            except ray.exceptions.RayTaskError as error:
                if not isinstance(error.cause, XrayError):
                    raise
                Checkpoints(run.store.trial_folder(*trial.key)).fail(str(error.cause))
            except ray.exceptions.RayError as error:
                errors[trial.name] = error
            progress.advance()
            progress.detail(trial.name)
    return errors


def _features(data: TrainingData, trials: Sequence[Trial]) -> Iterator[tuple[tuple[str, str], ObjectRef[Features]]]:
    """Read the features that trials need into Ray's object store, one array per model and scenario."""
    for model in dict.fromkeys(trial.model for trial in trials):
        own = [trial for trial in trials if trial.model == model]
        names = list(dict.fromkeys(name for trial in own for name in (trial.scenario, *trial.tests)))
        read: Any = ray.remote(num_cpus=1, num_returns=len(names))(read_features)
        references = read.remote(data.uri, model, [data.samples[name] for name in names])
        for name, reference in zip(names, [references] if len(names) == 1 else references, strict=True):
            yield (model, name), reference


def read_features(uri: str, model: str, scenarios: Sequence[Samples]) -> Any:
    """Read a model's features of the images of scenarios: arrays (N, D) in their order, or the array of only one.

    Raises:
        DamagedError: a file is not as it was committed.
    """
    run = RunFolder(uri, trust=True)
    rows: dict[str, tuple[int, int]] = {
        sample: (index, row)
        for index, samples in enumerate(scenarios)
        for row, sample in enumerate(samples.sample_id.tolist())
    }
    arrays: list[Features] = [np.empty((0, 0), np.float32)] * len(scenarios)
    for shard in sorted({shard for samples in scenarios for shard in samples.shard.tolist()}):
        table = run.store.shard_table(features(model), "features", shard, ["sample_id", "features"])
        values_MD = np.asarray(table["features"].combine_chunks().flatten()).reshape(len(table), -1)
        for sample, value_D in zip(table["sample_id"].to_pylist(), values_MD, strict=True):
            if sample in rows:
                index, row = rows[sample]
                if not arrays[index].size:
                    arrays[index] = np.full((len(scenarios[index]), len(value_D)), np.nan, np.float32)
                arrays[index][row] = value_D
    return arrays if len(arrays) > 1 else arrays[0]


def train_head(trial: Trial, data: TrainingData, scenarios: Sequence[str], *features: Features) -> None:
    """Fit, test and commit one trial, in a task of Ray.

    Args:
        trial: to train.
        data: without prepared images.
        scenarios: the names of those that it sees.
        features: of their images, shape (N, D) each, in the order of `data.samples`.

    Raises:
        XrayError: a tested scenario has no images, the fit does not converge, or the disk is full.
    """
    configure_worker()
    started = time.perf_counter()
    Checkpoints(RunFolder(data.uri, trust=True).store.trial_folder(*trial.key)).resume()
    split, by_scenario = data.split(trial), dict(zip(scenarios, features, strict=True))
    head = _fit(trial, data.samples[trial.scenario], by_scenario[trial.scenario], split)
    best = _tensors(head)
    facts = _facts(trial, data, split, head)

    def predict(samples: Samples) -> Mapping[str, Any]:
        rows = _rows(data.samples[samples.scenario], split.test)
        probabilities_NK = head.probabilities(by_scenario[samples.scenario][rows])
        return {**prediction_columns(probabilities_NK, [[label] for label in samples.label_N.tolist()])}

    predictions = {name: predict_scenario(trial, data, split, facts["weights"], name, predict) for name in trial.tests}
    commit_trial(trial, data, best, facts, predictions, None, time.perf_counter() - started)


def _fit(trial: Trial, samples: Samples, features_ND: Features, split: Split) -> Head:
    def part(images: Collection[str]) -> tuple[Features, NDArray[np.int64]]:
        rows = _rows(samples, images)
        return features_ND[rows], samples.label_N[rows]

    training = trial.training
    fitted = split.train | (split.validation - split.test)
    return choose_head(part(split.train), part(split.validation), part(fitted), training.l2, training.class_weights)


def _rows(samples: Samples, images: Collection[str]) -> NDArray[np.bool_]:
    """Return which images are of some photographs."""
    return np.array([image in images for image in samples.image_id], bool)


def _tensors(head: Head) -> Weights:
    import torch

    return {"weight": torch.from_numpy(head.weight_KD), "bias": torch.from_numpy(head.bias_K)}


def _facts(trial: Trial, data: TrainingData, split: Split, head: Head) -> dict[str, Any]:
    """Return what the receipt and the weights file record; a head has no epochs."""
    run = RunFolder(data.uri, trust=True)
    network = run.store.receipt(features(trial.model), data.samples[trial.scenario].shard[0]).facts
    content = (network["weights"].encode(), head.weight_KD.tobytes(), head.bias_K.tobytes())
    chosen = trial.training.chooses
    fitted = split.train | (split.validation - split.test)
    return {
        "spec": trial.spec,
        "weights": hashlib.sha256(b"".join(content)).hexdigest(),
        "network": network["weights"],
        "origin": f"{trial.spec}, published weights; only a linear head is trained",
        "preprocessing": network["preprocessing"],
        "settings": trial.decisive,
        "l2": head.l2,
        "validation_losses": {f"{strength:g}": loss for strength, loss in head.validation_losses.items()},
        "iterations": head.iterations,
        "epochs": None,
        "best_epoch": None,
        "photographs": {
            "train": len(fitted),
            "validation": len(split.validation) if chosen else 0,
            "test": len(split.test),
        },
        "workers": 1,
        "device": "cpu",
        "environment": environment(),
    }
