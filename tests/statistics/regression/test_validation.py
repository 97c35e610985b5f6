import re

import numpy as np
import pandas as pd
import pytest

from xray.core.errors import ConfigError
from xray.statistics import accuracy_table, compare, compare_s_robust, cross_terms, drops, s_robusts
from xray.statistics.regression.validation import validate_table


def table_of(**columns):
    made = {"model": [*"aabb"], "accuracy": [0.1, 0.2, 0.3, 0.4], "weight": [1.0, 2, 3, 4], "image": [1, 2, 1, 2]}
    return pd.DataFrame(made | columns)


def notes(table, **options):
    return validate_table(table, "accuracy", ["model"], **options).notes


@pytest.mark.parametrize(
    ("columns", "options", "named"),
    [
        ({}, {"unit": "share"}, "'share'"),
        ({}, {"missing": "zero"}, "'zero'"),
        ({}, {"weights": "wieght"}, "'wieght'; did you mean 'weight'"),
        ({}, {"cluster": "images"}, "'images'; did you mean 'image'"),
        ({}, {"weights": "accuracy"}, "'accuracy' is both response and weights"),
        ({}, {"cluster": "accuracy"}, "'accuracy' is both response and cluster"),
        ({"accuracy": ["0.1", "n/a", "0.3", "x"]}, {}, "'accuracy'.*'n/a' in row 1"),
        ({"accuracy": ["0.1", "0.2", "0.3", "0.4"]}, {}, "'accuracy' is text"),
        ({"accuracy": pd.Timestamp(2020, 1, 1)}, {}, "'accuracy' is of type datetime64"),
        ({"accuracy": [0.1, np.nan, 0.3, np.nan]}, {}, "2 of 4 rows.* row 1, column 'accuracy'"),
        ({"model": ["a", None, "b", "b"]}, {}, "1 of 4 rows.* row 1, column 'model'"),
        ({"image": [1, 2, np.nan, 2]}, {"cluster": "image"}, "row 2, column 'image'"),
        ({"weight": [1, 2, 3, 0]}, {"weights": "weight"}, "'weight' has 0"),
        ({"weight": [1, 2, 3, np.inf]}, {"weights": "weight"}, "'weight' has inf"),
        ({"accuracy": [0.1, 0.2, -np.inf, 0.3]}, {"missing": "drop"}, "accuracy has infinite values"),
        ({"accuracy": [10, 20, 30, 40]}, {}, "the value 40.*unit='percent'"),
        ({"accuracy": [-0.1, 0.2, 0.3, 0.4]}, {}, "the value -0.1"),
        ({"accuracy": [10, 20, 30, 101]}, {"unit": "percent"}, "the value 101"),
        ({"model": None}, {"missing": "drop"}, "no rows"),
    ],
)
def test_invalid_tables_are_refused(columns, options, named):
    with pytest.raises(ConfigError, match=named):
        validate_table(table_of(**columns), "accuracy", ["model"], **options)


def test_a_column_that_is_there_twice_is_refused_where_it_is_used():
    twice = pd.concat([table_of(), table_of()[["image"]]], axis=1)
    assert len(validate_table(twice, "accuracy", ["model"]).table) == 4
    with pytest.raises(ConfigError, match="more than one column 'image'"):
        validate_table(twice, "accuracy", ["model"], cluster="image")


def test_response_among_the_factors():
    with pytest.raises(ConfigError, match="'model' is both response and factor"):
        validate_table(table_of(), "model", ["model"])


def test_empty_rows_are_left_out_on_request():
    table = table_of(accuracy=[0.1, np.nan, 0.3, 0.4], model=["a", "a", None, "b"])
    found = validate_table(table, "accuracy", ["model"], missing="drop")
    assert found.table.index.tolist() == [0, 3]
    assert [note[:6] for note in found.notes] == ["2 rows"]


def test_percent_become_fractions():
    found = validate_table(table_of(accuracy=[10, 20, 30, 40]), "accuracy", ["model"], unit="percent")
    assert found.table["accuracy"].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert found.notes == ("accuracy was divided by 100",)


def test_percent_that_look_like_fractions_are_told():
    assert len(notes(table_of(), unit="percent")) == 2


def test_repeated_rows_are_told():
    table = pd.concat([table_of(), table_of().iloc[:1]], ignore_index=True)
    assert ["1 row, counted again" in note for note in notes(table)] == [True]
    assert notes(table_of(model=[*"aaaa"], accuracy=[1, 1, 0, 1])) == ()  # single answers repeat


def test_the_table_itself_is_left_alone():
    table = table_of(accuracy=[10, 20, np.nan, 40])
    before = table.copy()
    validate_table(table, "accuracy", ["model"], unit="percent", missing="drop")
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


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"correct": 0.5}, "'correct' has the value 0.5"),
        ({"correct": "yes"}, "'correct' is text, for example 'yes'"),
        ({"model": ["a", None, *"ab" * 7]}, "'model' is empty in 1 rows (the first: 1)"),
    ],
)
def test_invalid_predictions_are_refused(columns, named):
    with pytest.raises(ConfigError, match=re.escape(named)):
        accuracy_table(PREDICTIONS.assign(**columns))


@pytest.mark.parametrize("of", OF_PREDICTIONS)
def test_every_statistic_validates_predictions_confidence_and_resamples(of):
    predictions = pd.concat(PREDICTIONS.assign(image_id=PREDICTIONS["image_id"] + str(k)) for k in range(6))
    with pytest.raises(ConfigError, match=r"'correct' has the value 0.5"):
        of(PREDICTIONS.assign(correct=0.5))
    with pytest.raises(ConfigError, match="'image_id'"):
        of(PREDICTIONS.drop(columns="image_id"))
    with pytest.raises(ConfigError, match="95"):
        of(PREDICTIONS, confidence=95)
    if of in (s_robusts, cross_terms, compare_s_robust):
        with pytest.raises(ConfigError, match="not 0"):
            of(predictions, resamples=0)


@pytest.mark.parametrize(
    ("text", "number"),
    [("89.3 ± 0.2", "89.3"), ("**97.3**", "97.3"), ("$1,5 \\pm 1$", "1,5"), ("\u22120.5 (1)", "\u22120.5")],
)
def test_text_around_a_number_is_refused_with_the_number_to_write(text, number):
    with pytest.raises(ConfigError) as error:
        validate_table(table_of(accuracy=["0.1", text, "0.3", "0.4"]), "accuracy", ["model"])
    assert f"write {number} " in str(error.value)


def test_rows_of_means_are_noted_and_rows_of_totals_refused():
    assert any("'Average' (2 rows)" in note for note in notes(table_of(model=["a", "b", "Average", "Average"])))
    assert not any("summarizes" in note for note in notes(table_of(model=["a", "b", "allium", "meander"])))
    table = table_of(model=["a", "b", "a", "**Total**"], scenario=["x", "y", "mean", "all"])
    with pytest.raises(ConfigError, match="row 3 summarizes"):
        validate_table(table, "accuracy", ["model", "scenario"])


def test_fractions_among_percentages_are_noted():
    table = table_of(accuracy=[90.0, 0.85, 80.0, 0.0])
    assert any("1 of 4 rows, the first with 0.85 in row 1" in note for note in notes(table, unit="percent"))
    assert len(notes(table_of(accuracy=[90.0, 0.0, 80.0, 1.5]), unit="percent")) == 1
