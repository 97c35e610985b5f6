import pandas as pd
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from xray.statistics import accuracy_table


def predictions(verdicts, **columns):
    return pd.DataFrame({"image_id": [f"i{k}" for k in range(len(verdicts))], "correct": verdicts} | columns)


def test_wilson_interval_is_the_textbook_one():
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 81 of 263 and 15 of 148 by the score method
    first = accuracy_table(predictions([True] * 81 + [False] * 182, model="m"), by=["model"]).iloc[0]
    second = accuracy_table(predictions([True] * 15 + [False] * 133, model="m"), by=["model"]).iloc[0]
    assert (round(first.ci_low, 4), round(first.ci_high, 4)) == (0.2553, 0.3662)
    assert (round(second.ci_low, 4), round(second.ci_high, 4)) == (0.0624, 0.1605)


def test_rows_of_one_photograph_are_counted_as_one_image():
    rows = pd.DataFrame(
        {"model": "m", "image_id": ["a", "a", "a", "b"], "correct": [True, False, True, True], "scenario": "s"}
    )
    cell = accuracy_table(rows, by=["model", "scenario"]).iloc[0]
    assert (cell.n, cell.correct, cell.n_images, cell.accuracy) == (4, 3, 2, 0.75)


def test_default_groups_are_model_training_scenario_and_category():
    rows = predictions([True, False], model=["m", "n"], trained_on="pretrained", scenario="grey", category="fox")
    table = accuracy_table(rows)
    assert list(table.columns) == [
        *("model", "trained_on", "scenario", "category"),
        *("n", "correct", "accuracy", "ci_low", "ci_high", "n_images"),
    ]
    assert table["accuracy"].tolist() == [1.0, 0.0]


def test_no_predictions_give_an_empty_table():
    table = accuracy_table(predictions([], model=[]), by=["model"])
    assert table.empty
    assert "ci_low" in table.columns


@given(right=st.integers(0, 40), wrong=st.integers(0, 40), confidence=st.sampled_from([0.8, 0.95, 0.99]))
@hypothesis_settings(deadline=None, max_examples=15)
def test_interval_holds_the_accuracy_and_stays_in_range(right, wrong, confidence):
    if right + wrong == 0:
        return
    rows = predictions([True] * right + [False] * wrong, model="m")
    cell = accuracy_table(rows, by=["model"], confidence=confidence).iloc[0]
    assert 0 <= cell.ci_low <= cell.accuracy + 1e-12
    assert cell.accuracy - 1e-12 <= cell.ci_high <= 1
    assert cell.ci_low < cell.ci_high
