"""The section of edited photographs: drops beyond controls, curves, maps, and answers that name donors."""

import json
from types import SimpleNamespace

import pandas as pd
import pyarrow as pa
import pytest
from support.edited import SCENARIOS, edited_run, with_images
from support.html_page import Page

from xray.core.schema import IMAGES, PREDICTIONS
from xray.report import build_report
from xray.report.caveats import _flat_ladders
from xray.report.curves import _summaries
from xray.report.data import gather
from xray.report.headline import headline as headline_of
from xray.runs.recipe import recipe_from, recipe_values


def test_all_parts_of_the_section(make_run):
    page = Page(build_report(edited_run(make_run)))
    assert page.mismatched == []
    assert "edits" in page.ids
    words = page.words
    for text in ("resampled", "BG-Gap", "centre bias", "RFS", "challenge", "cell-20", "67 %"):
        assert text in words
    assert "Without a control" not in words
    assert len(page.ids) == len(set(page.ids))


def test_measured_complexity_is_beside_its_levels(make_run):
    run = edited_run(make_run, ("original", "size-0.2", "size-0.1"))
    worlds = {word: {"kind": "edit", "world": {"kind": "donor", "complexity": word}} for word in ("low", "high")}
    ladder = recipe_values(recipe_from({"source": "shapes", "scenarios": {"original": "original", **worlds}}))
    run.recipe["scenarios"] |= ladder["scenarios"]
    copies = {"size-0.2": "low", "size-0.1": "high"}
    rows = run.tables["predictions"].to_pylist()
    new = [
        row | {"scenario": copies[row["scenario"]], "sample_id": f"new-{row['sample_id']}"}
        for row in rows
        if row["scenario"] in copies
    ]
    run.tables["predictions"] = pa.Table.from_pylist(rows + new, schema=PREDICTIONS)
    assert "bins of about as many images" not in Page(build_report(run)).words
    keys = ("sample_id", "image_id", "scenario", "variant")
    images = [
        {**{key: row[key] for key in keys}, "provenance": json.dumps({"drawn": {"complexity": number}})}
        for number, row in enumerate(new)
    ]
    run.tables["images"] = pa.concat_tables([run.tables["images"], pa.Table.from_pylist(images, schema=IMAGES)])
    page = Page(build_report(run))
    assert page.mismatched == []
    assert "in 5 bins of about as many images" in page.words
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
    assert "9 photographs, each 11.1 %; 1 left out because a cell is missing" in Page(build_report(run)).words


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
    caveats = build_report(run).partition('<section id="caveats">')[2].partition("</section>")[0]
    assert ("In any 10 of 15 wrong answers" in caveats) == stated


def test_the_share_of_donors_by_chance_is_stated_where_the_recipe_tells_it(make_run):
    def stated(run):
        _, _, donors = Page(build_report(run)).words.partition("All scenarios with donors by model")
        return "95 % interval by chance" in donors

    run = edited_run(make_run, categories=("fox", "whale", "wren", "yak"))
    assert not stated(run)
    rows = [row | {"trained_on": "original", "fold": 0} for row in run.tables["predictions"].to_pylist()]
    answers = [row | {"top1": 0 if row["correct"] else 1 if row["names_donor"] else 2} for row in rows]
    run.tables["predictions"] = pa.Table.from_pylist(answers, schema=PREDICTIONS)
    assert stated(run)


@pytest.mark.parametrize("names", [("original",), ("original", "noisy_object")])
def test_no_section_without_edits(make_run, names):
    assert "edits" not in Page(build_report(edited_run(make_run, names))).ids


def test_controls_are_no_headline(make_run):
    names = ("original", "pasted", "background", "same")
    headline, details = headline_of(gather(edited_run(make_run, names)))
    assert "put back where it was" not in " ".join([headline, *details])


def test_edits_are_repeated_without_the_objects_that_the_frame_cuts(make_run):
    run = with_images(edited_run(make_run), ["size-0.2", "size-0.1", "cell-11"], cut=(0, 7, 8))
    words = Page(build_report(run)).words
    assert "The frame cuts the object in 3 of 10 photographs" in words
    _, _, without = words.partition("The same edits without these photographs")
    # resampled is right on photographs 0 to 7, size-0.1 on 0 to 4: 3 of 10, and of the seven others 2
    assert "m size-0.1 30.0 10 28.6" in without
    assert "cell-11" not in without.partition("What the background gives away")[0]  # it slides along its side


def test_nothing_is_said_of_cut_edges_where_no_object_is_cut(make_run):
    assert "frame cuts the object" not in Page(build_report(with_images(edited_run(make_run), ["size-0.1"]))).words


def test_maps_come_with_what_a_crop_leaves(make_run):
    cells = [f"cell-{row}{column}" for row in range(3) for column in range(3)]
    assert "share in the crop" in Page(build_report(with_images(edited_run(make_run), cells))).words
    assert "share in the crop" not in Page(build_report(with_images(edited_run(make_run), cells[1:]))).words


@pytest.mark.parametrize("names", [("original", "pasted", "size-0.2"), None])
def test_the_worst_of_many_combinations_is_a_caveat(make_run, names):
    cells = tuple(name for name in SCENARIOS if name.startswith("cell"))
    run = edited_run(make_run, names or ("original", "pasted", *cells))
    before, _, _ = Page(build_report(run)).words.partition("Example images")
    assert ("the worst of 9 combinations" in before) == (names is None)


def test_failure_points_are_columns_only_where_levels_become_more_severe():
    summary = {"model": "m", "trained_on": "pretrained", "area": 0.5, "area_low": 0.4, "area_high": 0.6}
    angles = summary | dict.fromkeys(("failure", "never_failing", "not_monotone"), float("nan"))
    sizes = summary | {"failure": 0.1, "never_failing": 0.2, "not_monotone": 0.0}
    assert len(_summaries(pd.DataFrame([angles])).columns) == 3
    assert len(_summaries(pd.DataFrame([sizes])).columns) == 6


@pytest.mark.parametrize(("high", "stated"), [(6.0, False), (4.1, True)])
def test_a_ladder_without_steps_is_a_caveat(high, stated):
    worlds = {word: {"kind": "edit", "world": {"kind": "donor", "complexity": word}} for word in ("low", "high")}
    images = pd.DataFrame(
        {
            "scenario": ["low"] * 4 + ["high"] * 4,
            "image_id": [*"abcd"] * 2,
            "variant": 0,
            "complexity": [1, 2, 4, 5, *[high] * 4],
        }
    )
    data = SimpleNamespace(recipe={"scenarios": worlds}, scores=SimpleNamespace(predictions=images))
    assert bool(_flat_ladders(data)) == stated
    data.scores.predictions = images.drop(columns="complexity")
    assert _flat_ladders(data) == []


def test_a_grid_is_left_out_of_figures_of_many_scenarios(make_run, monkeypatch):
    """Its cells are in the tables, and in figures of their own."""

    def examples_and_numbers():
        words = Page(build_report(edited_run(make_run))).words
        before, _, rest = words.rpartition("Accuracy drops")
        examples = before.rpartition("Example images")[2]
        return "cell-11" in examples, "cell-11" in rest

    assert examples_and_numbers() == (True, True)
    monkeypatch.setattr("xray.report.data._MANY", 10)
    examples, numbers = examples_and_numbers()
    assert numbers
    assert examples  # of one photograph, folded
    page = Page(build_report(edited_run(make_run)))
    assert "The 9 combinations of size, position and background" in page.words
    monkeypatch.setattr("xray.report.contact_sheet._MAX_GRID", 4)
    assert "The first 4 of 9 combinations" in Page(build_report(edited_run(make_run))).words


def test_models_that_are_not_shown_to_be_above_chance_are_left_out(make_run):
    run = edited_run(make_run)
    rows = run.tables["predictions"].to_pylist()
    wrong = [row | {"model": "guess", "correct": False} for row in rows]
    run.tables["predictions"] = pa.Table.from_pylist(rows + wrong, schema=PREDICTIONS)
    page = Page(build_report(run))
    assert page.mismatched == []
    assert "edits" in page.ids
    labels = [svg["aria-label"] for svg in page.all("svg")]
    assert [label for label in labels if "guess" in label] == ["Accuracy of guess by category and scenario"]
    assert any("m by position" in label for label in labels)
    assert "guess – not shown to be above chance" in page.words
    run.tables["predictions"] = pa.Table.from_pylist(wrong, schema=PREDICTIONS)
    page = Page(build_report(run))
    assert page.mismatched == []
    assert not any("by model and scenario" in svg["aria-label"] for svg in page.all("svg"))
