from __future__ import annotations

from dataclasses import replace

import pytest

from xray.core.errors import XrayError
from xray.core.hashing import digest
from xray.runs.training import Training
from xray.runs.trial import Trial, check_training, differences, list_trials

SCENARIOS = {name: {"kind": name} for name in ("original", "blur_background", "segmented", "no_object")}
RECIPE = {"scenarios": SCENARIOS, "seed": 5}


def trials_of(chosen: dict[str, list[object]] | None = None, **changes: object) -> list[Trial]:
    fields = {"models": ["reduced:resnet", "reduced:vit"], "folds": 3, **changes}
    return list_trials(Training(**fields), RECIPE, **(chosen or {}))  # type: ignore[arg-type]


def test_models_scenarios_and_folds_are_crossed_without_the_control() -> None:
    keys = [trial.key for trial in trials_of()]
    assert len(keys) == len(set(keys)) == 2 * 3 * 3
    assert {scenario for _, scenario, *_ in keys} == {"original", "blur_background", "segmented"}


@pytest.mark.parametrize(
    ("tests", "of_original", "of_others"),
    [("halves", 4, 1), ("own", 1, 1), ("matrix", 4, 4)],
)
def test_tested_scenarios(tests: str, of_original: int, of_others: int) -> None:
    for trial in trials_of(tests=tests):
        assert len(trial.tests) == (of_original if trial.scenario == "original" else of_others)
        assert trial.scenario in trial.tests


def test_selection() -> None:
    (trial,) = trials_of({"models": ["vit"], "within": ["segmented"], "folds": [2]})
    assert trial.key == ("vit", "segmented", 2, 0)


@pytest.mark.parametrize(
    ("chosen", "named"),
    [
        ({"models": ["vot"]}, "'vot'.*'vit'"),
        ({"within": ["no_object"]}, "training scenario 'no_object'"),
        ({"folds": [3]}, "fold '3'"),
    ],
)
def test_unknown_choices_are_named(chosen: dict[str, list[object]], named: str) -> None:
    with pytest.raises(XrayError, match=named):
        trials_of(chosen)


def test_trial_seeds_differ_by_model_and_fold_but_not_by_scenario() -> None:
    by_seed: dict[int, set[str]] = {}
    for trial in trials_of():
        by_seed.setdefault(trial.trial_seed, set()).add(trial.scenario)
    assert len(by_seed) == 2 * 3
    assert all(len(scenarios) == 3 for scenarios in by_seed.values())


def test_repeats_are_more_trainings_and_change_nothing_of_the_first() -> None:
    once, thrice = trials_of(), trials_of(repeats=3)
    assert len(thrice) == len({trial.key for trial in thrice}) == 3 * len(once)
    assert len({trial.trial_seed for trial in thrice}) == 3 * len({trial.trial_seed for trial in once})
    assert len({(trial.model, trial.scenario, trial.shard) for trial in thrice}) == len(thrice)
    for first, before in zip([trial for trial in thrice if not trial.repeat], once, strict=True):
        assert (first.key, first.name, first.shard) == (before.key, before.name, str(before.fold))
        assert first.trial_seed == before.trial_seed == digest(5, "trial", first.model, first.fold, bits=63)
        assert differences(before.decisive, first.decisive) == differences(first.decisive, before.decisive) == ""
    by_model_fold_and_repeat: dict[tuple[object, ...], set[int]] = {}
    for trial in thrice:
        key = trial.model, trial.fold, trial.repeat
        by_model_fold_and_repeat.setdefault(key, set()).add(trial.trial_seed)
    assert {len(seeds) for seeds in by_model_fold_and_repeat.values()} == {1}


def test_decisive_settings() -> None:
    trial = trials_of()[0]
    same = replace(trial, training=replace(trial.training, feed="stream", retries=0, models={"x": "a:b"}, tests="own"))
    other = replace(trial, training=replace(trial.training, epochs=7))
    assert differences(trial.decisive, same.decisive) == ""
    assert differences(trial.decisive, other.decisive) == "epochs: 100 then, 7 now"
    searched = trials_of(search={"samples": 2})[0].decisive
    assert not {"learning_rate", "weight_decay"} & searched.keys()
    assert {"learning_rate", "weight_decay"} <= trial.decisive.keys()


def test_decisive_settings_of_heads() -> None:
    fields = {"tune": "head", "pretrained": True}
    trial, chooses = trials_of(**fields)[0], trials_of(**fields, l2=[1.0, 0.1])[0]
    assert trial.decisive == {"tune": "head", "l2": [0.01], "class_weights": "none"}
    assert chooses.decisive == {**trial.decisive, "l2": [1.0, 0.1], "validation": 0.2}
    assert not {"tune", "l2"} & trials_of()[0].decisive.keys()  # of earlier versions, which had no such settings


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"scenarios": ["orignal"]}, "'orignal'.*'original'"),
        ({"models": ["reduced:resnt"]}, "resnt.*'resnet'"),
        ({"models": ["lite:efficientnet-lite9"]}, "efficientnet-lite9"),
        ({"models": ["reduced:vit"], "side": 65}, "vit"),
        ({"models": ["timm:resnet50@no/such/file.safetensors"]}, "no/such/file.safetensors"),
    ],
)
def test_untrainable_settings_are_refused(changes: dict[str, object], named: str) -> None:
    with pytest.raises(XrayError, match=named):
        check_training(Training(**{"models": ["reduced:resnet"], **changes}), SCENARIOS)  # type: ignore[arg-type]
