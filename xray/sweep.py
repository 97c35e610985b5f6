"""Train models × scenarios × folds with Ray Tune, and test each on what S_robust needs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback

from xray import schema
from xray.cluster import connected, quietly, resources
from xray.draw import digest
from xray.errors import XrayError, extra
from xray.files import exists, open_store
from xray.models.spec import parse_model
from xray.progress import Progress
from xray.run import Run
from xray.score import reference_scenario
from xray.search import searched
from xray.store import training
from xray.train import Material, prepared, train
from xray.training.checkpoint import Checkpoints
from xray.training.layout import Layout
from xray.training.pixels import Preparation
from xray.training.samples import Samples
from xray.training.settings import Training
from xray.training.trial import Trial, differences, trials

_HELD_SHARE = 0.5
"""Of Ray's object store that prepared images may take."""
_SHARDS_A_BLOCK = 8


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
    if restart:
        for trial in missing:
            Checkpoints(run.trial_folder(*trial.key)).forget()
    samples = _samples(run, missing)
    _check(run, missing, samples)
    with connected():
        material = _material(run, missing, samples)
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


def _samples(run: Run, chosen: Sequence[Trial]) -> dict[str, Samples]:
    """The images that there are of every scenario that is trained or tested on."""
    scenarios = {name for trial in chosen for name in (trial.scenario, *trial.tests)}
    categories = {category.name: place for place, category in enumerate(run.recipe_object.categories or ())}
    images = run.table("images", ["sample_id", "category", "status"])
    category = {
        row["sample_id"]: row["category"]
        for row in images.filter(pc.equal(images.column("status"), schema.OK)).to_pylist()
    }
    plan = run.table("plan", ["sample_id", "shard", "image_id", "scenario", "variant"]).to_pylist()
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in scenarios}
    for row in plan:
        if row["scenario"] in scenarios and row["sample_id"] in category:
            rows[row["scenario"]].append({**row, "category": category[row["sample_id"]]})
    return {name: Samples.of_rows(name, rows[name], categories) for name in scenarios}


def _check(run: Run, chosen: Sequence[Trial], samples: Mapping[str, Samples]) -> None:
    """Refuse what cannot be trained before anything is."""
    for name, found in samples.items():
        if not len(found):
            raise XrayError(f"{run.uri} has no images of scenario {name!r}; make them by `xray generate`")
    material = Material(run.uri, _categories(run), samples, _folds(run), {}, {})
    for trial in chosen:
        divided = material.parts(trial)
        held = samples[trial.scenario]
        there = {int(label) for label in held.of_images(divided.train).label_N}
        lacking = [name for place, name in enumerate(material.categories) if place not in there]
        if lacking:
            raise XrayError(f"{trial.name}: no image of {', '.join(map(repr, lacking))} is left to train on")
        if not divided.validation or not divided.test:
            part = "choose the best epoch by" if divided.test else "test it on"
            raise XrayError(f"{trial.name}: no image is left to {part}")


def _categories(run: Run) -> tuple[str, ...]:
    return tuple(category.name for category in run.recipe_object.categories or ())


def _folds(run: Run) -> dict[str, int]:
    return {row["image_id"]: row["fold"] for row in run.table("folds", ["image_id", "fold"]).to_pylist()}


def _material(run: Run, chosen: Sequence[Trial], samples: Mapping[str, Samples]) -> Material:
    colour = run.recipe_object.transparent_on
    preparations = {}
    for trial in chosen:
        model = parse_model(trial.spec)
        preparations[trial.model] = Preparation(
            model.side(trial.training.side), trial.training.shape, colour, masks=model.task == "segmentation"
        )
    pairs = dict.fromkeys(
        (name, preparations[trial.model]) for trial in chosen for name in (trial.scenario, *trial.tests)
    )
    held = _hold(run, list(pairs), samples, chosen[0].training.feed)
    return Material(run.uri, _categories(run), samples, _folds(run), preparations, held)


def _hold(
    run: Run, pairs: Sequence[tuple[str, Preparation]], samples: Mapping[str, Samples], feed: str
) -> dict[tuple[str, Preparation], list[Any]]:
    """Prepare every image once for all trials, if they fit Ray's object store."""
    size = sum(len(samples[name]) * how.side**2 * (4 if how.masks else 3) for name, how in pairs)
    room = _HELD_SHARE * resources().get("object_store_memory", 0)
    if feed == "stream" or (feed == "auto" and size > room):
        return {}
    if size > room:
        raise XrayError(
            f"`feed: hold` needs {size / 1e9:.1f} GB of Ray's object store, of which {room / 1e9:.1f} GB may be taken; "
            "`feed: auto` streams what does not fit"
        )
    preparations = list(dict.fromkeys(how for _, how in pairs))
    units: list[dict[str, Any]] = []
    for name, how in pairs:
        shards, place = sorted(set(samples[name].shard)), preparations.index(how)
        groups = [shards[start : start + _SHARDS_A_BLOCK] for start in range(0, len(shards), _SHARDS_A_BLOCK)]
        units += [{"scenario": name, "preparation": place, "shards": group, "samples": None} for group in groups]
    references = prepared(run.uri, preparations, units).materialize().to_arrow_refs()
    assert len(references) == len(units), "Ray Data made other blocks than it was given"
    held: dict[tuple[str, Preparation], list[Any]] = {}
    for unit, reference in zip(units, references, strict=True):
        held.setdefault((unit["scenario"], preparations[unit["preparation"]]), []).append(reference)
    return held


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
