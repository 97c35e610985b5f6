from __future__ import annotations

from dataclasses import replace

import pytest

from xray.core.errors import XrayError
from xray.runs.training import Training
from xray.runs.trial import Trial, check_training, differences, trials

SCENARIOS = {name: {"kind": name} for name in ("original", "blur_background", "segmented", "no_object")}


def planned(**changes: object) -> list[Trial]:
    fields = {"models": ["reduced:resnet", "reduced:vit"], "folds": 3, **changes}
    return trials(Training(**fields), SCENARIOS, "original", seed=5)  # type: ignore[arg-type]


def test_models_scenarios_and_folds_are_crossed_without_the_control() -> None:
    keys = [trial.key for trial in planned()]
    assert len(keys) == len(set(keys)) == 2 * 3 * 3
    assert {scenario for _, scenario, _ in keys} == {"original", "blur_background", "segmented"}


@pytest.mark.parametrize(
    ("tests", "of_original", "of_others"),
    [("halves", 4, 1), ("own", 1, 1), ("matrix", 4, 4)],
)
def test_what_trials_are_tested_on(tests: str, of_original: int, of_others: int) -> None:
    for trial in planned(tests=tests):
        assert len(trial.tests) == (of_original if trial.scenario == "original" else of_others)
        assert trial.scenario in trial.tests


def test_only_some() -> None:
    training = Training(models=["reduced:resnet", "reduced:vit"], folds=3)
    chosen = trials(training, SCENARIOS, "original", 0, models=["vit"], within=["segmented"], folds=[2])
    assert [trial.key for trial in chosen] == [("vit", "segmented", 2)]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"models": ["vot"]}, "unknown model 'vot'; did you mean 'vit'"),
        ({"within": ["no_object"]}, "unknown training scenario 'no_object'"),
        ({"folds": [3]}, r"unknown fold '3'; \(choices: 0, 1, 2\)|unknown fold '3'; did you mean"),
    ],
)
def test_what_is_not_there_is_named(chosen: dict[str, list[str]], said: str) -> None:
    training = Training(models=["reduced:resnet", "reduced:vit"], folds=3)
    with pytest.raises(XrayError, match=said):
        trials(training, SCENARIOS, "original", 0, **chosen)  # type: ignore[arg-type]


def test_chance_is_the_same_within_every_scenario_and_another_for_each_model_and_fold() -> None:
    by_chance: dict[int, set[str]] = {}
    for trial in planned():
        by_chance.setdefault(trial.number, set()).add(trial.scenario)
    assert len(by_chance) == 2 * 3
    assert all(len(scenarios) == 3 for scenarios in by_chance.values())


def test_what_does_not_change_weights_is_not_decisive() -> None:
    trial = planned()[0]
    same = replace(trial, training=replace(trial.training, feed="stream", retries=0, models={"x": "a:b"}, tests="own"))
    other = replace(trial, training=replace(trial.training, epochs=7))
    assert differences(trial.decisive, same.decisive) == ""
    assert differences(trial.decisive, other.decisive) == "epochs: 100 then, 7 now"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scenarios": ["orignal"]}, "unknown scenario 'orignal'; did you mean 'original'"),
        ({"models": ["reduced:resnt"]}, "resnt.*did you mean 'resnet'"),
        ({"models": ["lite:efficientnet-lite9"]}, "efficientnet-lite9"),
        ({"models": ["reduced:vit"], "side": 65}, "vit"),
        ({"models": ["timm:resnet50@no/such/file.safetensors"]}, "no weights at 'no/such/file.safetensors'"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_the_plan(changes: dict[str, object], said: str) -> None:
    with pytest.raises(XrayError, match=said):
        check_training(Training(**{"models": ["reduced:resnet"], **changes}), SCENARIOS)  # type: ignore[arg-type]
