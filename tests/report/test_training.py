import pytest
from support.html_page import Page
from support.trained_tables import FOLDS, SCENARIOS, train

from xray.report import build_report
from xray.report.data import gather


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
    assert f"net {net['s_robust']:.4f} [{net['ci_low']:.4f}, {net['ci_high']:.4f}]" in words
    assert f"{net['reading']}, {net['power']} about {net['about']}; interval {net['method']}" in words
    assert net["scenarios"] in words
    assert f"lite (pretrained) – – {table.loc['lite (pretrained)', 'sigma2_cross']:.4f} –" in words
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
    assert "optimistic" in page(train(run, validation="test")).words


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
