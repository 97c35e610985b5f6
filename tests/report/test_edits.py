"""The section of edited photographs: drops beyond controls, curves, maps, and answers that name donors."""

import pyarrow as pa
import pytest
from support.edited import SCENARIOS, edited_predictions, edited_recipe
from support.html_page import Page

from xray.core.schema import PREDICTIONS
from xray.report import build_report


def edited_run(make_run, names=tuple(SCENARIOS), categories=("fox",)):
    run = make_run(models=("m",), kinds=("original",), categories=categories, photographs=10)
    run.recipe["scenarios"] = edited_recipe(names)["scenarios"]
    rows = edited_predictions(names).astype(object).replace({float("nan"): None}).to_dict("records")
    run.tables["predictions"] = pa.Table.from_pylist(rows, schema=PREDICTIONS)
    return run


def test_all_parts_of_the_section(make_run):
    page = Page(build_report(edited_run(make_run)))
    assert page.mismatched == []
    assert "edits" in page.ids
    words = page.words
    for text in ("resampled", "BG-Gap", "centre bias", "RFS", "challenge", "cell-20", "67 %"):
        assert text in words
    assert "Without a control" not in words
    assert len(page.ids) == len(set(page.ids))


def test_edits_without_controls_say_so(make_run):
    names = ("original", "size-0.2", "size-0.1")
    assert "Without a control: size-0.2 , size-0.1" in Page(build_report(edited_run(make_run, names))).words


def test_scenarios_without_any_image_are_named(make_run):
    run = edited_run(make_run)
    rows = run.tables["predictions"].to_pylist()
    kept = [row for row in rows if row["scenario"] not in ("size-0.2", "cell-11")]
    run.tables["predictions"] = pa.Table.from_pylist(kept, schema=PREDICTIONS)
    words = Page(build_report(run)).words
    assert "No photograph has an image in size-0.2 , cell-11 :" in words
    assert "No photograph has an image in" not in Page(build_report(edited_run(make_run))).words


def test_photographs_that_lack_a_cell_are_counted(make_run):
    run = edited_run(make_run)
    rows = run.tables["predictions"].to_pylist()
    kept = [row for row in rows if (row["scenario"], row["image_id"]) != ("cell-00", "photo-3")]
    run.tables["predictions"] = pa.Table.from_pylist(kept, schema=PREDICTIONS)
    assert "9 photographs, 1 left out because a cell is missing" in Page(build_report(run)).words


@pytest.mark.parametrize(("repeats", "stated"), [(1, False), (5, True)])
def test_a_drop_to_a_second_object_is_a_caveat_where_wrong_answers_are_many(make_run, repeats, stated):
    run = edited_run(make_run)
    rows = run.tables["predictions"].to_pylist()
    more = [
        row | {"image_id": f"{row['image_id']}-{copy}", "sample_id": f"{row['sample_id']}-{copy}"}
        for row in rows
        for copy in range(repeats)
    ]
    run.tables["predictions"] = pa.Table.from_pylist(more, schema=PREDICTIONS)
    before, _, _ = Page(build_report(run)).words.partition("Example images")
    assert ("In any 10 of 15 wrong answers" in before) == stated


def test_the_share_of_donors_by_chance_is_stated_for_trained_models(make_run):
    run = edited_run(make_run, categories=("fox", "whale", "wren", "yak"))
    assert "1 in 3 names the donor" not in Page(build_report(run)).words
    rows = run.tables["predictions"].to_pylist()
    trained = [row | {"trained_on": "original", "fold": 0} for row in rows]
    run.tables["predictions"] = pa.Table.from_pylist(trained, schema=PREDICTIONS)
    assert "1 in 3 names the donor" in Page(build_report(run)).words


@pytest.mark.parametrize("names", [("original",), ("original", "noisy_object")])
def test_no_section_without_edits(make_run, names):
    assert "edits" not in Page(build_report(edited_run(make_run, names))).ids


def test_controls_are_no_headline(make_run):
    names = ("original", "pasted", "background", "same")
    words = Page(build_report(edited_run(make_run, names))).words
    assert "put back where it was" not in words.partition("Example images")[0]


def test_a_grid_is_left_out_of_figures_of_many_scenarios(make_run, monkeypatch):
    """Its cells are in the tables, and in figures of their own."""

    def examples_and_numbers():
        words = Page(build_report(edited_run(make_run))).words
        examples, _, rest = words.partition("Accuracy drops")
        return "cell-11" in examples, "cell-11" in rest

    assert examples_and_numbers() == (True, True)
    monkeypatch.setattr("xray.report.data._MANY", 10)
    assert examples_and_numbers() == (False, True)
