"""Train one model within one scenario with Ray Train, from the images of the run, and test it.

With one worker the training runs in the process that asks for it (Ray Train's local mode), so that a sweep's processes
go from one trial to the next; with several, Ray Train starts them and they train together (DDP).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import ray.train
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from xray.core import schema
from xray.core.environment import environment
from xray.core.errors import XrayError
from xray.core.hashing import digest
from xray.core.uri import open_store
from xray.models.base import Trainable
from xray.models.registry import parse_model
from xray.models.weights.checkpoint import weights_sha256
from xray.pipeline.train.dataset import Material
from xray.pipeline.train.learner import Learner, Place
from xray.pipeline.train.objective import objective_of
from xray.pipeline.train.streaming import feed_of
from xray.runs.checkpoints import Checkpoints
from xray.runs.folds import Parts
from xray.runs.predictions import predictions_table
from xray.runs.receipts import training
from xray.runs.run import Run
from xray.runs.trial import Trial

Report = Callable[[dict[str, Any]], None]


def train(trial: Trial, material: Material, gpus: float, report: Report, callbacks: Sequence[Any] = ()) -> None:
    """Train, test and commit one trial; go on where it stood.

    Args:
        trial: what is trained.
        material: of the sweep.
        gpus: share of a GPU for each worker.
        report: called with a row of HISTORY after each epoch, where there is one worker.
        callbacks: of Ray Train, called with those rows where there are several.

    Raises:
        XrayError: its loss is no number, no space is left, weights that cannot be had.
    """
    run = Run(material.uri)
    workers = trial.training.workers
    store, path = open_store(run.path("tune"))
    config = {"trial": trial, "material": material, "gpus": gpus, "report": report if workers == 1 else None}
    TorchTrainer(
        _work,
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


def fit(trial: Trial, material: Material, gpus: float, report: Report) -> None:
    """Train one trial in this process, without test and checkpoints.

    Args:
        trial: with one worker.
        material: of the sweep.
        gpus: share of a GPU.
        report: called with a row of HISTORY after each epoch.

    Raises:
        XrayError: its loss is no number.
    """
    learner = _learner(trial, material, _place(trial, gpus))
    while not learner.done:
        report(told(trial, learner.epoch()))


def _work(config: dict[str, Any]) -> None:
    """What each worker does; why it cannot is written down, since Ray keeps no exception's own class."""
    trial, material = config["trial"], config["material"]
    place = _place(trial, config["gpus"])
    checkpoints = Checkpoints(Run(material.uri).trial_folder(*trial.key))
    try:
        learn(trial, material, place, checkpoints, config["report"])
    except XrayError as error:
        checkpoints.fail(str(error))
        raise


def learn(trial: Trial, material: Material, place: Place, checkpoints: Checkpoints, report: Report | None) -> None:
    """What `train` lets each worker do: go on from the last checkpoint; the first worker tests and commits.

    Args:
        trial: what is trained.
        material: of the sweep.
        place: of this worker.
        checkpoints: of the trial.
        report: see `train`; None: rows go to Ray Train.

    Raises:
        XrayError: as `train`.
    """
    standing = checkpoints.begin()
    learner = _learner(trial, material, place)
    if standing is not None:
        learner.restore(standing)
    written = time.monotonic()
    while not learner.done:
        row = told(trial, learner.epoch())
        due = time.monotonic() - written >= trial.training.checkpoint_seconds
        if place.rank == 0 and due and not learner.done:
            checkpoints.write(learner.standing())
            written = time.monotonic()
        (report or ray.train.report)(row)
    if place.rank == 0:
        _test(learner, material, checkpoints)


def _place(trial: Trial, gpus: float) -> Place:
    import torch

    torch.set_num_threads(1)
    if trial.training.workers == 1:
        return Place("cuda" if gpus else "cpu")
    context = ray.train.get_context()
    device = str(ray.train.torch.get_device()) if gpus else "cpu"
    return Place(device, context.get_world_rank(), context.get_world_size())


def told(trial: Trial, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of HISTORY, with what it is of."""
    return {"model": trial.model, "trained_on": trial.scenario, "fold": trial.fold, **row}


def network_of(trial: Trial, classes: int) -> Trainable:
    """The network of a trial as it begins, for so many categories."""
    import torch

    torch.manual_seed(trial.number)
    model = parse_model(trial.spec)
    outputs = objective_of(model.task, classes).outputs
    return model.trainable(outputs, trial.training.side, trial.training.pretrained)


def _learner(trial: Trial, material: Material, place: Place) -> Learner:
    samples, divided = material.samples[trial.scenario], material.parts(trial)
    network = network_of(trial, len(material.categories))
    return Learner(
        trial,
        network,
        objective_of(network.task, len(material.categories)),
        feed_of(material, trial.scenario, trial.model),
        samples.of_images(divided.train),
        samples.of_images(divided.validation),
        place,
    )


def _test(learner: Learner, material: Material, checkpoints: Checkpoints) -> None:
    """Predict the photographs of the fold with the best weights, in every scenario asked for, and commit."""
    trial, run = learner.trial, Run(material.uri)
    started = time.perf_counter()
    preparation, divided = material.preparations[trial.model], material.parts(trial)
    learner.use_best()
    facts = {
        "spec": trial.spec,
        "weights": weights_sha256(learner.module),
        "origin": learner.network.origin,
        "preprocessing": f"{preparation.text}, mean {learner.network.mean}, std {learner.network.std}",
        "settings": trial.decisive,
        "learning_rate": trial.training.learning_rate,
        "weight_decay": trial.training.weight_decay,
        "epochs": learner.epochs,
        "best_epoch": learner.best_epoch,
        "photographs": {name: len(getattr(divided, name)) for name in ("train", "validation", "test")},
        "workers": learner.place.workers,
        "device": learner.place.device,
        "environment": environment(),
    }
    predict = functools.partial(_predictions, learner, material, divided, str(facts["weights"]))
    predictions = pa.concat_tables([predict(scenario) for scenario in trial.tests])
    history = pa.Table.from_pylist([told(trial, row) for row in learner.history], schema=schema.HISTORY)
    described = {"trial": list(trial.key), "categories": list(material.categories), **facts}
    name, kept = checkpoints.finish(learner.best, described)
    counts = {scenario: {schema.OK: 0} for scenario in trial.tests}
    for scenario in predictions.column("scenario").to_pylist():
        counts[scenario][schema.OK] += 1
    seconds = time.perf_counter() - started + sum(row["seconds"] for row in learner.history)
    tables = {"predictions": (predictions, None), "history": (history, None)}
    beside = {"weights": {"path": ["trials", *map(str, trial.key), name], **kept}}
    run.commit(training(trial.model, trial.scenario), str(trial.fold), tables, counts, seconds, facts, beside)
    checkpoints.forget()  # and not before: a training that dies while it is tested is not begun anew


def _predictions(learner: Learner, material: Material, divided: Parts, weights: str, scenario: str) -> pa.Table:
    trial, samples = learner.trial, material.samples[scenario].of_images(divided.test)
    feed = learner.feed if scenario == trial.scenario else feed_of(material, scenario, trial.model)
    n = len(samples)
    if not n:
        raise XrayError(f"{trial.name}: there is no image of {scenario} to test it on; make them by `xray generate`")
    answers = learner.predict(samples, feed)
    images: dict[str, Any] = {
        "sample_id": samples.sample_id,
        "image_id": samples.image_id,
        "category": [material.categories[label] for label in samples.label_N],
        "scenario": [scenario] * n,
        "variant": samples.variant_N,
        "model": [trial.model] * n,
        "weights": [weights] * n,
        "trained_on": [trial.scenario] * n,
        "fold": [trial.fold] * n,
    }
    return predictions_table(pa.table({"sample_id": list(samples.sample_id)}), {**images, **answers})
