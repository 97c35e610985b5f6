"""Training one model on one scenario with Ray Train, and testing it.

With one worker the training runs in the calling process (Ray Train's local mode), so that a sweep reuses its processes
for one trial after another. With several, Ray Train starts them and they train together (DDP).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ray.train
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from xray.core.device import configure_worker
from xray.core.errors import XrayError
from xray.core.hashing import digest
from xray.core.uri import open_store
from xray.models.base import Trainable
from xray.models.registry import parse_model
from xray.pipeline.train.dataset import TrainingData
from xray.pipeline.train.learner import Learner, Worker
from xray.pipeline.train.objective import objective_for
from xray.pipeline.train.results import commit_results, history_row
from xray.pipeline.train.streaming import feed_for
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.trial import Trial

Report = Callable[[dict[str, Any]], None]
"""Takes a row of HISTORY after each epoch."""


def train_trial(trial: Trial, data: TrainingData, gpus: float, report: Report, callbacks: Sequence[Any] = ()) -> None:
    """Train, test and commit one trial; resume it if it was started.

    Args:
        trial: the planned training.
        data: of the sweep.
        gpus: share of a GPU for each worker.
        report: called after each epoch if there is one worker.
        callbacks: of Ray Train, called after each epoch if there are several workers.

    Raises:
        XrayError: the loss is not a number, the disk is full, or weights are missing.
    """
    workers = trial.training.workers
    store, path = open_store(RunFolder(data.uri).store.path("tune"))
    config = {"trial": trial, "data": data, "gpus": gpus, "report": report if workers == 1 else None}
    TorchTrainer(
        _run_worker,
        train_loop_config=config,
        scaling_config=ScalingConfig(
            num_workers=0 if workers == 1 else workers,
            use_gpu=gpus > 0,
            resources_per_worker={"CPU": trial.training.cpus, **({"GPU": gpus} if gpus else {})},
        ),
        run_config=RunConfig(
            name=f"train-{digest(*trial.key):020x}",
            storage_path=path,
            storage_filesystem=store,
            failure_config=FailureConfig(max_failures=trial.training.retries),
            callbacks=list(callbacks),
        ),
    ).fit()


def fit_once(trial: Trial, data: TrainingData, gpus: float, report: Report) -> None:
    """Train one trial in this process, without checkpoints and test.

    Args:
        trial: with one worker.
        data: of the sweep.
        gpus: share of a GPU.
        report: called after each epoch.

    Raises:
        XrayError: the loss is not a number.
    """
    learner = _build_learner(trial, data, _this_worker(trial, gpus))
    while not learner.done:
        report(history_row(trial, learner.epoch()))


def _run_worker(config: Mapping[str, Any]) -> None:
    """Run one worker; record why it fails, since Ray does not keep an exception's class."""
    trial, data = config["trial"], config["data"]
    worker = _this_worker(trial, config["gpus"])
    checkpoints = Checkpoints(RunFolder(data.uri).store.trial_folder(*trial.key))
    try:
        worker_loop(trial, data, worker, checkpoints, config["report"])
    except XrayError as error:
        checkpoints.fail(str(error))
        raise


def worker_loop(
    trial: Trial, data: TrainingData, worker: Worker, checkpoints: Checkpoints, report: Report | None
) -> None:
    """Train from the last checkpoint to the end; the first worker writes checkpoints, tests and commits.

    Args:
        trial: the planned training.
        data: of the sweep.
        worker: this process.
        checkpoints: of the trial.
        report: called after each epoch; None: report to Ray Train.

    Raises:
        XrayError: as `train_trial`.
    """
    state = checkpoints.resume()
    learner = _build_learner(trial, data, worker)
    if state is not None:
        learner.restore(state)
    written = time.monotonic()
    while not learner.done:
        row = history_row(trial, learner.epoch())
        due = time.monotonic() - written >= trial.training.checkpoint_seconds
        if worker.rank == 0 and due and not learner.done:
            checkpoints.write(learner.state())
            written = time.monotonic()
        (report or ray.train.report)(row)
    if worker.rank == 0:
        commit_results(learner, data, checkpoints)


def _this_worker(trial: Trial, gpus: float) -> Worker:
    configure_worker()
    if trial.training.workers == 1:
        return Worker("cuda" if gpus else "cpu")
    context = ray.train.get_context()
    device = str(ray.train.torch.get_device()) if gpus else "cpu"
    return Worker(device, context.get_world_rank(), context.get_world_size())


def build_network(trial: Trial, classes: int) -> Trainable:
    """Create the network of a trial with its initial weights, for a number of categories."""
    import torch

    torch.manual_seed(trial.trial_seed)
    model = parse_model(trial.spec)
    outputs = objective_for(model.task, classes).outputs
    return model.trainable(outputs, trial.training.side, trial.training.pretrained)


def _build_learner(trial: Trial, data: TrainingData, worker: Worker) -> Learner:
    samples, split = data.samples[trial.scenario], data.split(trial)
    network = build_network(trial, len(data.categories))
    return Learner.build(
        trial,
        network,
        objective_for(network.task, len(data.categories)),
        feed_for(data, trial.scenario, trial.model),
        samples.of_images(split.train),
        samples.of_images(split.validation),
        worker,
    )
