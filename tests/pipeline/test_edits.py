"""Scores of edited images: the tables that a recipe of edits gets, and their values."""

from types import SimpleNamespace

import pandas as pd
import pyarrow as pa
import pytest
from support.edited import RIGHT, edited_predictions, edited_recipe

from xray.pipeline.edits import columns, qualified, score_edits, with_donor_ids
from xray.statistics import drops


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


def test_donor_ids_are_those_of_the_plan():
    plan = pa.table({"sample_id": ["a", "b"], "donor_id": ["x", None]})
    store = SimpleNamespace(table=lambda name, columns: {"plan": plan}[name].select(columns))
    table = with_donor_ids(pd.DataFrame({"sample_id": ["b", "a"], "correct": True}), store)
    assert table["donor_id"].tolist()[1] == "x"
    assert pd.isna(table["donor_id"][0])
    assert "sample_id" in columns(edited_recipe())
    assert "sample_id" not in columns(edited_recipe(("original", "any")))


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


def test_worst_group_of_the_grid(edits):
    (row,) = edits.worst_groups.to_dict("records")
    assert (row["scenario"], row["n_groups"], row["accuracy"]) == ("cell-20", 9, pytest.approx(0.5))


def test_recipe_without_edits_has_no_tables():
    names = ("original",)
    assert score_edits(edited_predictions(names), edited_recipe(names)).tables() == {}


def test_predictions_without_any_row():
    assert score_edits(edited_predictions().iloc[:0], edited_recipe()).tables() == {}
