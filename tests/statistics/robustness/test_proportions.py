import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.special import ndtri
from statsmodels.stats.proportion import proportion_confint

from xray.statistics.robustness.proportions import wilson, wilson_effective


@given(st.integers(0, 200), st.integers(1, 200), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
@hypothesis_settings(deadline=None, max_examples=25)
def test_wilson_is_that_of_statsmodels(correct, n, confidence):
    correct = min(correct, n)
    (low,), (high,) = wilson(np.array([correct / n]), np.array([n]), confidence)
    expected = proportion_confint(correct, n, 1 - confidence, "wilson")
    assert (low, high) == pytest.approx(expected, abs=1e-12)
    assert 0 <= low < high <= 1


def test_n_effective_is_between_photographs_and_rows():
    rows = np.full((8, 1), 3.0)
    together = np.array([[3.0]] * 5 + [[0.0]] * 3)
    apart = np.array([[2.0]] * 8)
    same = np.array([[3.0]] * 8)
    assert [wilson_effective(correct, rows)[1].item() for correct in (together, apart, same)] == pytest.approx(
        [8, 24, 8]
    )
    some = np.array([[3.0], [2.0], [1.0], [3.0], [2.0], [0.0], [3.0], [2.0]])
    accuracies = some.ravel() / 3
    p = accuracies.mean()
    by_variance = p * (1 - p) / (accuracies.var(ddof=1) / 8)
    expected = 6 / (5 / by_variance + 1 / 8)  # five of the photographs have a wrong answer
    assert 8 < expected < by_variance
    bounds, n = wilson_effective(some, rows)
    assert n.item() == pytest.approx(expected)
    assert bounds.ravel() == pytest.approx(wilson(np.array([p]), np.array([expected])).ravel())


def test_single_verdicts_are_textbook_wilson():
    correct = (np.arange(30) < 21).astype(float)[:, None]
    bounds, n = wilson_effective(correct, np.ones((30, 1)))
    assert n.item() == 30
    assert bounds.ravel() == pytest.approx(proportion_confint(21, 30, 0.05, "wilson"))


def test_copies_in_groups_tell_no_more_than_one_of_them():
    correct = (np.arange(30) < 21).astype(float)[:, None].repeat(4, axis=0)
    bounds, n = wilson_effective(correct, np.ones((120, 1)), np.arange(30).repeat(4))
    assert n.item() == 30
    assert bounds.ravel() == pytest.approx(proportion_confint(21, 30, 0.05, "wilson"))


def test_photographs_of_other_cells_do_not_count():
    correct, rows = np.array([[1.0, 0.0], [1.0, 2.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 3.0], [1.0, 3.0]])
    one_by_one = [wilson_effective(correct[:, [k]][rows[:, k] > 0], rows[:, [k]][rows[:, k] > 0]) for k in (0, 1)]
    bounds, n = wilson_effective(correct, rows)
    assert n.tolist() == [found.item() for _, found in one_by_one]
    np.testing.assert_allclose(bounds, np.hstack([found for found, _ in one_by_one]))


@pytest.mark.parametrize(("accuracy", "variants", "photographs"), [(0.6, 3, 139), (0.9, 3, 139), (0.96, 5, 60)])
def test_accuracies_with_variants_hold_the_truth(accuracy, variants, photographs):
    generator = np.random.Generator(np.random.PCG64(5))
    noise, ease = (generator.standard_normal((photographs, 2000, n)) for n in (variants, 1))
    correct = (np.sqrt(0.75) * ease + np.sqrt(0.25) * noise < ndtri(accuracy)).sum(axis=2).astype(float)
    rows = photographs * variants
    (low, high), _ = wilson_effective(correct, np.full(correct.shape, float(variants)))
    assert 0.935 <= ((low <= accuracy) & (accuracy <= high)).mean() <= 0.98
    low, high = wilson(correct.sum(axis=0) / rows, np.full(2000, rows))
    assert ((low <= accuracy) & (accuracy <= high)).mean() < 0.88
