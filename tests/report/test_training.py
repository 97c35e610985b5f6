import pyarrow as pa
import pytest
from support.html_page import Page
from support.trained_tables import FOLDS, SCENARIOS, train

from xray.core import schema
from xray.report import build_report
from xray.report.data import gather


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
    assert "not trained within image_grey in fold 1 (inner half)" in found.words


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
