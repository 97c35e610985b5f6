"""Train models × scenarios × folds with Ray Tune, and test each on what S_robust needs."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback

from xray.cluster.session import connected, quietly, resources
from xray.core.errors import XrayError, extra
from xray.core.files import exists
from xray.core.hashing import digest
from xray.core.progress import Progress
from xray.core.uri import open_store
from xray.pipeline.train.dataset import Material
from xray.pipeline.train.resources import Layout
from xray.pipeline.train.search import searched
from xray.pipeline.train.streaming import hold
from xray.pipeline.train.trainer import train
from xray.runs.checkpoints import Checkpoints
from xray.runs.lock import alone
from xray.runs.receipts import training
from xray.runs.roles import reference_scenario
from xray.runs.run import Run
from xray.runs.training import Training
from xray.runs.trial import Trial, differences, trials
from xray.runs.versions import refuse_other_versions


@dataclass(frozen=True)
class Swept:
    """What has become of a sweep.

    Args:
        trials: all that were asked for.
        failed: why, by the trial's key.
    """

    trials: Sequence[Trial]
    failed: Mapping[tuple[str, str, int], str]


def planned(
    run: Run,
    models: Sequence[str] | None = None,
    within: Sequence[str] | None = None,
    folds: Sequence[int] | None = None,
) -> tuple[list[Trial], list[Trial]]:
    """The trials that are asked for, and those of them that are not done.

    Raises:
        XrayError: the recipe trains nothing, a name is none of its, or a trial was done with other settings.
    """
    recipe = run.recipe_object
    if recipe.training is None:
        raise XrayError(
            f"the recipe of {run.uri} trains nothing: add `training: {{models: [reduced:resnet], folds: 3}}` and run "
            "`xray plan` again"
        )
    values = run.recipe
    wanted = trials(
        recipe.training, values["scenarios"], reference_scenario(values), recipe.seed,
        models=models, within=within, folds=folds,
    )  # fmt: skip
    done = run.trained()
    missing = []
    for trial in wanted:
        if trial.fold in done.get((trial.model, trial.scenario), ()):
            _refuse_other_settings(run, trial)
        else:
            missing.append(trial)
    return wanted, missing


def _refuse_other_settings(run: Run, trial: Trial) -> None:
    facts = run.receipt(training(trial.model, trial.scenario), str(trial.fold)).facts
    before = {"spec": facts["spec"], **facts["settings"]}
    now = {"spec": trial.spec, **trial.decisive}
    if changed := differences(before, now):
        raise XrayError(f"{trial.name} was done with other settings ({changed}); give the model another name")


def expected_seconds(run: Run, missing: Sequence[Trial]) -> float | None:
    """What trials will take of one worker, by those that are done; None if none is, of one of the models."""
    seconds: dict[str, list[float]] = {}
    for model, scenario in run.trained():
        seconds.setdefault(model, []).extend(receipt.seconds for receipt in run.receipts(training(model, scenario)))
    if not {trial.model for trial in missing} <= seconds.keys():
        return None
    return sum(sum(seconds[trial.model]) / len(seconds[trial.model]) for trial in missing)


@alone("trials")
def sweep(
    run: Run,
    *,
    models: Sequence[str] | None = None,
    within: Sequence[str] | None = None,
    folds: Sequence[int] | None = None,
    restart: bool = False,
) -> Swept:
    """Train and test every trial that is not done, as many at a time as the cluster allows.

    Args:
        run: with images, and a recipe with `training`.
        models: only these.
        within: only these training scenarios.
        folds: only these.
        restart: begin anew what was begun.

    Raises:
        XrayError: as `planned`; or a scenario has no images, a model cannot be trained, the cluster is too small.
    """
    wanted, missing = planned(run, models, within, folds)
    if not missing:
        return Swept(wanted, {})
    for key in sorted({(trial.model, trial.scenario) for trial in missing}):
        refuse_other_versions(run, training(*key))
    if restart:
        for trial in missing:
            Checkpoints(run.trial_folder(*trial.key)).forget()
    material = Material.of(run, missing)
    with connected():
        material = hold(material, missing)
        layout = Layout.of(missing[0].training, resources(), streams=not material.held)
        begun, failed = _searched(run, missing, material, layout)
        failed |= _tune(run, begun, material, layout) if begun else {}
    return Swept(wanted, failed)


def _searched(
    run: Run, chosen: Sequence[Trial], material: Material, layout: Layout
) -> tuple[list[Trial], dict[tuple[str, str, int], str]]:
    """The trials with what `search` finds for them, if it is wanted; and why some found nothing."""
    found: list[Trial] = []
    failed = {}
    if chosen[0].training.search is None:
        return list(chosen), {}
    with Progress("search", len(chosen), "trials") as progress:
        for trial in chosen:
            try:
                found.append(searched(run, trial, material, layout))
            except XrayError as error:
                failed[trial.key] = str(error)
                Checkpoints(run.trial_folder(*trial.key)).fail(str(error))
            progress.advance()
    return found, failed


def _tune(run: Run, chosen: Sequence[Trial], material: Material, layout: Layout) -> dict[tuple[str, str, int], str]:
    """Run the trials; why some failed, by key."""
    training = chosen[0].training
    by_name = {trial.name: trial for trial in chosen}
    store, path = open_store(run.path("tune"))
    trainable = tune.with_parameters(_trial, trials=by_name, material=material, gpus=layout.gpus)
    with Progress("sweep", len(chosen) * training.epochs, "epochs") as progress:
        watch = Watch(progress, len(chosen), training.epochs)
        tuner = tune.Tuner(
            tune.with_resources(trainable, dict(layout.share)),
            param_space={"trial": tune.grid_search(list(by_name))},
            tune_config=tune.TuneConfig(
                max_concurrent_trials=layout.at_once,
                reuse_actors=training.workers == 1,
                trial_dirname_creator=_folder_name,
            ),
            run_config=tune.RunConfig(
                name=_next_name(run),
                storage_path=path,
                storage_filesystem=store,
                failure_config=tune.FailureConfig(max_failures=training.retries if training.workers == 1 else 0),
                callbacks=[watch, *_mlflow(training, run)],
                verbose=0,
            ),
        )
        os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # Ctrl-C is ours
        with quietly():
            results = tuner.fit()
    ended = [results[place] for place in range(len(results))]
    errors = {by_name[result.config["trial"]].key: result.error for result in ended if result.config}
    return _failures(run, chosen, errors)


def _trial(config: dict[str, Any], trials: Mapping[str, Trial], material: Material, gpus: float) -> None:
    """One trial, in a process of Ray Tune's."""
    trial = trials[config["trial"]]
    several = trial.training.workers > 1
    callbacks: list[Any] = [TuneReportCallback()] if several else []  # type: ignore[no-untyped-call]
    with contextlib.suppress(XrayError):  # it was written down; trying again would not help
        train(trial, material, gpus, tune.report, callbacks)


def _failures(
    run: Run, chosen: Sequence[Trial], errors: Mapping[tuple[str, str, int], Exception | None]
) -> dict[tuple[str, str, int], str]:
    """Why trials have no receipt; what Ray Tune leaves out of its results is not left out here."""
    done, failed = run.trained(), {}
    for trial in chosen:
        if trial.fold not in done.get((trial.model, trial.scenario), ()):
            checkpoints = Checkpoints(run.trial_folder(*trial.key))
            if checkpoints.failure() is None:
                said = str(errors.get(trial.key) or "it was not begun").strip().splitlines()
                checkpoints.fail(f"its worker died, {trial.training.retries + 1} times: {said[-1]}")
            failed[trial.key] = checkpoints.failure() or ""
    return failed


def _folder_name(trial: Any) -> str:
    """Of Ray Tune's files of a trial: readable, and safe on any disk."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", trial.config["trial"])[:80]
    return f"{readable}-{digest(trial.config['trial'], bits=32):08x}"


def _next_name(run: Run) -> str:
    """Of Ray Tune's folder: each time that the sweep goes on has one."""
    return next(name for number in range(10_000) if not exists(run.path("tune", name := f"{number:03d}")))


def _mlflow(training: Training, run: Run) -> list[tune.Callback]:
    if training.mlflow is None:
        return []
    with extra("mlflow"):
        import mlflow  # noqa: F401

    from ray.air.integrations.mlflow import MLflowLoggerCallback

    return [MLflowLoggerCallback(tracking_uri=training.mlflow, experiment_name=run.recipe_object.name)]


class Watch(tune.Callback):
    """Shows how far a sweep is.

    Args:
        progress: counts epochs.
        trials: how many there are.
        epochs: of each, at most.
    """

    def __init__(self, progress: Progress, trials: int, epochs: int) -> None:
        self.progress, self.trials, self.epochs = progress, trials, epochs
        self.ended = 0
        self.seen: dict[str, int] = {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch has ended."""
        self._reach(trial.trial_id, int(result["epoch"]) + 1)
        score = f"{result['metric']} {result['validation_score']:.0%}"
        self.progress.say(f"{self.ended} of {self.trials} trials", f"{trial.config['trial']}: {score}")

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has ended, perhaps early."""
        self.ended += 1
        self._reach(trial.trial_id, self.epochs)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial was given up."""
        self.on_trial_complete(iteration, trials, trial)

    def _reach(self, trial: str, epochs: int) -> None:
        before = self.seen.get(trial, 0)
        self.seen[trial] = max(before, epochs)
        self.progress.advance(self.seen[trial] - before)
