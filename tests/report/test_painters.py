import dataclasses

from xray.backgrounds.filtering.judge import MEASURES
from xray.report.data import gather
from xray.report.painters import Weights, checks, judges, painters, refiner

KINDS = ("original", "generated_background", "generated_background_2")


def test_who_painted_stands_in_the_receipts(make_run):
    first, second = painters(gather(make_run(models=(), kinds=KINDS, photographs=2)))
    assert [first.scenario, second.scenario] == list(KINDS[1:])
    assert (first.kind, first.steps, first.guidance, first.images) == ("sdxl", 4, 0.0, 8)
    assert first.weights == [Weights("model", "weights/<xl>", "0123456789ab")]
    assert first.more == "dtype float32; tiling no"


def test_shards_painted_alike_are_one_row_and_others_another(make_run):
    run = make_run(models=(), kinds=KINDS[:2], photographs=2)
    facts = run.made[0].facts["painter"][KINDS[1]] | {"device": "another"}
    other = dataclasses.replace(run.made[0], counts={KINDS[1]: {"ok": 1}}, facts={"painter": {KINDS[1]: facts}})
    run.made += [run.made[0], other]
    found = painters(gather(run))
    assert [(row.images, "device another" in row.more) for row in found] == [(16, False), (1, True)]


def test_a_painter_without_weights_or_steps(make_run):
    run = make_run(models=(), kinds=KINDS[:2], photographs=1)
    run.made = [dataclasses.replace(run.made[0], facts={"painter": {KINDS[1]: {"kind": "mine"}, "filter": {}}})]
    (row,) = painters(gather(run))
    assert (row.weights, row.steps, row.guidance, row.more) == ([], None, None, "kind mine")


def test_shards_that_were_rendered_are_nobodys(make_run):
    run = make_run(models=(), kinds=KINDS[:2], photographs=1)
    run.made = [dataclasses.replace(run.made[0], counts={"original": {"ok": 4}}, facts={})]
    assert painters(gather(run)) == []


class TestJudges:
    def test_only_what_is_measured_is_named(self, make_run):
        assert judges(gather(make_run(models=(), kinds=KINDS))) == "min_contrast 4.0"

    def test_models_come_with_their_hashes(self, make_run):
        run = make_run(models=(), kinds=KINDS[:2])
        run.recipe["filter"] |= {"classifier": "lite:x", "clip": "clip-vit", "min_prompt_similarity": 0.2}
        run.pins["clip-vit"] = "c1" * 32
        told = run.made[0].facts["painter"] | {"filter": {"classifier": {"spec": "lite:x", "weights": "ab" * 32}}}
        run.made = [dataclasses.replace(run.made[0], facts={"painter": told})]
        said = judges(gather(run))
        assert "classifier lite:x [sha256 abababababab]; max_repeated 0.5" in said
        assert "clip clip-vit [sha256 c1c1c1c1c1c1]; min_prompt_similarity 0.2" in said
        assert "max_growth" not in said

    def test_settings_for_a_model_that_is_not_there_are_left_out(self, make_run):
        run = make_run(models=(), kinds=KINDS[:2])
        run.recipe["filter"] |= {"clip": None, "names": {"bovid": "a cow or a sheep"}, "min_prompt_similarity": None}
        assert judges(gather(run)) == "min_contrast 4.0"
        run.recipe["filter"] |= {"clip": "clip-vit", "names": {}}
        assert judges(gather(run)) == "min_contrast 4.0; clip clip-vit"

    def test_a_run_that_does_not_paint_has_no_filter(self, make_run):
        assert judges(gather(make_run(models=(), kinds=("original",)))) == ""


class TestChecks:
    def told(self, run, **facts):
        run.made = [
            dataclasses.replace(made, facts={"painter": made.facts["painter"] | {"filter": facts}}) for made in run.made
        ]
        return checks(gather(run))

    def test_what_was_not_checked_is_said_too(self, make_run):
        run = make_run(models=(), kinds=KINDS, photographs=1)
        assert checks(gather(run)) == (
            "Checked: contrast. Not checked: nsfw (but by painters that have a safety checker of their own), growth, "
            "repeated, category similarity, prompt similarity."
        )

    def test_similarities_without_a_threshold_refuse_nothing(self, make_run):
        run = make_run(models=(), kinds=KINDS, photographs=1)
        run.recipe["filter"] |= {"min_prompt_similarity": None, "min_category_similarity": 0.0}
        assert self.told(run, checks=list(reversed(MEASURES))) == (
            "Checked: contrast, nsfw, growth, repeated, category similarity, prompt similarity (only recorded)."
        )

    def test_nothing_is_said_where_receipts_are_silent(self, make_run):
        assert self.told(make_run(models=(), kinds=KINDS, photographs=1)) == ""
        assert checks(gather(make_run(models=(), kinds=("original",), photographs=1))) == ""


def test_the_refiner_comes_with_its_hash(make_run):
    run = make_run(models=(), kinds=("original",))
    assert refiner(gather(run)) == ""
    run.recipe["masks"]["refine"] = {"kind": "sam", "model": "sam-vit-h", "points": 1, "multimask": True}
    run.pins["sam-vit-h"] = "5a" * 32
    assert refiner(gather(run)) == "sam (model sam-vit-h [sha256 5a5a5a5a5a5a]; points 1; multimask yes)"
    run.recipe["masks"]["refine"] = {"kind": "grabcut"}
    assert refiner(gather(run)) == "grabcut"
