"""Scores of edited images: the tables that a recipe of edits gets, and their values."""

import json
from types import SimpleNamespace

import pandas as pd
import pyarrow as pa
import pytest
from support.edited import RIGHT, edited_predictions, edited_recipe

from xray.pipeline.edits import _named, columns, qualified, score_edits, with_donor_ids, with_image_facts
from xray.runs.recipe import recipe_from, recipe_values
from xray.statistics import drops
from xray.statistics.robustness.editing import donor_answers


@pytest.fixture(scope="module")
def edits():
    return score_edits(edited_predictions(), edited_recipe())


def test_drops_beyond_controls(edits):
    table = edits.beyond_controls.set_index("scenario")
    assert table.loc["size-0.1", "control"] == "resampled"
    assert table.loc["size-0.1", "beyond_control"] == pytest.approx(0.8 - 0.5)
    assert table.loc["any", "control"] == "pasted"
    assert table.loc["any", "beyond_control"] == pytest.approx(0.9 - 0.7)
    assert "pasted" not in table.index


def test_wrong_answers_that_name_the_donor(edits):
    (row,) = edits.donor_answers.to_dict("records")
    assert (row["scenario"], row["n"], row["wrong"], row["naming_donor"]) == ("any", 10, 3, 2)
    assert row["share"] == pytest.approx(2 / 3)


def test_answers_on_donors_that_are_recognized_without_their_object_are_told_apart(edits):
    """Wrong are 7, 8 and 9, on photographs 2, 1 and 0, of which the model recognizes 1 and 0 without their object."""
    (row,) = edits.donor_answers.to_dict("records")
    assert (row["unrecognized_wrong"], row["unrecognized_naming"], row["unrecognized_share"]) == (1, 0, 0)
    unknown = score_edits(edited_predictions().drop(columns="donor_id"), edited_recipe()).donor_answers
    assert unknown["unrecognized_wrong"].isna().all()


def answers_on_donors(rows, model="m", trained_on="pretrained"):
    """Return PREDICTIONS of (category, donor's category, answer, answer names the donor's category)."""
    table = pd.DataFrame(rows, columns=["category", "donor_category", "top1", "names_donor"])
    table = table.assign(correct=False, scenario="any", model=model, trained_on=trained_on)
    return table.astype({"top1": "int32"})


TWO_AND_ONE = {"categories": {"fox": {"indices": [3, 5]}, "whale": {"indices": [7]}, "wren": {}}}


def test_chance_deals_the_donors_to_the_same_wrong_answers_again():
    """Whales stand behind two of three foxes; the wren cannot stand on a wren's place."""
    rows = [("fox", "whale", 7, True), ("fox", "whale", 0, False), ("fox", "wren", 7, False), ("wren", "fox", 5, True)]
    predictions = answers_on_donors(rows)
    (row,) = donor_answers(predictions, named=_named(predictions, TWO_AND_ONE)).to_dict("records")
    assert (row["wrong"], row["naming_donor"]) == (4, 2)
    assert row["chance_share"] == pytest.approx((2 / 3 + 0 + 2 / 3 + 1 / 3) / 4)
    assert row["share_low"] < 0.5 < row["share_high"]


def test_by_chance_an_answer_of_no_category_names_no_donor():
    predictions = answers_on_donors([("fox", "whale", 0, False)])
    assert donor_answers(predictions, named=_named(predictions, TWO_AND_ONE))["chance_share"].tolist() == [0]


def test_trained_models_answer_with_the_place_of_a_category():
    predictions = answers_on_donors([("fox", "whale", 1, True), ("fox", "wren", 1, False)], trained_on="original")
    assert donor_answers(predictions, named=_named(predictions, TWO_AND_ONE))["chance_share"].tolist() == [0.5]


def test_chance_over_donors_that_are_not_recognized():
    rows = [("fox", "whale", 7, True), ("fox", "wren", 7, False), ("fox", "whale", 7, True)]
    predictions = answers_on_donors(rows).assign(donor_id=["seen", "hidden", "hidden too"])
    recognized = pd.DataFrame({"model": ["m"], "trained_on": ["pretrained"], "image_id": ["seen"]})
    (row,) = donor_answers(predictions, recognized, _named(predictions, TWO_AND_ONE)).to_dict("records")
    assert row["chance_share"] == pytest.approx(2 / 3)
    assert (row["unrecognized_naming"], row["unrecognized_wrong"], row["unrecognized_chance"]) == (1, 2, 0.5)


def test_chance_is_not_known_of_models_with_other_outputs():
    """A model whose output 1 is a whale is no ImageNet model; another model of the run is."""
    other = answers_on_donors([("fox", "whale", 1, True)], model="other")
    predictions = pd.concat([other, answers_on_donors([("fox", "whale", 7, True)])])
    table = donor_answers(predictions, named=_named(predictions, TWO_AND_ONE)).set_index("model")["chance_share"]
    assert table["m"] == 1
    assert pd.isna(table["other"])


def test_no_wrong_answer_has_no_share():
    predictions = answers_on_donors([("fox", "whale", 3, False)]).assign(correct=True)
    (row,) = donor_answers(predictions, named=_named(predictions, TWO_AND_ONE)).to_dict("records")
    assert row["wrong"] == 0
    assert pd.isna([row["share"], row["share_low"], row["share_high"], row["chance_share"]]).all()


def test_donor_ids_are_those_of_the_plan():
    plan = pa.table({"sample_id": ["a", "b"], "donor_id": ["x", None]})
    store = SimpleNamespace(table=lambda name, columns, where: {"plan": plan.filter(where)}[name].select(columns))
    table = with_donor_ids(pd.DataFrame({"sample_id": ["b", "a"], "correct": True}), store)
    assert table["donor_id"].tolist()[1] == "x"
    assert pd.isna(table["donor_id"][0])
    assert "sample_id" in columns(edited_recipe())
    assert "sample_id" not in columns(edited_recipe(("original", "any")))


def test_complexity_is_what_was_measured_of_each_image():
    """Of the background if that was measured, else of the image; none where an earlier version made the image."""
    painter = {"kind": "sdxl", "guide": {"kind": "complexity", "strength": 0.1}}
    plain = {"kind": "sdxl", "guide": {"kind": "complexity", "strength": 0}}
    worlds = {
        **{word: {"kind": "donor", "complexity": word} for word in ("low", "high")},
        "plain": {"kind": "painted", "painter": plain},
        "pushed": {"kind": "painted", "painter": painter},
    }
    edits = {name: {"kind": "edit", "world": world} for name, world in worlds.items()}
    recipe = recipe_values(recipe_from({"source": "shapes", "scenarios": {"original": "original", **edits}}))

    def provenance(k, name):
        if name in ("low", "high"):
            return {"drawn": {"complexity": k + 10 * (name == "high")} if k else {"donor_window": [0, 0, 9, 9]}}
        background = {"background": {"before": 90, "after": k}} if k > 1 else {}
        return {"drawn": {}, "painted": {"complexity": {"image": {"before": 90, "after": 20 + k}, **background}}}

    rows = [(f"{name}-{k}", f"photo-{k}", name, k < 3) for name in recipe["scenarios"] for k in range(4)]
    predictions = pd.DataFrame(rows, columns=["sample_id", "image_id", "scenario", "correct"]).assign(
        model="m", trained_on="pretrained", category="fox", variant=0, top1=0, donor_category=None, names_donor=None
    )
    made = [row for row in rows if row[2] != "original"]
    images = pa.table(
        {
            "sample_id": [row[0] for row in made],
            "scenario": [row[2] for row in made],
            "provenance": [json.dumps(provenance(int(row[0][-1]), row[2])) for row in made],
        }
    )
    tables = {"images": images, "plan": pa.table({"sample_id": ["low-0"], "donor_id": ["x"]})}

    def table(name, columns, where=None, dictionaries=()):
        return (tables[name] if where is None else tables[name].filter(where)).select(columns)

    assert "sample_id" in columns(recipe)
    known = with_image_facts(predictions, recipe, SimpleNamespace(table=table))
    measured = known.groupby("scenario")["complexity"].apply(list)
    assert measured["high"][1:] == [11, 12, 13]
    assert measured["plain"] == [20, 21, 2, 3]
    assert known[known["complexity"].isna()]["scenario"].tolist() == ["original"] * 4 + ["low", "high"]
    curves = score_edits(known, recipe).complexity_curves
    ladder = curves[curves["curve"] == "complexity"]
    assert (ladder["n"].sum(), ladder["complexity_low"].min(), ladder["complexity_high"].max()) == (6, 1, 13)
    assert set(ladder["n_left_out"]) == {1}
    assert curves["curve"].nunique() == 2
    assert score_edits(known.drop(columns="complexity"), recipe).complexity_curves.empty


def test_drops_are_qualified(edits):
    table = qualified(drops(edited_predictions()), edits).set_index("scenario")
    assert len(table) == len(RIGHT) - 1
    assert table.loc["size-0.1", "beyond_control"] == pytest.approx(0.3)
    assert table.loc["any", "donor_share"] == pytest.approx(2 / 3)
    assert pd.isna(table.loc["noisy_object", "control"])


def test_size_curve(edits):
    table = edits.curves[edits.curves["factor"] == "size"]
    assert table["level"].tolist() == [0.2, 0.1]
    assert table["accuracy"].tolist() == pytest.approx([0.8, 0.5])
    assert set(edits.curve_summaries["curve"]) == {"size"}


def test_position_map_and_centre_bias(edits):
    cells = edits.position_maps.set_index(["row", "column"])["accuracy"]
    assert len(cells) == 9
    assert cells[1, 1] == pytest.approx(0.8)
    assert cells[2, 0] == pytest.approx(0.5)
    bias = edits.measures.set_index("measure").loc["centre bias", "value"]
    assert bias == pytest.approx(1 - (0.5 + 0.6) / (2 * 0.8))


def test_measures_of_backgrounds_and_noise(edits):
    values = edits.measures.set_index("measure")["value"]
    assert values["BG-Gap"] == pytest.approx(0.2)
    assert values["background robustness"] == pytest.approx(7 / 9)
    assert values["RFS"] == pytest.approx((0.8 - 0.6) / (2 * 0.3))
    assert values["size bias at 0.1"] == pytest.approx(5 / 9)
    (challenge,) = edits.challenges.to_dict("records")
    assert (challenge["challenge"], challenge["backgrounds"]) == (pytest.approx(0.7), 2)


def test_moved_objects_are_no_challenge_of_backgrounds():
    worlds = {"kind": "donor", "category": "any"}
    scenarios = {"original": "original", "any": {"kind": "edit", "world": worlds}}
    moved = {f"any-{rate}": {"kind": "edit", "size": rate, "world": worlds} for rate in (0.1, 0.05)}
    recipe = recipe_values(recipe_from({"source": "shapes", "scenarios": scenarios | moved}))
    rows = edited_predictions(("original", "any"))
    moved_rows = [rows[rows["scenario"] == "any"].assign(scenario=name) for name in moved]
    (challenge,) = score_edits(pd.concat([rows, *moved_rows]), recipe).challenges.to_dict("records")
    assert (challenge["backgrounds"], challenge["scenarios"]) == (1, "any")


def test_worst_group_of_the_grid(edits):
    (row,) = edits.worst_groups.to_dict("records")
    assert (row["scenario"], row["n_groups"], row["accuracy"]) == ("cell-20", 9, pytest.approx(0.5))


def test_recipe_without_edits_has_no_tables():
    names = ("original",)
    assert score_edits(edited_predictions(names), edited_recipe(names)).tables() == {}


def test_predictions_without_any_row():
    assert score_edits(edited_predictions().iloc[:0], edited_recipe()).tables() == {}
