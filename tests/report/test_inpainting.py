import dataclasses

import pyarrow as pa
import pytest
from support.html_page import Page

from xray.backgrounds.filtering.judge import MEASURES
from xray.core.schema import REASONS
from xray.report import build_report
from xray.report.data import gather
from xray.report.weights import Weights, filter_checks, filter_settings, inpainter_uses, mask_refiner

KINDS = ("original", "generated_background", "generated_background_2")
NAN = float("nan")
REALISM = {
    "scenario": "generated_background", "kind": "generated_background", "painted": True, "metric": "fid",
    "value": 123.456, "std": NAN, "ci_low": NAN, "ci_high": NAN, "n": 18, "n_images": 0, "n_originals": 24,
    "method": "Inception-v3, 2048 features", "remark": "biased: <few> pictures", "weights": "inception-fid",
    "fingerprint": "fe" * 32, "libraries": "torchmetrics 1.9.0",
}  # fmt: skip


def record(run, **facts):
    """Replace facts of the receipts."""
    run.receipt_list = [
        dataclasses.replace(receipt, facts={"painter": receipt.facts["painter"] | facts})
        for receipt in run.receipt_list
    ]


@pytest.fixture(scope="module")
def found(make_run):
    """The page of a run with six of 46 inpainted images rejected and one photograph without a mask."""
    reasons = {0: "blank_picture", 1: "object_repeated", 2: "blank_picture", 3: "mask_empty"}
    run = make_run(
        models=("m",), kinds=KINDS[:2], variants=2, reject=lambda n, s: reasons.get(n, "") if s == KINDS[1] else ""
    )
    skipped = dict.fromkeys(("weights", "fingerprint", "libraries")) | {"metric": "clip_score", "value": NAN}
    skipped |= {"n": 0, "n_originals": 0, "method": "", "remark": "left out: no weights"}
    means = {"metric": "lpips_background", "value": 0.5, "ci_low": 0.4, "ci_high": 0.6, "remark": ""}
    run.tables["realism"] = pa.Table.from_pylist([REALISM, REALISM | skipped, REALISM | means])
    found = Page(build_report(run))
    assert found.mismatched == []
    assert "painted" in found.sections
    return found


class TestPage:
    def test_rejected_images_are_shown_with_the_reason(self, found):
        rejected = found.all("img", **{"class": "rejected"})
        assert len(rejected) == 6
        assert sum(REASONS["blank_picture"] in image["alt"] for image in rejected) == 4
        assert f"{REASONS['object_repeated']} (contrast 12.3)" in found.words

    def test_keep_rates(self, found):
        assert (
            "generated_background 40 / 46 87 [67, 96] Wilson, clustered by photograph 2 "
            "blank_picture 4, mask_empty 2, object_repeated 2"
        ) in found.words
        assert "6 of 46" in found.words

    @pytest.mark.parametrize(
        "text",
        [
            "model: weights/<xl> 0123456789ab 4 0.0 48 dtype float32; tiling no",
            "48 images from 2 prompts",
            "24 atypical; 24 typical",
            "sdxl, model weights/<xl>; steps 4; guidance 0.0",
            "FID 123 – – 18 24 Inception-v3, 2048 features; biased: <few> pictures; weights inception-fid fefefefefefe",
            "CLIPScore – – – 0 – left out: no weights",
            "LPIPS background 0.5 [0.4, 0.6]",
        ],
    )
    def test_inpainters_filter_and_realism(self, found, text):
        assert text in found.words

    def test_a_run_without_inpainting_has_no_section(self, make_run):
        assert "painted" not in Page(build_report(make_run(models=(), kinds=KINDS[:1]))).sections

    def test_realism_of_backgrounds_that_are_photographs(self, make_run):
        run = make_run(models=(), kinds=("original", "random_background"))
        run.tables["realism"] = pa.Table.from_pylist([REALISM | {"scenario": "random_background", "painted": False}])
        found = Page(build_report(run))
        assert "painted" in found.sections
        assert "random_background (photographs) FID 123" in found.words


class TestInpainterUses:
    def test_facts_are_those_of_the_receipts(self, make_run):
        first, second = inpainter_uses(gather(make_run(models=(), kinds=KINDS, photographs=2)))
        assert [first.scenario, second.scenario] == list(KINDS[1:])
        assert (first.kind, first.steps, first.guidance, first.images) == ("sdxl", 4, 0.0, 8)
        assert first.weights == [Weights("model", "weights/<xl>", "0123456789ab")]
        assert first.more == "dtype float32; tiling no"

    def test_shards_with_equal_facts_are_one_row(self, make_run):
        run = make_run(models=(), kinds=KINDS[:2], photographs=2)
        (receipt,) = run.receipt_list
        facts = receipt.facts["painter"][KINDS[1]] | {"device": "another"}
        other = dataclasses.replace(receipt, counts={KINDS[1]: {"ok": 1}}, facts={"painter": {KINDS[1]: facts}})
        run.receipt_list += [receipt, other]
        uses = inpainter_uses(gather(run))
        assert [(use.images, "device another" in use.more) for use in uses] == [(16, False), (1, True)]

    def test_an_inpainter_without_weights_or_steps(self, make_run):
        run = make_run(models=(), kinds=KINDS[:2], photographs=1)
        record(run, **{KINDS[1]: {"kind": "mine"}})
        (use,) = inpainter_uses(gather(run))
        assert (use.weights, use.steps, use.guidance, use.more) == ([], None, None, "kind mine")

        run.receipt_list = [dataclasses.replace(run.receipt_list[0], counts={"original": {"ok": 4}}, facts={})]
        assert inpainter_uses(gather(run)) == []  # a rendered shard


class TestFilter:
    def test_settings_of_models_that_are_not_used_are_omitted(self, make_run):
        run = make_run(models=(), kinds=KINDS, photographs=1)
        assert filter_settings(gather(run)) == "min_contrast 4.0; min_keep_rate 0.05"
        run.recipe["filter"] |= {"clip": "clip-vit", "names": {}, "min_category_similarity": 0.0}
        assert "clip clip-vit; min_category_similarity 0.0" in filter_settings(gather(run))

    def test_models_have_their_hashes(self, make_run):
        run = make_run(models=(), kinds=KINDS[:2], photographs=1)
        run.recipe["filter"] |= {"classifier": "lite:x", "clip": "clip-vit"}
        run.weights["clip-vit"] = "c1" * 32
        record(run, filter={"classifier": {"spec": "lite:x", "weights": "ab" * 32}})
        settings = filter_settings(gather(run))
        assert "classifier lite:x [sha256 abababababab]; max_repeated 0.5" in settings
        assert "clip clip-vit [sha256 c1c1c1c1c1c1]" in settings

    def test_checks(self, make_run):
        run = make_run(models=(), kinds=KINDS, photographs=1)
        checked, missing = filter_checks(gather(run)).split(". ")
        assert "contrast" in checked
        assert all(measure.replace("_", " ") in missing for measure in MEASURES if measure != "contrast")

    def test_similarities_without_a_threshold_are_recorded_only(self, make_run):
        run = make_run(models=(), kinds=KINDS, photographs=1)
        run.recipe["filter"] |= {"clip": "clip-vit", "min_category_similarity": 0.0}
        record(run, filter={"checks": list(reversed(MEASURES))})
        checks = filter_checks(gather(run))
        assert "category similarity, prompt similarity (recorded only)." in checks
        assert checks.count("recorded only") == 1
        assert "Not checked" not in checks

    def test_receipts_without_checks_and_runs_without_inpainting(self, make_run):
        run = make_run(models=(), kinds=KINDS, photographs=1)
        record(run, filter={})
        assert filter_checks(gather(run)) == ""
        data = gather(make_run(models=(), kinds=("original",), photographs=1))
        assert filter_checks(data) == filter_settings(data) == ""


def test_the_mask_refiner_has_its_hash(make_run):
    run = make_run(models=(), kinds=("original",), photographs=1)
    assert mask_refiner(gather(run)) == ""
    run.recipe["masks"]["refine"] = {"kind": "sam", "model": "sam-vit-h", "points": 1, "multimask": True}
    run.weights["sam-vit-h"] = "5a" * 32
    assert mask_refiner(gather(run)) == "sam (model sam-vit-h [sha256 5a5a5a5a5a5a]; points 1; multimask yes)"
    run.recipe["masks"]["refine"] = {"kind": "grabcut"}
    assert mask_refiner(gather(run)) == "grabcut"
