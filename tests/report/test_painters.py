import dataclasses

from xray.report.evidence import gather
from xray.report.painters import Weights, judges, painters, refiner

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

    def test_a_run_that_does_not_paint_has_no_filter(self, make_run):
        assert judges(gather(make_run(models=(), kinds=("original",)))) == ""


def test_the_refiner_comes_with_its_hash(make_run):
    run = make_run(models=(), kinds=("original",))
    assert refiner(gather(run)) == ""
    run.recipe["masks"]["refine"] = {"kind": "sam", "model": "sam-vit-h", "points": 1, "multimask": True}
    run.pins["sam-vit-h"] = "5a" * 32
    assert refiner(gather(run)) == "sam (model sam-vit-h [sha256 5a5a5a5a5a5a]; points 1; multimask yes)"
    run.recipe["masks"]["refine"] = {"kind": "grabcut"}
    assert refiner(gather(run)) == "grabcut"
