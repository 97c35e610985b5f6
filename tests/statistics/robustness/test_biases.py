import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from xray.core.errors import ConfigError
from xray.statistics.robustness.biases import centre_bias, challenge, relative_foreground_sensitivity, size_bias
from xray.statistics.robustness.measures import challenges, gap, measured
from xray.statistics.robustness.worst_group import worst_groups

CELLS = [[0.60, 0.70, 0.62], [0.72, 0.80, 0.74], [0.58, 0.68, 0.64]]


def test_centre_bias():
    assert centre_bias(CELLS) == pytest.approx(0.2125)
    assert math.isnan(centre_bias(np.zeros((3, 3))))
    with pytest.raises(ConfigError):
        centre_bias([[1.0]])


def test_challenge_of_five_objects_on_four_backgrounds():
    matrix = [[int(one) for one in row] for row in ("1111", "1011", "1110", "1111", "0010")]
    assert challenge(matrix) == pytest.approx(0.4)
    assert np.mean(matrix) == pytest.approx(0.75)
    with pytest.raises(ConfigError):
        challenge([])


@pytest.mark.parametrize(
    ("accuracies", "rfs"),
    [((0.6, 0.8), 1 / 3), ((0.8, 0.6), -1 / 3), ((0.2, 0.4), 1 / 3), ((0, 0.5), 1), ((1, 1), 0), ((0, 0), 0)],
)
def test_relative_foreground_sensitivity(accuracies, rfs):
    assert relative_foreground_sensitivity(*accuracies) == pytest.approx(rfs)


def test_size_bias():
    assert size_bias(0.3, 0.6) == pytest.approx(0.5)
    assert math.isnan(size_bias(0.3, 0.0))


def test_worst_group_of_equal_groups_is_corrected_upwards():
    rng = np.random.default_rng(3)
    names = [f"g{k}" for k in range(12)]
    frame = pd.concat([
        pd.DataFrame({"scenario": name, "image_id": range(100), "correct": rng.random(100) < 0.7}) for name in names
    ])  # fmt: skip
    (row,) = worst_groups(frame.assign(model="m", trained_on="pretrained"), names).to_dict("records")
    assert row["accuracy"] < row["corrected"] <= row["ci_high"]
    assert row["ci_low"] <= 0.7 <= row["ci_high"]
    assert (row["n_groups"], row["n_images"]) == (12, 100)


def groups_of(right, n):
    """Return predictions of groups over n photographs, of which some are right, by group."""
    rows = [(name, k, k < some) for name, some in right.items() for k in range(n)]
    frame = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"])
    return frame.assign(model="m", trained_on="pretrained")


def test_the_interval_of_the_worst_group_is_exact_and_allows_for_the_choice():
    (row,) = worst_groups(groups_of({"a": 12, "b": 3, "c": 9}, 20), ["a", "b", "c"]).to_dict("records")
    assert row["ci_low"] == pytest.approx(0.0321, abs=1e-4)  # of 3 of 20, as published tables have it
    assert row["ci_high"] == pytest.approx(float(beta.isf(0.025 / 3, 4, 17)))


def test_a_worst_group_without_a_right_answer_is_not_certain_to_have_none():
    (row,) = worst_groups(groups_of({"a": 0, "b": 0}, 10), ["a", "b"]).to_dict("records")
    assert (row["accuracy"], row["ci_low"]) == (0, 0)
    assert row["ci_high"] == pytest.approx(1 - 0.0125**0.1)
    (row,) = worst_groups(groups_of({"a": 10, "b": 10}, 10), ["a", "b"]).to_dict("records")
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(0.025**0.1), 1)


def test_the_interval_of_the_worst_of_twelve_groups_holds_the_truth():
    rng, names = np.random.default_rng(8), [f"g{k:02}" for k in range(12)]
    for true in (0.05, 0.5):
        held = 0
        for _ in range(40):
            right_NG = rng.random((60, 12)) < true
            columns = {"scenario": names * 60, "image_id": np.repeat(range(60), 12), "correct": right_NG.ravel()}
            frame = pd.DataFrame({**columns, "model": "m", "trained_on": "pretrained"})
            (row,) = worst_groups(frame, names, resamples=10).to_dict("records")
            held += row["ci_low"] <= true <= row["ci_high"]
        assert held >= 36


def test_worst_group_counts_the_photographs_that_lack_a_group():
    frame = groups_of({"a": 9, "b": 6}, 10)
    frame = frame[(frame["scenario"] == "a") | (frame["image_id"] > 2)]
    elsewhere = frame.iloc[:1].assign(scenario="original", image_id=99)
    (row,) = worst_groups(pd.concat([frame, elsewhere]), ["a", "b"]).to_dict("records")
    assert (row["n_images"], row["n_left_out"]) == (7, 4)
    (row,) = worst_groups(frame[frame["image_id"] == 5], ["a", "b"]).to_dict("records")
    assert row["n_images"] == 1
    assert math.isnan(row["ci_low"])
    assert math.isnan(row["ci_high"])


def test_groups_of_photographs_widen_the_interval_of_the_worst_group():
    frame = groups_of({"a": 12, "b": 4, "c": 9}, 20)
    alone, bursts, one = (
        worst_groups(frame.assign(group=frame["image_id"] // size), ["a", "b", "c"]).iloc[0] for size in (1, 4, 20)
    )
    assert bursts["accuracy"] == alone["accuracy"] == 0.2
    assert bursts["ci_high"] - bursts["ci_low"] > 1.5 * (alone["ci_high"] - alone["ci_low"])
    assert math.isnan(one["ci_low"])


def test_challenge_has_an_interval_and_its_scenarios():
    (row,) = challenges(groups_of({"a": 9, "b": 7}, 10), ["b", "a", "missing"]).to_dict("records")
    assert (row["challenge"], row["backgrounds"], row["scenarios"]) == (pytest.approx(0.7), 2, "b, a")
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(0.3968, abs=1e-4), pytest.approx(0.8922, abs=1e-4))


def test_groups_of_photographs_are_one_draw():
    single = groups_of({"a": 9, "b": 7}, 10)
    copies = [single.assign(image_id=10 * single["image_id"] + k, group=single["image_id"].astype(str)) for k in (0, 1)]
    double = pd.concat(copies)
    one, two = (challenges(rows, ["a", "b"]).iloc[0] for rows in (single, double))
    assert (one["challenge"], one["ci_low"], one["ci_high"]) == (two["challenge"], two["ci_low"], two["ci_high"])
    (one,), (two,) = (measured(rows, [gap("a", "b")]).to_dict("records") for rows in (single, double))
    assert (one["value"], two["value"]) == (pytest.approx(0.2), pytest.approx(0.2))
    assert (one["ci_low"], one["ci_high"]) == (pytest.approx(two["ci_low"]), pytest.approx(two["ci_high"]))
    (same,) = measured(groups_of({"a": 9, "b": 9}, 10), [gap("a", "b")]).to_dict("records")
    assert same["ci_low"] < same["value"] == 0 < same["ci_high"]


def test_worst_group_needs_every_scenario():
    frame = pd.DataFrame({"scenario": ["a"], "image_id": ["x"], "correct": [True]})
    assert worst_groups(frame.assign(model="m", trained_on="pretrained"), ["a", "b"]).empty
