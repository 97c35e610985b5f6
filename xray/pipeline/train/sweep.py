"""Training models × scenarios × folds with Ray Tune, and testing each on what S_robust needs."""

from __future__ import annotations

import contextlib
import logging
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback

from xray.cluster.session import connected, resources
from xray.cluster.watch import check_ray
from xray.core.errors import ConfigError, XrayError, extra
from xray.core.files import exists
from xray.core.hashing import digest
from xray.core.progress import Progress
from xray.core.uri import open_store
from xray.pipeline.train.dataset import TrainingData
from xray.pipeline.train.heads import train_heads
from xray.pipeline.train.ray_tune import ProgressCallback, run_tuner
from xray.pipeline.train.resources import TrialResources
from xray.pipeline.train.search import search_settings
from xray.pipeline.train.streaming import cache_in_object_store
from xray.pipeline.train.trainer import train_trial
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.lock import exclusive
from xray.runs.receipts import training
from xray.runs.training import Training
from xray.runs.trial import Key, Trial, differences, list_trials
from xray.runs.versions import refuse_other_versions

_LOG = logging.getLogger("xray")

Failures = Mapping[Key, str]
"""Reasons, by the trial's key."""


@dataclass(frozen=True)
class SweepResult:
    """The outcome of a sweep: all selected trials, including those that were done before, and the failures of some."""

    trials: Sequence[Trial]
    failed: Failures


def select_trials(
    run: RunFolder,
    models: Sequence[str] | None = None,
    within: Sequence[str] | None = None,
    folds: Sequence[int] | None = None,
) -> tuple[list[Trial], list[Trial]]:
    """Return the selected trials, and those of them that are not done.

    Raises:
        XrayError: the recipe trains nothing, has no such name, a trial was done with other settings, or the plan leaves
            out photographs (`--first`).
    """
    recipe = run.recipe
    if recipe.training is None:
        raise ConfigError(
            f"the recipe of {run.location} trains nothing: add `training: {{models: [reduced:resnet], folds: 3}}` and "
            "run `xray plan` again"
        )
    if run.plan.first is not None:
        raise ConfigError(
            f"{run.location} has only the first {run.plan.first} photographs of each category, too few to train on: "
            "run `xray plan` without --first, then `xray sweep`"
        )
    selected = list_trials(recipe.training, run.recipe_values, models=models, within=within, folds=folds)
    done = _done(run)
    for trial in selected:
        if trial.key in done:
            facts = run.store.receipt(training(trial.model, trial.scenario), trial.shard).facts
            now = {"spec": trial.spec, **trial.decisive}
            if changed := differences({"spec": facts["spec"], **facts["settings"]}, now):
                raise ConfigError(f"{trial.name} was done with other settings ({changed}); give the model another name")
    return selected, [trial for trial in selected if trial.key not in done]


def _done(run: RunFolder) -> set[Key]:
    return {(*key, *numbers) for key, trainings in run.store.trained().items() for numbers in trainings}


def estimate_seconds(run: RunFolder, missing: Sequence[Trial]) -> float | None:
    """Estimate the seconds of trials on one worker from finished trials of their models; None if one has none."""
    seconds: dict[str, list[float]] = {}
    for model, scenario in run.store.trained():
        seconds.setdefault(model, []).extend(
            receipt.seconds for receipt in run.store.receipts(training(model, scenario))
        )
    if not {trial.model for trial in missing} <= seconds.keys():
        return None
    return sum(statistics.fmean(seconds[trial.model]) for trial in missing)


@exclusive("trials")
def sweep(
    run: RunFolder,
    *,
    models: Sequence[str] | None = None,
    within: Sequence[str] | None = None,
    folds: Sequence[int] | None = None,
    restart: bool = False,
) -> SweepResult:
    """Train and test every trial that is not done, as many at once as the cluster allows.

    With `tune: head`, features of the images that have none are computed first.

    Args:
        run: with images, and a recipe with `training`.
        models: only these.
        within: only these training scenarios.
        folds: only these.
        restart: drop the checkpoints of unfinished trials first.

    Raises:
        XrayError: as `select_trials`; or a scenario has no images, a model cannot be trained, the cluster is too small.
    """
    selected, missing = select_trials(run, models, within, folds)
    if not missing:
        return SweepResult(selected, {})
    _refuse_waiting(run, missing)
    for model, scenario in sorted({(trial.model, trial.scenario) for trial in missing}):
        refuse_other_versions(run, training(model, scenario))
    for trial in missing:
        if restart:
            _checkpoints(run, trial).drop_state()
        elif _checkpoints(run, trial).drop_damaged_state():
            _LOG.warning("%s starts again from its first epoch: its checkpoint is damaged", trial.name)
    data = TrainingData.load(run, missing)
    with connected():
        if missing[0].training.tune == "head":
            return SweepResult(selected, _failures(run, missing, train_heads(run, missing, data)))
        data = cache_in_object_store(data, missing)
        layout = TrialResources.of(missing[0].training, resources(), streams=not data.cached)
        ready, failed = _search(run, missing, data, layout)
        if ready:
            failed = {**failed, **_train(run, ready, data, layout)}
    return SweepResult(selected, failed)


def _refuse_waiting(run: RunFolder, missing: Sequence[Trial]) -> None:
    """Refuse to train again what will count again once the run has its images again."""
    for trial in missing:
        mismatch = run.store.mismatch(training(trial.model, trial.scenario), trial.shard)
        if mismatch is not None and mismatch.waiting:
            raise ConfigError(f"{trial.name} is trained, and {mismatch}: run `xray generate` first, then `xray sweep`")


def _search(
    run: RunFolder, trials: Sequence[Trial], data: TrainingData, layout: TrialResources
) -> tuple[list[Trial], Failures]:
    """Return the trials with the settings that `search` chose, if the recipe has it, and the failures."""
    if trials[0].training.search is None:
        return list(trials), {}
    ready: list[Trial] = []
    failed = {}
    with Progress("search", len(trials), "trials") as progress:
        for trial in trials:
            try:
                ready.append(search_settings(run, trial, data, layout))
            except XrayError as error:
                check_ray()
                failed[trial.key] = str(error)
                _checkpoints(run, trial).fail(str(error))
            progress.advance()
    return ready, failed


def _train(run: RunFolder, trials: Sequence[Trial], data: TrainingData, layout: TrialResources) -> Failures:
    """Run the trials with Ray Tune; return the failures."""
    settings = trials[0].training
    by_name = {trial.name: trial for trial in trials}
    store, path = open_store(run.store.path("tune"))
    trainable = tune.with_parameters(_train_one, trials=by_name, data=data, gpus=layout.gpus)
    with Progress("sweep", len(trials) * settings.epochs, "epochs") as progress:
        tuner = tune.Tuner(
            tune.with_resources(trainable, dict(layout.per_trial)),
            param_space={"trial": tune.grid_search(list(by_name))},
            tune_config=tune.TuneConfig(
                max_concurrent_trials=layout.concurrent,
                reuse_actors=settings.workers == 1,
                trial_dirname_creator=_folder_name,
            ),
            run_config=tune.RunConfig(
                name=_unused_name(run),
                storage_path=path,
                storage_filesystem=store,
                failure_config=tune.FailureConfig(max_failures=settings.retries if settings.workers == 1 else 0),
                callbacks=[ProgressCallback(progress, len(trials), settings.epochs), *_mlflow(settings, run)],
                verbose=0,
            ),
        )
        results = run_tuner(tuner)
    check_ray()  # without Ray, no trial is to blame
    errors = {result.config["trial"]: result.error for result in results if result.config}
    return _failures(run, trials, errors)


def _train_one(config: dict[str, Any], trials: Mapping[str, Trial], data: TrainingData, gpus: float) -> None:
    """Run one trial in a process of Ray Tune."""
    trial = trials[config["trial"]]
    callbacks: list[Any] = [TuneReportCallback()] if trial.training.workers > 1 else []  # type: ignore[no-untyped-call]
    with contextlib.suppress(XrayError):  # recorded by the worker; Ray Tune must not retry it
        train_trial(trial, data, gpus, tune.report, callbacks)


def _failures(run: RunFolder, trials: Sequence[Trial], errors: Mapping[str, Exception | None]) -> Failures:
    """Return why trials have no receipt, including those that Ray Tune leaves out of its results."""
    failed, done = {}, _done(run)
    for trial in (trial for trial in trials if trial.key not in done):
        checkpoints = _checkpoints(run, trial)
        if mismatch := run.store.mismatch(training(trial.model, trial.scenario), trial.shard):
            failed[trial.key] = f"it is {mismatch}: the images were changed while it trained; run `xray sweep` again"
            continue
        if checkpoints.failure() is None:
            message = str(errors.get(trial.name) or "it was not started").strip().splitlines()[-1]
            checkpoints.fail(f"its worker died, {trial.training.retries + 1} times: {message}")
        failed[trial.key] = checkpoints.failure() or ""
    return failed


def _checkpoints(run: RunFolder, trial: Trial) -> Checkpoints:
    return Checkpoints(run.store.trial_folder(*trial.key))


def _folder_name(trial: Any) -> str:
    """Return the name of the folder of Ray Tune's files of a trial: readable, and valid on any disk."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", trial.config["trial"])[:80]
    return f"{readable}-{digest(trial.config['trial'], bits=32):08x}"


def _unused_name(run: RunFolder) -> str:
    """Return the name of Ray Tune's folder: every call of `sweep` has its own."""
    return next(name for number in range(10_000) if not exists(run.store.path("tune", name := f"{number:03d}")))


def _mlflow(training: Training, run: RunFolder) -> list[tune.Callback]:
    if training.mlflow is None:
        return []
    with extra("mlflow"):
        import mlflow  # noqa: F401

    from ray.air.integrations.mlflow import MLflowLoggerCallback

    return [MLflowLoggerCallback(tracking_uri=training.mlflow, experiment_name=run.recipe.name)]
