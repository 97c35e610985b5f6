import dataclasses

import pandas as pd
import pytest

from xray.report.data import gather
from xray.report.text import headline, phrase

KINDS = ("original", "blur_background", "random_background", "no_object")


def evidence_with(make_run, drops, accuracy=0.8, control=0.3):
    """Evidence of models with the given {model: {scenario: (drop, low, high)}}."""
    rows = [
        (m, "pretrained", s, accuracy - d, accuracy, d, low, high, 100, m)
        for m, scenarios in drops.items()
        for s, (d, low, high) in scenarios.items()
    ]
    names = ["model", "trained_on", "scenario", "accuracy", "reference_accuracy", "drop", "ci_low", "ci_high"]
    table = pd.DataFrame(rows, columns=[*names, "n_images", "series"])
    cells = [(m, "pretrained", "original", 100, 80, accuracy, 0.7, 0.9, 100, m) for m in drops]
    cells += [(m, "pretrained", "no_object", 100, 30, control, 0.2, 0.4, 100, m) for m in drops]
    columns = ["model", "trained_on", "scenario", "n", "correct", "accuracy", "ci_low", "ci_high", "n_images", "series"]
    base = gather(make_run(kinds=KINDS, photographs=1))
    return dataclasses.replace(base, drops=table, accuracy=pd.DataFrame(cells, columns=columns))


def test_a_clear_loss(make_run):
    drops = {"net": {"random_background": (0.214, 0.171, 0.252), "blur_background": (-0.05, -0.08, 0.01)}}
    sentence, details = headline(evidence_with(make_run, drops))
    text = " ".join(details)
    assert sentence == "net loses 21 points [17, 25] when the object stands before another place."
    assert "right on 59 % of 100 photographs, against 80 %" in text
    assert "holds up best when the background is blurred: 85 % right, 5 points gained" in text
    assert "With the object covered it still gives the right name to 30 % [20, 40]" in text
    assert "models" not in text


def test_a_loss_that_may_be_chance(make_run):
    sentence, _ = headline(evidence_with(make_run, {"net": {"random_background": (0.02, -0.03, 0.07)}}))
    assert sentence.startswith("No scenario clearly costs net accuracy: it loses at most 2 points [−3, 7]")


def test_no_loss(make_run):
    sentence, _ = headline(evidence_with(make_run, {"net": {"random_background": (0.0, 0.0, 0.0)}}))
    assert sentence == "net loses no accuracy in any scenario."


def test_a_single_photograph_concludes_nothing(make_run):
    nan = float("nan")
    sentence, _ = headline(evidence_with(make_run, {"net": {"random_background": (1.0, nan, nan)}}))
    assert "single photograph: nothing can be concluded" in sentence


def test_losing_without_the_object_is_no_finding(make_run):
    drops = {"net": {"no_object": (0.7, 0.6, 0.8), "blur_background": (0.1, 0.05, 0.2)}}
    assert headline(evidence_with(make_run, drops))[0].endswith("when the background is blurred.")


@pytest.mark.parametrize(
    ("other", "words"), [("random_background", "both models"), ("blur_background", "1 of 2 models")]
)
def test_models_agree_or_not(make_run, other, words):
    rest = {"blur_background": (0.01, 0.0, 0.1), "random_background": (0.01, 0.0, 0.1)}
    drops = {"a": rest | {"random_background": (0.3, 0.2, 0.4)}, "b": rest | {other: (0.3, 0.2, 0.4)}}
    assert f"costliest scenario for {words}" in " ".join(headline(evidence_with(make_run, drops))[1])


def test_no_predictions(make_run):
    assert headline(gather(make_run(models=(), kinds=KINDS)))[0] == "No model has looked at these images yet."


def test_no_original(make_run):
    run = make_run(kinds=("blur_background", "segmented"))
    sentence, details = headline(gather(run))
    assert "not yet known" in sentence
    assert "no scenario of kind 'original'" in details[0]


def test_a_scenario_of_another_name_is_named(make_run):
    drops = {"net": {"random_background": (0.3, 0.2, 0.4)}}
    evidence = evidence_with(make_run, drops)
    renamed = {"forest" if k == "random_background" else k: v for k, v in evidence.recipe["scenarios"].items()}
    table = evidence.drops.assign(scenario="forest")
    evidence = dataclasses.replace(evidence, recipe=evidence.recipe | {"scenarios": renamed}, drops=table)
    assert headline(evidence)[0].endswith("before another place (forest).")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kind": "image_grey", "region": "image"}, "the whole image has lost its colour"),
        ({"kind": "segmented", "fill": "white"}, "only the object is left, on white"),
        (
            {"kind": "random_background", "compose": "additive"},
            "the object stands before another place (its pixels added to those of the place)",
        ),
        ({"kind": "my.module:Fog"}, "the scenario is “fog”"),
    ],
)
def test_phrases(settings, expected):
    assert phrase("fog", settings) == expected


def test_every_classical_scenario_has_a_phrase():
    from xray.core.plugins import available
    from xray.scenarios.base import Scenario

    kinds = available(Scenario)
    assert [kind for kind in kinds if phrase(kind, {"kind": kind}).startswith("the scenario is")] == []
