import re

import pyarrow as pa
import pytest
from support.html_page import Page

from xray.report import build_report, write_report
from xray.report.data import gather

KINDS = ("original", "blur_background", "segmented", "transparent", "no_object", "random_background")
HOSTILE = ("<img src=x onerror=alert(1)>", '"><script>document.title="taken"</script>', "a\nb\x1b\u202e")


def page(run):
    found = Page(build_report(run))
    assert found.mismatched == []
    return found


@pytest.fixture(scope="module")
def standard(make_run):
    """A complete run and its report."""
    run = make_run(kinds=KINDS)
    return run, build_report(run)


def test_the_file_is_self_contained_and_escapes_names(make_run):
    run = make_run(
        kinds=(*KINDS[:2], "generated_background"),
        categories=HOSTILE,
        models=("<b>m</b>",),
        caveats=[HOSTILE[0]],
        reject=lambda n, s: "x" if n == 0 else "nsfw" if n == 1 else "",
    )
    found = page(run)
    assert not [tag for tag in ("script", "link", "iframe", "b>meadow") if found.all(tag)]
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in found.all("img"))
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    urls = set(re.findall(r"https?://[^\s\"'<>)]+", build_report(run)))
    assert urls <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    (policy,) = found.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    for name in (*HOSTILE[:2], "<b>m</b>", "a <b>meadow</b>", "photo_0000<script>.jpg"):
        assert name in found.words
    assert not {"\x1b", "\u202e"} & set(found.words)


def test_sections_ids_and_alternative_texts(standard):
    found = Page(standard[1])
    assert len(found.ids) == len(set(found.ids))
    assert found.sections == ["contact", "accuracy", "drops", "categories", "masks", "reasons", "basis"]
    assert all(image["alt"] for image in found.all("img"))
    assert all(figure["aria-label"] for figure in found.all("svg"))
    assert len(found.all("svg")) == 4
    for fact in ("abababababab", "lite:efficientnet-lite0", "224 px, bicubic", "quality 95", "24 CC0", "numpy 2.4.6"):
        assert fact in found.words


def test_the_report_is_written_into_the_run_and_its_bytes_repeat(standard):
    run, text = standard
    assert write_report(run) == "file:///runs/synthetic/report.html"
    assert run.files["report.html"].decode() == text


def test_numbers_of_the_table_are_those_of_the_predictions(standard):
    run, text = standard
    rows = [row for row in run.tables["predictions"].to_pylist() if row["scenario"] == "segmented"]
    right = sum(row["correct"] for row in rows if row["model"] == "efficientnet-lite1")
    n = len(rows) // 2
    assert f"efficientnet-lite1 segmented {right} / {n} {100 * right / n:.1f} [" in Page(text).words


class TestCaveats:
    def caveats(self, run):
        text = build_report(run)
        _, start, rest = text.partition('<section id="caveats">')
        return Page(rest.partition("</section>")[0]).words if start else ""

    def test_a_complete_run_of_new_photographs_has_only_its_notes(self, make_run):
        run = make_run(kinds=KINDS[:2], photographs=1)
        run.edit("predictions", lambda row: {"correct": True})
        assert self.caveats(run) == ""
        assert "A drawn one." in self.caveats(make_run(kinds=KINDS[:2], models=(), caveats=["a drawn one"]))

    def test_doubts_about_masks_come_first_and_once(self, make_run):
        doubt = "masks may be wrong: 3 of 4 cover the borders"
        run = make_run(kinds=KINDS[:2], models=(), caveats=["a drawn one", doubt])
        run.tables["mask_findings"] = pa.table({"finding": [doubt]})
        said = self.caveats(run)
        assert said.count("Masks may be wrong: 3 of 4 cover the borders.") == 1
        assert said.index("Masks may be wrong") < said.index("A drawn one.")

    def test_predictions_that_do_not_need_the_object_raise_doubts(self, make_run):
        run = make_run(kinds=("original", "no_object", "segmented"))
        run.edit("predictions", lambda row: {"correct": row["scenario"] != "segmented"})
        assert self.caveats(run).count("Masks may be wrong because") == 4  # two models, both signs

    @pytest.mark.parametrize(("split", "words"), [("train", "all 24 photographs"), ("unknown", "on all 24")])
    def test_photographs_that_models_may_have_seen(self, make_run, split, words):
        assert words in self.caveats(make_run(kinds=KINDS[:2], models=("m",), split=split))

    def test_unfinished_work(self, make_run):
        run = make_run(kinds=KINDS, models=())
        run.tables["images"] = run.tables["images"].slice(0, 100)
        assert "100 of 144" in self.caveats(run)
        run = make_run(kinds=KINDS[:2], models=("m",), predict=lambda model, n, s: n < 10)
        assert "48 images: m on 20" in self.caveats(run)

    def test_a_model_without_predictions_on_the_original(self, make_run):
        run = make_run(kinds=KINDS, models=("m",), predict=lambda model, n, s: s != "original")
        assert "'m' (pretrained)" in self.caveats(run)
        assert len(page(run).all("svg")) == 2


class TestPartialRuns:
    def test_no_predictions(self, make_run):
        found = page(make_run(models=(), kinds=KINDS))
        assert found.sections == ["contact", "masks", "reasons", "basis"]
        assert len(found.all("img")) == 3 * len(KINDS) + 8

    def test_planned_only(self, make_run):
        run = make_run(models=(), kinds=(*KINDS, "generated_background"))
        run.receipt_list.clear()
        run.clear("images", "masks")
        found = page(run)
        assert not found.all("img")
        assert "0 of 168 planned" in found.words
        assert "24 images from 1 prompt" in found.words

    def test_a_scenario_is_rejected_throughout(self, make_run):
        run = make_run(kinds=KINDS, models=("m",), reject=lambda n, s: "no_donor" if s == "random_background" else "")
        words = page(run).words
        assert "rejected: no_donor" in words
        assert "random_background 24 0 24 0 0" in words

    def test_no_scenario_is_the_original(self, make_run):
        found = page(make_run(kinds=("blur_background", "segmented"), models=("m",)))
        assert "caveats" in found.sections
        assert len(found.all("svg")) == 2

    @pytest.mark.parametrize("options", [{"kinds": ("original",)}, {"categories": ("fox",), "photographs": 1}])
    def test_a_single_scenario_or_photograph(self, make_run, options):
        assert "drops" in page(make_run(**{"models": ("m",)} | options)).sections


def test_eight_models_and_fifty_categories(make_run):
    run = make_run(
        models=[f"family_{k}.a_long_model_name_in1k" for k in range(8)],
        categories=[f"category {k}" for k in range(50)],
        photographs=1,
        kinds=KINDS[:3],
    )
    text = build_report(run)
    found = Page(text)
    assert len(found.all("svg")) == 10
    assert sum("open" in attributes for attributes in found.all("details")) == 1 + 2  # the table, two of eight maps
    assert len(text) < 3_000_000


def test_numbers_of_a_single_photograph_have_no_interval(make_run):
    run = make_run(kinds=KINDS[:2], categories=("fox",), photographs=1, models=("m",))
    run.edit("predictions", lambda row: {"correct": True})
    words = page(run).words
    assert "the only one" in words
    assert "on a single photograph: no conclusion is possible" in words


def test_photographs_that_are_missing_in_a_scenario_are_counted(make_run):
    rejected = {"kinds": KINDS[:3], "reject": lambda n, scenario: "no_donor" * (scenario == "segmented" and n < 5)}
    assert "are compared in segmented 19;" in page(make_run(**rejected)).words
    assert "are compared in" not in page(make_run(kinds=KINDS[:2])).words


def test_accuracy_without_the_object_stands_beside_answers_that_ignore_the_photograph(standard):
    run, text = standard
    table = gather(run).scores.baselines.set_index("series")
    row, words = table.loc["efficientnet-lite0"], Page(text).words
    bounds = f"[{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}]"
    numbers = f"{100 * row['accuracy']:.1f} {bounds} {100 * row['shuffled']:.1f} {100 * row['majority']:.1f} 24"
    assert f"efficientnet-lite0 no_object {numbers}" in words
    assert f"its answers in random order: {100 * row['shuffled']:.0f} %" in words.replace("\xa0", " ")


def test_the_number_of_intervals_is_stated(standard):
    assert "Of 10 intervals of 95 %, 0.5 exclude 0" in Page(standard[1]).words


def test_the_first_screen_shows_the_finding_the_models_and_the_contents(standard):
    run, text = standard
    found = Page(text)
    tiles = gather(run).scores.series
    header = text[text.index("<header>") : text.index("</header>")]
    assert header.count("<figure>") >= 3
    assert header.count('class="bar"') == header.count("<figure>") * len(tiles)
    for section in found.sections:
        assert f'href="#{section}"' in header


def test_authors_and_licences_are_listed(make_run):
    run = make_run(kinds=KINDS[:2], photographs=1, models=("m",))
    run.edit(
        "source",
        lambda row: {"credit": f"<b>A. Author</b>, https://example.org/{row['image_id']}", "licence": "CC-BY-4.0"},
    )
    text = build_report(run)
    assert text.count("CC-BY-4.0") >= run.tables["source"].num_rows
    assert "<b>A. Author" not in text
    assert "Authors and licences" not in build_report(make_run(kinds=KINDS[:2], photographs=1, models=("m",)))
