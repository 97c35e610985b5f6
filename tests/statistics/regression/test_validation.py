import re

import numpy as np
import pandas as pd
import pytest

from xray.core.errors import XrayError
from xray.statistics import accuracy_table, compare, compare_s_robust, cross_terms, drops, s_robusts
from xray.statistics.regression.validation import checked


def table_of(**columns):
    made = {"model": [*"aabb"], "accuracy": [0.1, 0.2, 0.3, 0.4], "weight": [1.0, 2, 3, 4], "image": [1, 2, 1, 2]}
    return pd.DataFrame(made | columns)


def notes(table, **options):
    return checked(table, "accuracy", ["model"], **options).notes


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({}, {"unit": "share"}, "unknown unit 'share'"),
        ({}, {"missing": "zero"}, "unknown handling of missing values 'zero'"),
        ({}, {"weights": "wieght"}, "unknown column 'wieght'; did you mean 'weight'"),
        ({}, {"cluster": "images"}, "unknown column 'images'; did you mean 'image'"),
        ({}, {"weights": "accuracy"}, "'accuracy' is both response and weights"),
        ({}, {"cluster": "accuracy"}, "'accuracy' is both response and cluster"),
        ({"accuracy": ["0.1", "n/a", "0.3", "x"]}, {}, "'accuracy' is text, for example 'n/a' in row 1; numbers"),
        ({"accuracy": ["0.1", "0.2", "0.3", "0.4"]}, {}, "'accuracy' is text; numbers are needed"),
        (
            {"accuracy": [0.1, np.nan, 0.3, np.nan]},
            {},
            "2 of 4 rows lack a value; the first is row 1, column 'accuracy'",
        ),
        ({"model": ["a", None, "b", "b"]}, {}, "1 of 4 rows lack a value; the first is row 1, column 'model'"),
        ({"image": [1, 2, np.nan, 2]}, {"cluster": "image"}, "the first is row 2, column 'image'"),
        ({"weight": [1, 2, 3, np.nan]}, {"weights": "weight"}, "the first is row 3, column 'weight'"),
        (
            {"weight": [1, 2, 3, 0]},
            {"weights": "weight"},
            "column 'weight' has 0: weights, numbers of answers and exposures are above 0",
        ),
        ({"weight": [1, 2, 3, -2]}, {"weights": "weight"}, "column 'weight' has -2"),
        ({"weight": [1, 2, 3, np.inf]}, {"weights": "weight"}, "column 'weight' has inf"),
        ({"accuracy": [0.1, 0.2, np.inf, 0.3]}, {"unit": "any"}, "accuracy has infinite values"),
        ({"accuracy": [0.1, 0.2, -np.inf, 0.3]}, {"missing": "drop"}, "accuracy has infinite values"),
        ({"accuracy": [10, 20, 30, 40]}, {}, "the value 40, outside of 0 … 1. Per cent\\? Then say so: unit='percent'"),
        ({"accuracy": [0.1, 0.2, 0.3, 1.2]}, {}, "the value 1.2, outside of 0 … 1"),
        ({"accuracy": [-0.1, 0.2, 0.3, 0.4]}, {}, "the value -0.1, outside of 0 … 1"),
        ({"accuracy": [10, 20, 30, 101]}, {"unit": "percent"}, "the value 101, outside of 0 … 100"),
        ({"model": None}, {"missing": "drop"}, "the table has no rows"),
    ],
)
def test_what_cannot_be_is_named(columns, options, message):
    with pytest.raises(XrayError, match=message):
        checked(table_of(**columns), "accuracy", ["model"], **options)


def test_a_column_that_is_there_twice_is_refused_where_it_is_used():
    twice = pd.concat([table_of(), table_of()[["image"]]], axis=1)
    assert len(checked(twice, "accuracy", ["model"]).table) == 4
    with pytest.raises(XrayError, match="more than one column 'image'"):
        checked(twice, "accuracy", ["model"], cluster="image")


def test_response_among_the_factors():
    with pytest.raises(XrayError, match="'model' is both response and factor"):
        checked(table_of(), "model", ["model"])


def test_an_empty_table():
    with pytest.raises(XrayError, match="the table has no rows"):
        checked(table_of().iloc[:0], "accuracy", ["model"])


def test_empty_rows_are_left_out_on_request():
    table = table_of(accuracy=[0.1, np.nan, 0.3, 0.4], model=["a", "a", None, "b"])
    found = checked(table, "accuracy", ["model"], missing="drop")
    assert found.table.index.tolist() == [0, 3]
    assert found.notes == ("2 rows in which something is empty were left out",)


def test_empty_cells_in_columns_that_are_not_used_do_not_matter():
    assert notes(table_of(weight=np.nan)) == ()


def test_percent_become_fractions():
    found = checked(table_of(accuracy=[10, 20, 30, 40]), "accuracy", ["model"], unit="percent")
    assert found.table["accuracy"].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert found.notes == ("accuracy was divided by 100",)


def test_percent_that_look_like_fractions_are_told():
    assert "although no value is above 1" in notes(table_of(), unit="percent")[1]


def test_repeated_rows_are_told():
    table = pd.concat([table_of(), table_of().iloc[:1]], ignore_index=True)
    assert notes(table) == ("1 rows repeat another one exactly and count again; are they there by mistake?",)


def test_the_table_itself_is_left_alone():
    table = table_of(accuracy=[10, 20, np.nan, 40])
    before = table.copy()
    checked(table, "accuracy", ["model"], unit="percent", missing="drop")
    pd.testing.assert_frame_equal(table, before)


PREDICTIONS = pd.DataFrame(
    [
        (model, trained_on, scenario, category, image, True)
        for model in "ab"
        for trained_on in ("original", "grey")
        for scenario in ("original", "grey")
        for category, image in ("xp", "yq")
    ],
    columns=["model", "trained_on", "scenario", "category", "image_id", "correct"],
)
OF_PREDICTIONS = [accuracy_table, drops, compare, s_robusts, cross_terms, compare_s_robust]


@pytest.mark.parametrize("of", OF_PREDICTIONS)
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"correct": 100.0}, "'correct' has the value 100.0: a prediction is right"),
        ({"correct": 0.5}, "'correct' has the value 0.5"),
        ({"correct": "yes"}, "'correct' is text, for example 'yes'"),
        ({"correct": [None, *[True] * 15]}, "'correct' is empty in 1 rows (the first: 0)"),
        ({"model": ["a", None, *"ab" * 7]}, "'model' is empty in 1 rows (the first: 1)"),
        ({"image_id": [*range(15), None]}, "'image_id' is empty in 1 rows (the first: 15)"),
    ],
)
def test_predictions_that_cannot_be_counted_are_named(of, columns, message):
    with pytest.raises(XrayError, match=re.escape(message)):
        of(PREDICTIONS.assign(**columns))


@pytest.mark.parametrize("of", OF_PREDICTIONS)
def test_a_column_that_is_not_there_is_named(of):
    with pytest.raises(XrayError, match="unknown column 'image_id'"):
        of(PREDICTIONS.drop(columns="image_id"))


@pytest.mark.parametrize("of", OF_PREDICTIONS)
@pytest.mark.parametrize("confidence", [95, 0, 1, -0.5, float("nan")])
def test_a_confidence_is_a_fraction(of, confidence):
    with pytest.raises(XrayError, match=r"a confidence lies inside \(0, 1\), 0.95 for example"):
        of(PREDICTIONS, confidence=confidence)


@pytest.mark.parametrize("of", OF_PREDICTIONS[1:])
@pytest.mark.parametrize("resamples", [0, -5])
def test_a_bootstrap_needs_resamples(of, resamples):
    with pytest.raises(XrayError, match=f"needs resamples, 2,000 for example, not {resamples}"):
        of(PREDICTIONS, resamples=resamples)
