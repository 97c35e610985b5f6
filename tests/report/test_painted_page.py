import pyarrow as pa
import pytest
from support.html_page import Page

from xray.core.schema import REASONS
from xray.report import build_report

KINDS = ("original", "blur_background", "generated_background")
REALISM = {
    "scenario": "generated_background",
    "kind": "generated_background",
    "painted": True,
    "metric": "fid",
    "value": 123.456,
    "std": float("nan"),
    "ci_low": float("nan"),
    "ci_high": float("nan"),
    "n": 18,
    "n_images": 0,
    "n_originals": 24,
    "method": "Inception-v3, 2048 features",
    "remark": "biased: <few> pictures",
    "weights": "inception-fid",
    "fingerprint": "fe" * 32,
    "libraries": "torchmetrics 1.9.0",
}


@pytest.fixture(scope="module")
def painted(make_run):
    """A run with painted worlds, six of 48 refused and two photographs without a mask, and its page."""
    reasons = {0: "blank_picture", 1: "object_repeated", 2: "blank_picture", 3: "mask_empty"}
    run = make_run(
        models=("m",), kinds=KINDS, variants=2, reject=lambda n, s: reasons.get(n, "") if s == KINDS[2] else ""
    )
    left_out = REALISM | dict.fromkeys(("weights", "fingerprint", "libraries")) | {"metric": "clip_score"}
    left_out |= {"value": float("nan"), "n": 0, "n_originals": 0, "method": "", "remark": "left out: no weights"}
    means = REALISM | {"metric": "lpips_background", "value": 0.5, "ci_low": 0.4, "ci_high": 0.6, "remark": ""}
    run.tables["realism"] = pa.Table.from_pylist([REALISM, left_out, means])
    return Page(build_report(run))


def test_the_page_is_sound(painted):
    assert painted.mismatched == []
    assert not painted.all("b>meadow")
    assert all(image["alt"] for image in painted.all("img"))
    assert "a <b>meadow</b> in typical light" in painted.words


def test_refused_pictures_are_shown_with_the_reason(painted):
    refused = [image for image in painted.all("img") if image.get("class") == "refused"]
    assert len(refused) == 6
    assert all("refused: " in image["alt"] for image in refused)
    assert f"refused: {REASONS['object_repeated']} (contrast 12.3)" in painted.words


def test_a_reader_is_told_that_pictures_were_sorted_out(painted):
    assert "In generated_background the filter refused 6 of 46 painted pictures." in painted.words


def test_keep_rates_stand_with_n_and_interval(painted):
    assert (
        "generated_background 40 / 46 87 [67, 96] Wilson, clustered by photograph 2 "
        "blank_picture 4, mask_empty 2, object_repeated 2"
    ) in painted.words
    assert "painted worlds kept 87 % [67, 96], n = 46" in painted.words


def test_painters_prompts_and_filter_are_part_of_what_numbers_rest_on(painted):
    assert "model: weights/<xl> 0123456789ab 4 0.0 48 dtype float32; tiling no" in painted.words
    assert (
        "48 pictures of 2 prompts, decided in the plan (places: 24 atypical; 24 typical); the object’s own pixels are "
        "put back exactly; painter: sdxl, model weights/<xl>; steps 4; guidance 0.0"
    ) in painted.words
    assert "Filter of painted pictures min_contrast 4.0" in painted.words
    assert "Checked: contrast. Not checked: nsfw (but by painters" in painted.words


def test_realism_says_n_and_what_to_know(painted):
    said = "FID 123 – – 18 24 Inception-v3, 2048 features; biased: <few> pictures; weights inception-fid fefefefefefe"
    assert said in painted.words
    assert "CLIPScore – – – 0 – left out: no weights" in painted.words
    assert "LPIPS background 0.5 [0.4, 0.6]" in painted.words


def test_a_run_that_does_not_paint_says_nothing_of_painting(make_run):
    words = Page(build_report(make_run(models=(), kinds=KINDS[:2]))).words
    for said in ("painted", "Filter of", "How real"):
        assert said not in words


def test_planned_only(make_run):
    run = make_run(models=(), kinds=KINDS)
    run.made = []
    for name in ("images", "masks"):
        run.tables[name] = run.tables[name].slice(0, 0)
    found = Page(build_report(run))
    assert found.mismatched == []
    assert "24 pictures of 1 prompt, decided" in found.words
    assert "How many were kept" not in found.words


def test_refined_masks(make_run):
    run = make_run(models=(), kinds=KINDS[:2])
    rows = run.tables["masks"].to_pylist()
    for row in rows[1:]:
        row.update(origin="sam", predicted_iou=0.875, agreement=0.5)
    rows[0].update(reason="mask_disagrees given_kept")
    run.tables["masks"] = pa.Table.from_pylist(rows, schema=run.tables["masks"].schema)
    found = Page(build_report(run))
    assert found.mismatched == []
    assert "given 1 – – sam 23 0.88 0.50" in found.words
    assert "a given mask that was kept instead of one has none" in found.words
    assert "of parts that fill their bounding box, only what the refined mask has of them counts" in found.words
    assert "Stability:" not in found.words
    assert f"the given mask was kept mask_disagrees {REASONS['mask_disagrees']} 1" in found.words


def test_worlds_that_are_photographs_can_look_real_too(make_run):
    run = make_run(models=(), kinds=(*KINDS[:2], "random_background"))
    run.tables["realism"] = pa.Table.from_pylist([REALISM | {"scenario": "random_background", "painted": False}])
    found = Page(build_report(run))
    assert found.mismatched == []
    assert "Worlds around the object How real they look" in found.words
    assert "random_background (photographs) FID 123" in found.words
