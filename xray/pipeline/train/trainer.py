"""Training one model on one scenario with Ray Train, testing it, and committing its results.

With one worker the training runs in the calling process (Ray Train's local mode), so that a sweep reuses its processes
for one trial after another. With several, Ray Train starts them and they train together (DDP).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import ray.train
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from xray.core import schema
from xray.core.device import configure_worker
from xray.core.environment import environment
from xray.core.errors import XrayError
from xray.core.hashing import digest
from xray.core.uri import open_store
from xray.models.weights.checkpoint import weights_sha256
from xray.pipeline.train.dataset import Samples, TrainingData
from xray.pipeline.train.learner import Learner, Worker
from xray.pipeline.train.results import commit_trial, predict_scenario
from xray.pipeline.train.streaming import feed_for
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.folds import Split
from xray.runs.trial import Trial

Report = Callable[[dict[str, Any]], None]
"""Takes a row of HISTORY after each epoch."""


def train_trial(trial: Trial, data: TrainingData, gpus: float, report: Report, callbacks: Sequence[Any] = ()) -> None:
    """Train, test and commit one trial; resume it if it was started.

    One worker calls `report` after each epoch; several report to the `callbacks` of Ray Train. Each has a share `gpus`
    of a GPU.

    Raises:
        XrayError: the loss is not a number, the disk is full, or weights are missing.
    """
    workers = trial.training.workers
    store, path = open_store(RunFolder(data.uri, trust=True).store.path("tune"))
    TorchTrainer(
        train_worker,
        train_loop_config={"trial": trial, "data": data, "gpus": gpus, "report": report if workers == 1 else None},
        scaling_config=ScalingConfig(
            num_workers=0 if workers == 1 else workers,
            use_gpu=gpus > 0,
            resources_per_worker={"CPU": trial.training.cpus, **({"GPU": gpus} if gpus else {})},
        ),
        run_config=RunConfig(
            name=f"train-{digest(trial.model, trial.scenario, *trial.numbers):020x}",
            storage_path=path,
            storage_filesystem=store,
            failure_config=FailureConfig(max_failures=trial.training.retries),
            callbacks=list(callbacks),
        ),
    ).fit()


def fit_once(trial: Trial, data: TrainingData, gpus: float, report: Report) -> None:
    """Train a trial with one worker in this process, without checkpoints and test.

    Raises:
        XrayError: the loss is not a number.
    """
    learner = _build_learner(trial, data, _this_worker(trial, gpus))
    while not learner.done:
        report(_history_row(trial, learner.epoch()))


def train_worker(config: Mapping[str, Any]) -> None:
    """Train from the last checkpoint to the end; the first worker writes checkpoints, tests and commits.

    `config` has the arguments of `train_trial`; without a `report`, the worker reports to Ray Train.

    Raises:
        XrayError: as `train_trial`; its message is recorded, since Ray does not keep an exception's class.
    """
    trial, data, report = config["trial"], config["data"], config["report"] or ray.train.report
    worker = _this_worker(trial, config["gpus"])
    checkpoints = Checkpoints(RunFolder(data.uri, trust=True).store.trial_folder(*trial.key))
    try:
        state, made_from = checkpoints.resume(), data.inputs(trial.scenario)
        learner = _build_learner(trial, data, worker)
        if state is not None and state.made_from in (None, made_from):  # else of images that the run no longer has
            learner.restore(state)
        written = time.monotonic()
        while not learner.done:
            row = _history_row(trial, learner.epoch())
            due = time.monotonic() - written >= trial.training.checkpoint_seconds
            if worker.rank == 0 and due and not learner.done:
                checkpoints.write(replace(learner.state(), made_from=made_from))
                written = time.monotonic()
            report(row)
        if worker.rank == 0:
            _commit_results(learner, data, checkpoints)
    except XrayError as error:
        checkpoints.fail(str(error))
        raise


def _this_worker(trial: Trial, gpus: float) -> Worker:
    configure_worker()
    if trial.training.workers == 1:
        return Worker("cuda" if gpus else "cpu")
    context = ray.train.get_context()
    device = str(ray.train.torch.get_device()) if gpus else "cpu"
    return Worker(device, context.get_world_rank(), context.get_world_size())


def _build_learner(trial: Trial, data: TrainingData, worker: Worker) -> Learner:
    samples, split = data.samples[trial.scenario], data.split(trial)
    feed = feed_for(data, trial.scenario, trial.model)
    train, validation = samples.of_images(split.train), samples.of_images(split.validation)
    return Learner(trial, len(data.categories), feed, train, validation, worker)


def _history_row(trial: Trial, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of HISTORY: the learner's row with the trial's columns."""
    names = {"model": trial.model, "trained_on": trial.scenario, "fold": trial.fold, "repeat": trial.repeat}
    return {**names, **row}


def _commit_results(learner: Learner, data: TrainingData, checkpoints: Checkpoints) -> None:
    """Predict the photographs of the fold with the best weights, in every tested scenario, and commit the trial.

    Raises:
        XrayError: a tested scenario has no images, or the disk is full.
    """
    trial, split, started = learner.trial, data.split(learner.trial), time.perf_counter()
    learner.use_best()
    facts = _facts(learner, data, split)

    def predict(samples: Samples) -> Mapping[str, Any]:
        own = samples.scenario == trial.scenario
        return learner.predict(samples, learner.feed if own else feed_for(data, samples.scenario, trial.model))

    by_scenario = {name: predict_scenario(trial, data, split, facts["weights"], name, predict) for name in trial.tests}
    history = pa.Table.from_pylist([_history_row(trial, row) for row in learner.history], schema=schema.HISTORY)
    seconds = time.perf_counter() - started + sum(row["seconds"] for row in learner.history)
    commit_trial(trial, data, learner.best, facts, by_scenario, history, seconds)
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
