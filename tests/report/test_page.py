import re

import pytest
from support.html_page import Page

from xray.report import build_report, write_report

KINDS = ("original", "blur_background", "segmented", "transparent", "no_object", "random_background")

HOSTILE = ("<img src=x onerror=alert(1)>", '"><script>document.title="taken"</script>', "$x_1$ & co", "a\nb\x1b\u202e")


def page(run):
    return Page(build_report(run))


@pytest.fixture(scope="module")
def standard(make_run):
    """A complete run and its report."""
    run = make_run(kinds=KINDS)
    return run, build_report(run)


def test_the_file_stands_alone_and_runs_nothing(make_run):
    text = build_report(make_run(kinds=KINDS, categories=HOSTILE, models=("<b>m</b>",)))
    found = Page(text)
    assert found.mismatched == []
    assert not found.all("script")
    assert not found.all("link")
    assert not found.all("iframe")
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in found.all("img"))
    names = {name for _, attributes in found.elements for name in attributes}
    assert not [name for name in names if name.startswith("on")]
    urls = set(re.findall(r"https?://[^\s\"'<>)]+", text))
    assert urls <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    policy = next(meta["content"] for meta in found.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


def test_hostile_names_are_shown_as_text(make_run):
    run = make_run(kinds=KINDS[:2], categories=HOSTILE, models=("<b>m</b>",), reject=lambda n, s: "x" if n == 0 else "")
    words = page(run).words
    assert "<img src=x onerror=alert(1)>" in words
    assert '"><script>document.title="taken"</script>' in words
    assert "<b>m</b>" in words
    assert "photo_0000<script>.jpg" in words


def test_ids_are_unique_and_images_and_figures_have_alternative_texts(standard):
    found = Page(standard[1])
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(image["alt"] for image in found.all("img"))
    assert all(figure["aria-label"] for figure in found.all("svg"))
    assert len(found.all("svg")) == 4


def test_the_report_is_written_into_the_run_and_its_bytes_repeat(standard):
    run, text = standard
    assert write_report(run) == "file:///runs/synthetic/report.html"
    assert run.files["report.html"].decode() == text


def test_what_numbers_rest_on_is_said(standard):
    words = Page(standard[1]).words
    for said in (
        "abababababab",
        "lite:efficientnet-lite0",
        "224 px, bicubic",
        "JPEG, quality 95",
        "seen by models on black",
        "Wilson, 95 %",
        "percentile bootstrap, 95 %, 2,000 resamples",
        "variance about mu",
        "24 CC0",
        "numpy 2.4.6",
        "revision unknown",
        "needs models trained on each scenario",
    ):
        assert said in words, said


def test_numbers_of_the_table_are_those_of_the_predictions(standard):
    run, text = standard
    rows = [row for row in run.tables["predictions"].to_pylist() if row["scenario"] == "segmented"]
    right = sum(row["correct"] for row in rows if row["model"] == "efficientnet-lite1")
    n = len(rows) // 2
    assert f"efficientnet-lite1 segmented {right} / {n} {100 * right / n:.1f} [" in Page(text).words


class TestWarnings:
    def test_stand_ins(self, make_run):
        run = make_run(kinds=KINDS, models=(), stand_ins=["the photographs are drawn <by code>"])
        assert "Before you quote a number The photographs are drawn <by code>. " in page(run).words

    @pytest.mark.parametrize(
        ("split", "said"),
        [
            ("train", "24 of 24 photographs are ones that ImageNet models were trained on"),
            ("unknown", "it is not known whether the pretrained models have seen them"),
        ],
    )
    def test_photographs_that_models_may_have_seen(self, make_run, split, said):
        assert said in page(make_run(kinds=KINDS[:2], models=("m",), split=split)).words

    def test_nothing_to_warn_of(self, standard):
        assert "Before you quote" not in Page(standard[1]).words

    def test_an_unfinished_run(self, make_run):
        run = make_run(kinds=KINDS, models=())
        run.tables["images"] = run.tables["images"].slice(0, 100)
        assert "The run is not finished: 100 of 144 planned images are there." in page(run).words

    def test_an_unfinished_evaluation(self, make_run):
        run = make_run(kinds=KINDS[:2], models=("m",), predict=lambda model, n, s: n < 10)
        assert "of 48 images m has seen 20." in page(run).words

    def test_a_model_without_original(self, make_run):
        run = make_run(kinds=KINDS, models=("m",), predict=lambda model, n, s: s != "original")
        found = page(run)
        assert "model 'm' (pretrained) has no predictions on scenario 'original'" in found.words
        assert len(found.all("svg")) == 2
        assert found.mismatched == []


class TestPartialRuns:
    def test_no_predictions(self, make_run):
        found = page(make_run(models=(), kinds=KINDS))
        assert found.mismatched == []
        assert "No model has looked at these images yet." in found.words
        assert "How often models are right" not in found.words
        assert len(found.all("img")) == 3 * len(KINDS) + 8

    def test_no_images(self, make_run):
        run = make_run(kinds=KINDS, models=("m",))
        for name in ("images", "masks"):
            run.tables[name] = run.tables[name].slice(0, 0)
        found = page(run)
        assert found.mismatched == []
        assert "No images are stored in this run" in found.words
        assert len(found.all("svg")) == 3

    def test_planned_only(self, make_run):
        run = make_run(models=(), kinds=KINDS)
        for name in ("images", "masks"):
            run.tables[name] = run.tables[name].slice(0, 0)
        assert "0 of 144 planned" in page(run).words

    def test_everything_is_rejected(self, make_run):
        found = page(make_run(kinds=KINDS, reject=lambda n, s: "corrupt_image"))
        assert found.mismatched == []
        assert "the image data is damaged or cut off" in found.words

    def test_a_scenario_is_rejected_throughout(self, make_run):
        run = make_run(kinds=KINDS, models=("m",), reject=lambda n, s: "no_donor" if s == "random_background" else "")
        found = page(run)
        assert "rejected: no_donor" in found.words
        assert "random_background 24 0 24 0 0" in found.words

    def test_no_scenario_is_the_original(self, make_run):
        found = page(make_run(kinds=("blur_background", "segmented"), models=("m",)))
        assert found.mismatched == []
        assert "Drops and the cross term are missing" in found.words

    def test_the_original_alone(self, make_run):
        found = page(make_run(kinds=("original",), models=("m",)))
        assert found.mismatched == []
        assert "There are no drops to show." in found.words

    def test_one_photograph(self, make_run):
        found = page(make_run(kinds=KINDS, categories=("fox",), photographs=1, models=("m",)))
        assert found.mismatched == []


def test_eight_models_and_fifty_categories(make_run):
    run = make_run(
        models=[f"family_{k}.a_long_model_name_in1k" for k in range(8)],
        categories=[f"category {k}" for k in range(50)],
        photographs=1,
        kinds=KINDS[:3],
    )
    text = build_report(run)
    found = Page(text)
    assert found.mismatched == []
    assert len(found.all("svg")) == 10
    assert sum("open" in attributes for attributes in found.all("details")) == 1 + 2  # the table, two of eight maps
    assert len(text) < 3_000_000
