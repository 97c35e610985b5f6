import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.special import ndtri

from xray.statistics.robustness.biases import centre_biases, sensitivities
from xray.statistics.robustness.differences import bonett_price
from xray.statistics.robustness.measures import centre, foreground_sensitivity, measured, ratio
from xray.statistics.robustness.ratios import centre_interval, ratio_interval, sensitivity_interval

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40)
SETTINGS = hypothesis_settings(deadline=None, max_examples=50)


@given(PAIRS)
@SETTINGS
def test_a_ratio_differs_from_1_exactly_if_the_difference_differs_from_0(pairs):
    pair_N2 = np.array(pairs) / 3
    low, high = ratio_interval(pair_N2)
    below, above = bonett_price(pair_N2[:, :1] - pair_N2[:, 1:])[:, 0]
    if min(abs(below), abs(above)) > 1e-9 and high < math.inf:
        assert (low < 1 < high) == (below < 0 < above)


@given(PAIRS)
@SETTINGS
def test_intervals_contain_the_value_and_have_a_width(pairs):
    pair_N2 = np.array(pairs) / 3
    low, high = ratio_interval(pair_N2)
    first, second = pair_N2.mean(axis=0)
    assert 0 <= low < high
    assert not second or low - 1e-9 <= first / second <= high + 1e-9
    low, high = sensitivity_interval(pair_N2)
    assert -1 <= low < high <= 1
    assert low - 1e-9 <= sensitivities(pair_N2.mean(axis=0)[None])[0, 0] <= high + 1e-9


def test_a_ratio_without_a_change_leaves_a_few_points_open():
    low, high = ratio_interval(np.ones((60, 2)))
    assert (low, high) == (pytest.approx(0.9556, abs=1e-4), pytest.approx(1.0465, abs=1e-4))
    assert sensitivity_interval(np.ones((60, 2))) == (-1, 1)
    assert ratio_interval(np.zeros((60, 2))) == (0, math.inf)
    assert ratio_interval(np.eye(2)[[0] * 30])[1] == math.inf
    assert ratio_interval(np.eye(2)[[0] * 30])[0] == pytest.approx(1 / ratio_interval(np.eye(2)[[1] * 30])[1])
    assert np.isnan(ratio_interval(np.ones((1, 2)))).all()


def test_copies_in_groups_tell_no_more_than_one_of_them():
    single_N2, group_N = np.random.default_rng(1).integers(0, 2, (30, 2)).astype(float), np.arange(30).repeat(3)
    copies_N2 = single_N2.repeat(3, axis=0)
    assert ratio_interval(copies_N2, group_N) == pytest.approx(ratio_interval(single_N2))
    assert sensitivity_interval(copies_N2, group_N) == pytest.approx(sensitivity_interval(single_N2))


def simulated(accuracies, photographs, runs, seed):
    """Verdicts of photographs that are easy or hard in all scenarios, shape (runs, photographs, scenarios)."""
    generator = np.random.Generator(np.random.PCG64(seed))
    ease = generator.standard_normal((runs, photographs, 1))
    chance = generator.standard_normal((runs, photographs, len(accuracies)))
    return (np.sqrt(0.7) * ease + np.sqrt(0.3) * chance > -ndtri(accuracies)).astype(float)


@pytest.mark.parametrize(("accuracies", "photographs"), [((0.8, 0.9), 40), ((0.98, 0.98), 30), ((0.3, 0.45), 80)])
def test_ratios_hold_the_truth(accuracies, photographs):
    ratio, sensitivity = accuracies[0] / accuracies[1], sensitivities(np.array([accuracies]))[0, 0]
    held = []
    for pair_N2 in simulated(accuracies, photographs, 300, 2):
        bounds = (ratio_interval(pair_N2), ratio), (sensitivity_interval(pair_N2), sensitivity)
        held.append([low <= truth + 1e-9 and truth <= high + 1e-9 for (low, high), truth in bounds])
    assert np.mean(held, axis=0).min() >= 0.93


@pytest.mark.parametrize("corner", [0.8, 0.5])
def test_centre_biases_hold_the_truth(corner):
    """Also where the lowest of equal cells is lowest by chance."""
    cells = np.array([corner] + [0.8] * 8)
    truth = centre_biases(cells[None])[0, 0]
    bounds = np.array([centre_interval(cell_N9) for cell_N9 in simulated(cells, 60, 100, 3)])
    assert ((bounds[:, 0] <= truth + 1e-9) & (truth <= bounds[:, 1])).mean() >= 0.93


def test_measures_have_these_intervals():
    right = np.ones((9, 20))
    right[[0, 3], [0, 1]] = 0
    names = [f"cell-{k}" for k in range(9)]
    columns = {"scenario": np.repeat(names, 20), "image_id": np.tile(range(20), 9), "correct": right.ravel() > 0}
    frame = pd.DataFrame({**columns, "model": "m", "trained_on": "pretrained"})
    measures = [ratio("share", *names[:2]), foreground_sensitivity(*names[:2]), centre(names)]
    table = measured(frame, measures).set_index("measure")
    bounds = table[["ci_low", "ci_high"]].to_numpy().tolist()
    assert bounds[0] == list(ratio_interval(right[:2].T))
    assert bounds[1] == list(sensitivity_interval(right[:2].T))
    assert bounds[2] == list(centre_interval(right.T))
    assert table["value"].round(4).tolist() == [0.95, 1, 0.05]
    nothing = measured(frame.assign(correct=False), measures).set_index("measure")
    assert nothing.loc["share", ["value", "ci_low", "ci_high"]].isna().all()
    assert nothing.loc["RFS", ["value", "ci_low", "ci_high"]].tolist() == [0, -1, 1]
