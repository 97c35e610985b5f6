"""Accuracy over measured complexity: bins of equally many images, intervals by photograph."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import ConfigError
from xray.statistics.robustness.complexity_curves import complexity_curves

LADDER = {"complexity": ["low", "high"]}


def predictions(measured, models=("m",), right=lambda complexity: complexity < 10):
    """Return one row per photograph, scenario and variant, from lists of measured values by scenario."""
    rows = [
        (model, name, f"photo-{k}", variant, value, right(value))
        for model in models
        for name, photographs in measured.items()
        for k, values in enumerate(photographs)
        for variant, value in enumerate(values)
    ]
    columns = ["model", "scenario", "image_id", "variant", "complexity", "correct"]
    return pd.DataFrame(rows, columns=columns).assign(trained_on="pretrained")


def test_bins_have_equally_many_images_and_cross_levels():
    table = complexity_curves(predictions({"low": [[1], [2], [3], [9]], "high": [[4], [11], [12], [13]]}), LADDER, 4)
    assert table["n"].tolist() == [2, 2, 2, 2]
    assert table[["complexity_low", "complexity_high"]].values.tolist() == [[1, 2], [3, 4], [9, 11], [12, 13]]
    assert table["complexity_mean"].tolist() == [1.5, 3.5, 10, 12.5]
    assert table["accuracy"].tolist() == [1, 1, 0.5, 0]
    assert table["n_images"].tolist() == [2, 2, 2, 2]
    assert set(table["n_all_bins"]) == {0}


def test_a_photograph_counts_once_in_a_bin():
    table = complexity_curves(predictions({"low": [[1, 2, 12], [2]], "high": [[13], [14]]}), LADDER, 2)
    assert table["n"].tolist() == [3, 3]
    assert table["n_images"].tolist() == [2, 2]
    assert set(table["n_all_bins"]) == {2}


def test_intervals_do_not_narrow_with_more_images_of_the_same_photographs():
    def bounds(variants):
        measured = {"low": [[k] * variants for k in range(8)], "high": [[k + 20] * variants for k in range(8)]}
        return complexity_curves(predictions(measured, right=lambda value: value % 2 == 0), LADDER, 2)

    once, often = bounds(1), bounds(9)
    assert once[["ci_low", "ci_high"]].values.tolist() == often[["ci_low", "ci_high"]].values.tolist()
    assert (once["ci_low"] < once["accuracy"]).all()
    assert (often["n"] == 9 * once["n"]).all()


def test_equal_values_stay_together():
    table = complexity_curves(predictions({"low": [[5]] * 9, "high": [[6]] * 9}), LADDER)
    assert table["n"].tolist() == [9, 9]
    assert table["bin"].tolist() == [0, 1]


@given(st.lists(st.sampled_from([1.0, 2.0, 2.5, 7.0]) | st.floats(0, 60), min_size=2, max_size=30))
def test_every_image_is_in_one_bin_and_bins_do_not_overlap(values):
    table = complexity_curves(predictions({"low": [[value] for value in values]}), {"c": ["low"]})
    if len(set(values)) == 1:
        assert table.empty
    else:
        assert 2 <= len(table) <= 5
        assert table["n"].sum() == len(values)
        assert (table["complexity_high"].to_numpy()[:-1] < table["complexity_low"].to_numpy()[1:]).all()
        if len(set(values)) == len(values):
            assert table["n"].max() - table["n"].min() <= 1


def test_only_photographs_with_a_measured_image_of_every_level():
    table = predictions({"low": [[1], [2], [np.nan], [3]], "high": [[11], [12], [13], []]})
    curve = complexity_curves(table, LADDER, 2)
    assert curve["n"].tolist() == [2, 2]
    assert set(curve["n_left_out"]) == {2}
    reference = predictions({"original": [[np.nan]] * 5})
    assert set(complexity_curves(pd.concat([table, reference]), LADDER, 2)["n_left_out"]) == {3}


def test_all_models_have_the_same_bins():
    table = predictions({"low": [[1], [2], [3]], "high": [[11], [12], [13]]}, models=("a", "b"))
    table = table[~((table["model"] == "b") & (table["image_id"] == "photo-0"))]
    curve = complexity_curves(table, LADDER, 3).set_index(["model", "bin"])
    assert curve.loc["a", "complexity_low"].tolist() == curve.loc["b", "complexity_low"].tolist()
    assert curve.loc["a", "n"].tolist() == [2, 2, 2]
    assert curve.loc["b", "n"].tolist() == [1, 1, 2]
    assert np.isnan(curve.loc[("b", 0), "ci_low"])


def test_predictions_of_several_folds_are_one_image():
    table = predictions({"low": [[1], [2]], "high": [[11], [12]]})
    folds = pd.concat([table.assign(fold=0), table.assign(fold=1)])
    assert complexity_curves(folds, LADDER, 2)["n"].tolist() == [2, 2]


@pytest.mark.parametrize(
    "table",
    [
        predictions({"low": [[1], [2]]}),
        predictions({"low": [[3], [3]], "high": [[3], [3]]}),
        predictions({"low": [[np.nan], [np.nan]], "high": [[np.nan], [np.nan]]}),
        predictions({"low": [[1], [2]], "high": [[3], [4]]}).iloc[:0],
    ],
)
def test_no_rows_where_a_level_is_missing_or_nothing_differs(table):
    curve = complexity_curves(table, LADDER)
    assert curve.empty
    assert "complexity_mean" in curve


def test_one_bin_is_no_curve():
    with pytest.raises(ConfigError):
        complexity_curves(predictions({"low": [[1], [2]]}), LADDER, bins=1)
