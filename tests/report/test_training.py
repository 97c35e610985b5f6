from types import SimpleNamespace

import pandas as pd
import pytest
from support.html_page import Page
from support.trained_tables import FOLDS, SCENARIOS, train

from xray.report import build_report
from xray.report.data import gather
from xray.report.text import decimals
from xray.report.training import _facts


@pytest.fixture
def run(make_run):
    return make_run(models=("lite",), kinds=SCENARIOS, photographs=12)


def page(run):
    found = Page(build_report(run))
    assert found.mismatched == []
    return found


def test_figures_of_two_models(run):
    found = page(train(train(run), "other"))
    assert len(found.ids) == len(set(found.ids))
    # heat map, drops, three maps, S_robust, backgrounds, and a matrix and curves of each model
    assert len(found.all("svg")) == 1 + 1 + 3 + 1 + 1 + 2 * 2


def test_s_robust_is_that_of_the_statistics(run):
    table = gather(train(run)).scores.s_robust.set_index("label")
    words = page(run).words
    net = table.loc["net"]
    bounds = f"[{net['ci_low']:.4f}, {net['ci_high']:.4f}]"
    assert f"net {net['s_robust']:.4f} {bounds} {net['plug_in']:.4f}" in words
    assert f"{net['reading']}, {net['power']} about {net['about']}; interval {net['method']}" in words
    assert "over photographs, given the networks" in words
    assert net["scenarios"] in words
    assert f"lite (pretrained) – – – {decimals(table.loc['lite (pretrained)', 'sigma2_cross'])} –" in words
    assert table.loc["lite (pretrained)", "missing"] in words


def test_drops_and_maps_are_of_models_trained_on_the_original(run):
    data = gather(train(run))
    assert set(data.scores.accuracy["series"]) == {"lite", "net, trained on original"}
    assert set(data.scores.trained["trained_on"]) == set(SCENARIOS[:3])
    words = page(run).words
    assert "net, trained on image_grey reduced:resnet, 3 folds cdcdcdcdcdcd cdcdcdcdcdcd cdcdcdcdcdcd" in words


def test_trainings_and_their_settings(run):
    words = page(train(run)).words
    assert "net image_grey 3 of 3 5 4.0 12 / 4 / 8 3,702 reduced:resnet, from scratch" in words
    assert "3-fold" in words
    assert "20 %" in words
    assert "optimistic" not in words
    run.recipe["training"]["validation"] = "test"
    assert "optimistic" in page(run).words


def test_unfinished_trainings_are_listed(run):
    failed = [
        ("image_grey", 1, "failed", "the loss is <no> number in epoch 2"),
        ("blur_background", 0, "begun", ""),
        ("blur_background", 2, "planned", ""),
    ]
    words = page(train(run, failed=failed)).words
    assert "(1 failed, 1 started, 1 not started)" in words
    assert "net image_grey 1 failed the loss is <no> number in epoch 2" in words
    assert "net blur_background 2 not started –" in words
    assert "image_grey 2 of 3" in words


def test_nothing_is_trained_yet(run):
    train(run, failed=[(scenario, fold, "planned", "") for scenario in SCENARIOS[:3] for fold in range(FOLDS)])
    run.clear("history")
    found = page(run)
    assert "0 of 9 planned" in found.words
    assert "training" in found.sections
    assert len(found.all("svg")) == 1 + 1 + 1 + 1 + 1  # no matrix and no curves


def test_segmenters_have_their_own_table(run):
    rows = gather(train(run, "unet", segments=True)).scores.segmentation.set_index(["series", "tested_on"])
    cell = rows.loc[("unet, trained on image_grey", "image_grey")]
    assert f"unet, trained on image_grey image_grey 48 {100 * cell['iou']:.1f} [" in page(run).words


SETTINGS = {"holdout": None, "folds": 5, "validation": 0.2, "epochs": 9, "batch": 16, "optimizer": "adamw"}


def protocol(recipe=None, **receipt):
    """Return the facts of the trainings of a recipe, and of a receipt with these settings."""
    models = {"net, trained on original": {"settings": SETTINGS | receipt}} if receipt else {}
    run = SimpleNamespace(models=lambda: models)
    trials = pd.DataFrame({"device": ["cpu"]})
    data = SimpleNamespace(recipe={"training": SETTINGS | (recipe or {})}, run=run, trials=trials)
    return " | ".join(text for _, text in _facts(data))


@pytest.mark.parametrize(
    ("settings", "said", "unsaid"),
    [
        ({}, "lowest loss on 20 % of the training", "optimistic"),
        ({"best": "loss"}, "lowest loss on 20 % of the training", "score"),
        ({"best": "score"}, "highest score on 20 % of the training", "loss"),
        ({"best": "last"}, "no photographs choose it", "chosen"),
        ({"validation": "test"}, "lowest loss on the test photographs (as in the published code: optimistic)", "20 %"),
        ({"validation": "test"}, "their epochs were chosen by these photographs", "20 %"),
        ({"validation": "test", "best": "last"}, "no photographs choose it", "optimistic"),
        ({"folds": None, "holdout": 0.25}, "25 % of the photographs of each category", "cross-validation"),
        ({"folds": 3}, "3-fold", "held out"),
        ({"repeats": 3}, "3 times", "held out"),
        ({"repeats": 1}, "5-fold", "times"),
        ({"patience": 7}, "at most 9 epochs, stopped after 7", "held out"),
        ({"patience": 7, "best": "last"}, "9 epochs, batches", "stopped"),
        ({"search": {"samples": 8}}, "searched", "at most"),
        ({"tune": "head", "l2": [0.01]}, "penalty λ = 0.01", "9 epochs"),
        ({"tune": "head", "l2": [0.01]}, "no photographs choose anything", "20 %"),
        ({"tune": "head", "l2": [1.0, 0.1]}, "λ = 1, 0.1, chosen for each head", "9 epochs"),
        ({"tune": "head", "l2": [1.0, 0.1], "validation": "test"}, "their penalties were chosen", "their epochs"),
    ],
)
def test_the_protocol_follows_the_settings(settings, said, unsaid):
    assert said in protocol(settings)
    assert unsaid not in protocol(settings)


def test_the_protocol_is_that_of_the_receipts():
    assert "no photographs choose it" in protocol({"best": "loss"}, best="last")
    assert "12 epochs" in protocol({"epochs": 9}, epochs=12)


def test_validation_that_chooses_nothing_is_not_called_a_choice(run):
    train(run)
    assert "choice of the epoch" in page(run).words
    run.recipe["training"]["best"] = "last"
    assert "choice of the epoch" not in page(run).words


def test_heads_have_no_epochs(run):
    train(run)
    run.planned_trials[["epochs", "best_epoch"]] = pd.NA
    run.tables["history"] = run.tables["history"].slice(0, 0)
    run.recipe["training"] |= {"tune": "head", "l2": [1.0, 0.1]}
    words = page(run).words
    assert "choice of the penalty" in words
    assert "net original 3 of 3 – – 12 / 4 / 8" in words


def test_models_at_chance_are_grey_and_in_no_figure(run):
    train(train(run), "lucky")
    run.edit(
        "predictions", lambda row: {"correct": row["sample_id"] < "photo_0012"} if row["model"] == "lucky" else None
    )
    data = gather(run)
    assert set(data.scores.at_chance) == {"lucky, trained on original"}
    found = page(run)
    assert "lucky not shown to be above chance – – – –" in found.words
    assert len(found.all("tr", **{"class": "faint"})) >= 3
    drawn = [svg["aria-label"] for svg in found.all("svg")]
    assert any("S_robust" in label for label in drawn)
    assert "Not shown to be above chance, without S_robust: lucky, trained on original" in found.words
