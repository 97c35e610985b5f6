import random

import pandas as pd
import pyarrow as pa
import pytest
from page import Page

from xray import schema
from xray.report import build_report
from xray.report.evidence import gather
from xray.run_trials import KINDS as COLUMNS

SCENARIOS = ("original", "blur_background", "image_grey", "no_object", "random_background")
LOSS = {"original": 0.1, "blur_background": 0.2, "image_grey": 0.35, "no_object": 0.9, "random_background": 0.6}
FOLDS = 3


def _predictions(run, model, within, segments):
    """What a model said that was trained on each of `within`: on its own scenario, and on all from the original."""
    draw, rows = random.Random(1), []
    for row in run.tables["images"].to_pylist():
        number, scenario = int(row["image_id"][-4:]), row["scenario"]
        for trained_on in within:
            if trained_on not in ("original", scenario):
                continue
            correct = draw.random() > LOSS[scenario] * (1 if trained_on == "original" else 0.5)
            cell = {name: row[name] for name in ("sample_id", "image_id", "category", "scenario", "variant")}
            told = {"model": model, "weights": "cd" * 32, "trained_on": trained_on, "fold": number % FOLDS, "top1": 0}
            measured = {"intersection": 60 if correct else 10, "union": 80, "pixel_accuracy": 0.9} if segments else {}
            rows.append(cell | told | measured | {"top5": [0, 1, 2], "p_true": 0.5, "correct": correct})
    return rows


def _history(model, within, metric):
    return [
        {
            "model": model, "trained_on": trained_on, "fold": fold, "epoch": epoch, "learning_rate": 1e-3,
            "train_loss": 2.0 / (epoch + 1), "train_score": 0.2 * epoch, "validation_loss": 2.2 / (epoch + 1),
            "validation_score": 0.15 * epoch + 0.02 * fold, "metric": metric, "images": 10, "seconds": 1.0,
        }
        for trained_on in within for fold in range(FOLDS) for epoch in range(5)
    ]  # fmt: skip


def train(run, model="net", within=SCENARIOS[:3], failed=(), segments=False, validation=0.2):
    """Add trainings to a synthetic run; `failed` are (scenario, fold, status, reason)."""
    lost = {(scenario, fold): (status, reason) for scenario, fold, status, reason in failed}
    rows = _predictions(run, model, within, segments)
    rows = [row for row in rows if (row["trained_on"], row["fold"]) not in lost]
    run.tables["predictions"] = pa.concat_tables(
        [run.tables["predictions"], pa.Table.from_pylist(rows, schema=schema.PREDICTIONS)]
    )
    history = pa.Table.from_pylist(_history(model, within, "miou" if segments else "top1"), schema=schema.HISTORY)
    run.tables["history"] = pa.concat_tables([run.table("history"), history])
    trials = []
    for scenario in within:
        for fold in range(FOLDS):
            key = {"model": model, "trained_on": scenario, "fold": fold, "spec": "reduced:resnet"}
            facts = {"status": "done", "reason": "", "epochs": 5, "best_epoch": 3, "validation_loss": 0.4}
            facts |= {"seconds": 1234.0, "train": 12, "validation": 4, "test": 8, "weights": "cd" * 32}
            facts |= {"origin": "reduced:resnet, from scratch", "preprocessing": "64", "workers": 1, "device": "cpu"}
            if told := lost.get((scenario, fold)):
                facts = dict(zip(("status", "reason"), told, strict=True))
            trials.append(key | facts)
        run.facts[f"{model}, trained on {scenario}"] = {
            "spec": "reduced:resnet", "weights": " ".join(["cd" * 32] * FOLDS), "folds": FOLDS, "preprocessing": "64",
        }  # fmt: skip
    table = pd.DataFrame(trials, columns=list(COLUMNS)).astype(COLUMNS)
    run.planned_trials = pd.concat([run.planned_trials, table], ignore_index=True) if len(run.planned_trials) else table
    run.recipe["training"] = {
        "scenarios": list(SCENARIOS[:3]), "folds": FOLDS, "holdout": None, "validation": validation, "epochs": 5,
        "batch": 16, "optimizer": "adamw",
    }  # fmt: skip
    return run


@pytest.fixture
def run(make_run):
    return make_run(models=("lite",), kinds=SCENARIOS, photographs=12)


def page(run):
    return Page(build_report(run))


def test_curves_matrix_and_s_robust_are_there(run):
    found = page(train(train(run), "other"))
    assert found.mismatched == []
    titles = [figure["aria-label"] for figure in found.all("svg")]
    for wanted in (
        "S_robust by model, and its parts",
        "Accuracy on the original, on generated and on random backgrounds",
        "Accuracy of net in per cent by what it was trained on and tested on",
        "Loss and score of other by epoch, by training scenario",
    ):
        assert titles.count(wanted) == 1, wanted
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_s_robust_is_that_of_the_statistics(run):
    table = gather(train(run)).s_robust.set_index("label")
    words = page(run).words
    net = table.loc["net"]
    assert f"net {net['s_robust']:.4f} [{net['ci_low']:.4f}, {net['ci_high']:.4f}]" in words
    assert "poster, variance about mu; interval bca" in words
    assert "over blur_background, image_grey." in words
    assert "lite (pretrained) – –" in words
    assert "none: pretrained, so not trained within scenarios (inner half)" in words


def test_drops_and_maps_are_of_models_that_come_from_the_original(run):
    train(run)
    evidence = gather(run)
    assert set(evidence.accuracy["series"]) == {"lite", "net, trained on original"}
    assert set(evidence.trained["trained_on"]) == set(SCENARIOS[:3])
    words = page(run).words
    assert "Accuracy of net, trained on image_grey by category" not in words
    assert "net, trained on image_grey reduced:resnet , 3 folds cdcdcdcdcdcd cdcdcdcdcdcd cdcdcdcdcdcd" in words


def test_trainings_are_listed_with_what_they_rest_on(run):
    words = page(train(run)).words
    assert "net image_grey 3 of 3 5 4.0 12 / 4 / 8 3,702 reduced:resnet, from scratch" in words
    assert "3-fold cross-validation, stratified by category: each photograph is tested once" in words
    assert "trained models were tested on photographs that they had seen in no scenario" in words
    assert "the lowest loss on 20 % of the training photographs" in words
    assert "Right, of pretrained models" in words
    assert "Right, of trained models" in words


def test_the_best_epoch_chosen_on_tested_photographs_is_optimistic(run):
    words = page(train(run, validation="test")).words
    assert "chosen by the photographs that are tested (as in the published code: optimistic)" in words


def test_trainings_that_have_not_ended_are_never_silently_missing(run):
    failed = [
        ("image_grey", 1, "failed", "the loss is <no> number in epoch 2"),
        ("blur_background", 0, "begun", ""),
        ("blur_background", 2, "planned", ""),
    ]
    found = page(train(run, failed=failed))
    assert found.mismatched == []
    assert "Of 9 planned trainings 6 are done (1 failed, 1 begun, 1 not begun)" in found.words
    assert "net image_grey 1 failed the loss is <no> number in epoch 2" in found.words
    assert "net blur_background 2 not begun –" in found.words
    assert "image_grey 2 of 3" in found.words
    assert "trained on image_grey, not tested on image_grey in fold 1" in found.words


def test_nothing_is_trained_yet(run):
    lost = [(scenario, fold, "planned", "") for scenario in SCENARIOS[:3] for fold in range(FOLDS)]
    train(run, failed=lost)
    run.tables["history"] = schema.HISTORY.empty_table()
    found = page(run)
    assert found.mismatched == []
    assert "Of 9 planned trainings 0 are done (9 not begun)" in found.words
    assert "while it learned" not in found.words


def test_within_a_scenario_alone(make_run):
    run = make_run(models=(), kinds=SCENARIOS, photographs=12)
    found = page(train(run, within=("image_grey",)))
    assert found.mismatched == []
    assert "not trained on original (mu, cross half); not trained within blur_background (inner half)" in found.words


def test_segmenters_have_a_table_of_their_own(run):
    train(run, "unet", segments=True)
    words = page(run).words
    rows = gather(run).segmentation.set_index(["series", "tested_on"])
    cell = rows.loc[("unet, trained on image_grey", "image_grey")]
    assert f"unet, trained on image_grey image_grey 48 {100 * cell['iou']:.1f} [" in words
    assert "a segmenter is “right” where the IoU is at least 0.5" in words


def test_a_model_at_chance_is_no_finding(make_run):
    run = make_run(models=(), kinds=SCENARIOS, photographs=12)
    train(run)
    rows = run.tables["predictions"].to_pylist()
    guessed = [row | {"correct": int(row["image_id"][-4:]) % 4 == 0} for row in rows]
    run.tables["predictions"] = pa.Table.from_pylist(guessed, schema=schema.PREDICTIONS)
    words = page(run).words
    assert "net, trained on original is right on 25 % [15, 39], which chance would reach too (25 %)." in words
    assert "net: no better than chance (25.0 %): mu, 25.0 %" in words


def test_hostile_names_stay_text(make_run):
    attack = "<img src=x onerror=alert(1)>"
    run = make_run(models=(attack,), kinds=SCENARIOS, photographs=12)
    found = page(train(run, attack, failed=[("image_grey", 0, "failed", attack)]))
    assert found.mismatched == []
    assert all(image["src"].startswith("data:") for image in found.all("img"))
    assert not found.all("script")
