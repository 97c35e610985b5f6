import dataclasses

import pandas as pd
import pytest
from support.trained_tables import SCENARIOS, train

from xray.report.data import gather
from xray.report.headline import headline

KINDS = ("original", "blur_background", "random_background", "no_object")
NAN = float("nan")


@pytest.fixture(scope="module")
def base(make_run):
    return gather(make_run(kinds=KINDS, photographs=1))


def data_with(base, drops):
    """Data of models with the given {model: {scenario: (drop, low, high)}}; accuracy is 80 %, and 30 % on no_object."""
    rows = [
        (model, "pretrained", scenario, 0.8 - drop, 0.8, drop, low, high, 100, model)
        for model, scenarios in drops.items()
        for scenario, (drop, low, high) in scenarios.items()
    ]
    names = ["model", "trained_on", "scenario", "accuracy", "reference_accuracy", "drop", "ci_low", "ci_high"]
    table = pd.DataFrame(rows, columns=[*names, "n_images", "series"])
    cells = [(model, "pretrained", "original", 100, 80, 0.8, 0.7, 0.9, 100, model) for model in drops]
    cells += [(model, "pretrained", "no_object", 100, 30, 0.3, 0.2, 0.4, 100, model) for model in drops]
    columns = ["model", "trained_on", "scenario", "n", "correct", "accuracy", "ci_low", "ci_high", "n_images", "series"]
    scores = dataclasses.replace(base.scores, drops=table, accuracy=pd.DataFrame(cells, columns=columns))
    return dataclasses.replace(base, scores=scores)


def test_a_clear_loss(base):
    drops = {"net": {"random_background": (0.214, 0.171, 0.252), "blur_background": (-0.05, -0.08, 0.01)}}
    sentence, details = headline(data_with(base, drops))
    assert sentence.startswith("net loses 21 points [17, 25]")
    for numbers in ("59 % on 100 photographs", "with 80 %", "85 % accuracy, 5 points gained", "30 % [20, 40]"):
        assert numbers in " ".join(details)
    assert len(details) == 3  # the worst, the best and the control; no agreement of models


@pytest.mark.parametrize(
    ("drop", "numbers"),
    [((0.02, -0.03, 0.07), "2 points [−3, 7]"), ((0.0, 0.0, 0.0), "no accuracy"), ((1.0, NAN, NAN), "no conclusion")],
)
def test_a_loss_that_may_be_chance(base, drop, numbers):
    sentence, _ = headline(data_with(base, {"net": {"random_background": drop}}))
    assert numbers in sentence
    assert "loses" not in sentence or drop[1] != drop[1] or drop[0] == 0


def test_a_model_that_is_never_right_has_nothing_to_lose(base):
    data = data_with(base, {"net": {"random_background": (0.0, 0.0, 0.0)}})
    accuracy = data.scores.accuracy.assign(correct=0, accuracy=0.0)
    data = dataclasses.replace(data, scores=dataclasses.replace(data.scores, accuracy=accuracy))
    sentence, details = headline(data)
    assert "none of 100" in sentence
    assert len(details) == 1


def test_a_loss_without_the_object_is_not_the_finding(base):
    drops = {"net": {"no_object": (0.7, 0.6, 0.8), "blur_background": (0.1, 0.05, 0.2)}}
    assert "10 points [5, 20]" in headline(data_with(base, drops))[0]


@pytest.mark.parametrize(("other", "words"), [("random_background", "both models"), ("blur_background", "1 of 2")])
def test_models_agree_or_not(base, other, words):
    rest = {"blur_background": (0.01, 0.0, 0.1), "random_background": (0.01, 0.0, 0.1)}
    drops = {"a": rest | {"random_background": (0.3, 0.2, 0.4)}, "b": rest | {other: (0.3, 0.2, 0.4)}}
    assert words in " ".join(headline(data_with(base, drops))[1])


def test_a_scenario_with_its_own_name_is_named(base):
    data = data_with(base, {"net": {"random_background": (0.3, 0.2, 0.4)}})
    scenarios = {"forest" if k == "random_background" else k: v for k, v in data.recipe["scenarios"].items()}
    scores = dataclasses.replace(data.scores, drops=data.scores.drops.assign(scenario="forest"))
    data = dataclasses.replace(data, recipe=data.recipe | {"scenarios": scenarios}, scores=scores)
    assert headline(data)[0].endswith("(forest).")


def test_no_predictions_and_no_original(make_run, base):
    without = headline(gather(make_run(models=(), kinds=KINDS, photographs=1)))
    assert "xray evaluate" in without[1][0]
    _, details = headline(gather(make_run(kinds=("blur_background", "segmented"), photographs=1)))
    assert "'original'" in details[0]


def test_a_model_at_chance_is_not_a_finding(make_run):
    run = train(make_run(models=(), kinds=SCENARIOS, photographs=12))
    run.edit("predictions", lambda row: {"correct": int(row["image_id"][-4:]) % 4 == 0})
    data = gather(run)
    assert data.scores.warnings
    sentence, _ = headline(data)
    assert "chance (25 %)" in sentence
    assert "25 % [15, 39]" in sentence


def test_without_a_loss_the_worst_scenario_is_named(base):
    sentence, details = headline(data_with(base, {"net": {"random_background": (-0.1, -0.2, 0.0)}}))
    assert "no accuracy" in sentence
    assert "90 % on 100 photographs" in details[0]
    assert "another" in details[0]
    assert "then" not in details[0]


def test_agreement_follows_the_scenario_that_it_is_about(base):
    drops = {"random_background": (0.3, 0.2, 0.4), "blur_background": (0.1, 0.05, 0.2)}
    _, details = headline(data_with(base, {"net": drops, "other": drops}))
    assert "both models" in details[1]
    assert "most robust" in details[2]
