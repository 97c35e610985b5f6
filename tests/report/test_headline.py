import dataclasses

import pandas as pd
import pyarrow as pa
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
    assert sentence.startswith("net loses most accuracy when")
    assert "21 points [17, 25]" in sentence
    for numbers in ("59 % on 100 photographs", "with 80 %", "85 % accuracy, 5 points [−1, 8] gained", "30 % [20, 40]"):
        assert numbers in " ".join(details)
    assert len(details) == 3  # the worst, the best and the control; no agreement of models
    alone = {"net": {"random_background": (0.214, 0.171, 0.252)}}
    assert headline(data_with(base, alone))[0].startswith("net loses 21 points [17, 25]")


@pytest.mark.parametrize(
    ("drop", "numbers"), [((0.02, -0.03, 0.07), "2 points [−3, 7]"), ((1.0, NAN, NAN), "no conclusion")]
)
def test_a_loss_that_may_be_chance(base, drop, numbers):
    sentence, _ = headline(data_with(base, {"net": {"random_background": drop}}))
    assert numbers in sentence
    assert "loses" not in sentence or drop[1] != drop[1]


def test_the_largest_of_many_is_named_so(base):
    drops = {"random_background": (0.02, -0.01, 0.06), "blur_background": (0.01, -0.03, 0.05)}
    sentence, _ = headline(data_with(base, {"net": drops}))
    assert "No scenario is shown to cost net accuracy" in sentence
    assert "largest of 2 differences is 2 points [−1, 6]" in sentence
    assert "at most" not in sentence


def test_an_interval_above_0_that_many_have_by_chance_shows_no_loss(base):
    data = data_with(base, {"net": {"random_background": (0.05, 0.01, 0.09), "blur_background": (0.0, -0.03, 0.03)}})
    scores = dataclasses.replace(data.scores, drops=data.scores.drops.assign(p_holm=[0.08, 1.0]))
    assert "not shown" not in headline(data)[0]
    assert "No scenario is shown" in headline(dataclasses.replace(data, scores=scores))[0]


def test_no_loss_has_an_upper_limit(base):
    drops = {"random_background": (0.0, -0.031, 0.031), "blur_background": (-0.02, -0.06, 0.021)}
    sentence, details = headline(data_with(base, {"net": drops}))
    assert "no single one of 2 costs more than 4 points" in sentence
    assert "gains most" in " ".join(details)


def test_the_smallest_loss_is_the_best_even_if_it_is_clear(base):
    drops = {"random_background": (0.01, 0.002, 0.02), "blur_background": (0.04, -0.01, 0.09)}
    _, details = headline(data_with(base, {"net": drops | {"no_object": (0.5, 0.4, 0.6)}}))
    assert "loses least" not in " ".join(details)  # it is the only one that is shown, and the headline
    assert "loses most" not in headline(data_with(base, {"net": drops}))[0]
    drops |= {"random_background": (0.3, 0.2, 0.4), "blur_background": (0.01, 0.002, 0.02)}
    (best,) = [detail for detail in headline(data_with(base, {"net": drops}))[1] if "least" in detail]
    assert "1 point [0, 2] lost" in best


def test_models_at_chance_are_not_ranked(base):
    drops = {"random_background": (0.3, 0.2, 0.4), "blur_background": (0.1, 0.05, 0.2)}
    data = data_with(base, {"a": drops, "b": drops, "c": {"random_background": (0.0, -0.1, 0.1)}})
    row = {
        "accuracy": 0.8,
        "ci_low": 0.1,
        "ci_high": 0.9,
        "chance": 0.25,
        "reason": "not shown to be above chance: 80 %",
    }
    one = dataclasses.replace(data, scores=dataclasses.replace(data.scores, at_chance={"a": row, "c": row}))
    sentence, details = headline(one)
    assert sentence.startswith("b loses most")
    assert not any("models" in detail for detail in details)
    every = dict.fromkeys("abc", row)
    sentence, details = headline(dataclasses.replace(data, scores=dataclasses.replace(data.scores, at_chance=every)))
    assert "a, is not shown to be above chance: 80 %." in sentence
    assert len(details) == 1


def test_the_reason_why_a_model_is_not_above_chance_is_the_number_that_shows_it(make_run):
    run = make_run(models=("net",), kinds=KINDS, categories=("fruit", "bovid"), photographs=20)
    rare = [row["image_id"] for row in run.table("source").to_pylist() if row["category"] == "bovid"][2:]
    run.edit("predictions", lambda row: {"correct": row["category"] == "fruit"})
    for name in ("predictions", "source"):
        kept = [row for row in run.tables[name].to_pylist() if row["image_id"] not in rare]
        run.tables[name] = pa.Table.from_pylist(kept, schema=run.tables[name].schema)
    sentence, _ = headline(gather(run))
    assert "mean of accuracies by category 50.0 % [" in sentence
    assert "91" not in sentence  # 20 of 22


def test_a_model_that_was_tested_on_originals_alone_is_not_the_headline(base):
    data = data_with(base, {"a": {"random_background": (0.3, 0.2, 0.4)}, "b": {}})
    accuracy = data.scores.accuracy
    accuracy = accuracy.assign(accuracy=accuracy["accuracy"].where(accuracy["model"] == "a", 0.9))
    assert headline(dataclasses.replace(data, scores=dataclasses.replace(data.scores, accuracy=accuracy)))[0][0] == "a"
    sentence, details = headline(data_with(base, {"a": {}}))
    assert "cannot be computed" in sentence
    assert len(details) == 1


def test_the_largest_drop_is_counted_even_if_another_one_is_shown(base):
    shown = {"random_background": (0.1, 0.05, 0.15), "blur_background": (0.2, -0.01, 0.4)}
    data = data_with(base, {"a": shown, "b": {"random_background": (0.3, 0.2, 0.4)}})
    assert "largest drop for 1 of 2 models" in " ".join(headline(data)[1])
    assert "of 2 differences the largest shown to be a loss" in headline(data)[0]


def test_photographs_of_a_single_group_are_no_single_photograph(base):
    data = data_with(base, {"a": {"random_background": (0.3, NAN, NAN)}})
    assert "of a single group" in headline(data)[0]


def test_accuracy_without_the_object_stands_beside_answers_that_ignore_the_photograph(base):
    data = data_with(base, {"net": {"random_background": (0.3, 0.2, 0.4)}})
    row = {"series": "net", "scenario": "no_object", "shuffled": 0.08, "majority": 0.12}
    scores = dataclasses.replace(data.scores, baselines=pd.DataFrame([row]))
    control = headline(dataclasses.replace(data, scores=scores))[1][-1]
    assert "30 % [20, 40]: the background and outline reveal more than chance" in control
    assert "8 % (its answers shuffled) and 12 %" in control
    scores = dataclasses.replace(data.scores, baselines=pd.DataFrame([row | {"majority": 0.25}]))
    assert "more than chance" not in headline(dataclasses.replace(data, scores=scores))[1][-1]


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
    assert data.scores.s_robust["s_robust"].isna().all()
    sentence, _ = headline(data)
    assert "chance 25.0 %" in sentence
    assert "25.0 % [14.9, 38.8] on original" in sentence
    run.edit("predictions", lambda row: {"correct": False})
    assert "right on no unchanged photograph" in headline(gather(run))[0]


def test_without_a_loss_the_worst_scenario_is_named(base):
    sentence, details = headline(data_with(base, {"net": {"random_background": (-0.1, -0.2, 0.0)}}))
    assert "10 points [0, 20] gained" in sentence
    assert "90 % on 100 photographs" in details[0]
    assert "another" in details[0]
    assert "then" not in details[0]


def test_agreement_follows_the_scenario_that_it_is_about(base):
    drops = {"random_background": (0.3, 0.2, 0.4), "blur_background": (0.1, 0.05, 0.2)}
    _, details = headline(data_with(base, {"net": drops, "other": drops}))
    assert "both models" in details[1]
    assert "loses least" in details[2]
