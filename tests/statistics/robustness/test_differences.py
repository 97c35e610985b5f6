import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtri
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from xray.statistics.robustness.differences import bonett_price, holm, paired_differences, paired_tests


def changes(lost, gained=0, n=88):
    return np.array([[1.0]] * lost + [[-1.0]] * gained + [[0.0]] * (n - lost - gained))


def verdicts(accuracies, n, runs, seed, correlation=0.75):
    """Verdicts of shape (n, runs, number of accuracies), correlated by photograph."""
    generator = np.random.Generator(np.random.PCG64(seed))
    noise = generator.standard_normal((n, runs, len(accuracies)))
    ease = generator.standard_normal((n, runs, 1))
    return np.sqrt(correlation) * ease + np.sqrt(1 - correlation) * noise < ndtri(accuracies)


class TestBonettPrice:
    def test_without_a_change_the_limits_are_those_of_two_more_photographs(self):
        (low,), (high,) = bonett_price(changes(0))
        assert (low, high) == (pytest.approx(-0.0308, abs=1e-4), pytest.approx(0.0308, abs=1e-4))

    @pytest.mark.parametrize(("lost", "clear"), [(4, False), (5, False), (6, True)])
    def test_six_photographs_lost_and_none_gained_are_the_first_clear_loss(self, lost, clear):
        assert (bonett_price(changes(lost))[0] > 0) == clear
        assert (paired_tests(changes(lost))["p"].iloc[0] < 0.05) == clear

    def test_the_published_formula(self):
        # Bonett and Price 2012: p12 = (f12 + 1) / (n + 2) and p21 = (f21 + 1) / (n + 2)
        p12, p21 = 14 / 102, 5 / 102
        half = stats.norm.ppf(0.95) * np.sqrt((p12 + p21 - (p12 - p21) ** 2) / 102)
        found = bonett_price(changes(13, 4, 100), confidence=0.9).ravel()
        np.testing.assert_allclose(found, [p12 - p21 - half, p12 - p21 + half])

    @given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 1 / 3, 1.0]), min_size=2, max_size=30), st.integers(2, 4))
    @hypothesis_settings(deadline=None, max_examples=25)
    def test_copies_in_groups_tell_no_more_than_one_of_them(self, values, copies):
        single_N1 = np.array(values)[:, None]
        plain = bonett_price(single_N1)
        np.testing.assert_allclose(bonett_price(single_N1, np.arange(len(values))), plain, atol=1e-12)
        copied, groups = np.repeat(single_N1, copies, axis=0), np.repeat(np.arange(len(values)), copies)
        np.testing.assert_allclose(bonett_price(copied, groups), plain, atol=1e-12)
        assert (plain[0] < plain[1]).all()
        assert (np.abs(plain) <= 1).all()

    def test_missing_pairs_do_not_count(self):
        with_missing = np.concatenate([changes(5, 1, 20), [[np.nan]] * 7])
        np.testing.assert_allclose(bonett_price(with_missing), bonett_price(changes(5, 1, 20)))
        groups = np.array([*range(20), *[20] * 7])
        np.testing.assert_allclose(bonett_price(with_missing, groups), bonett_price(changes(5, 1, 20)))
        assert np.isnan(bonett_price(np.array([[1.0], [np.nan]]))).all()
        assert np.isnan(bonett_price(np.array([[1.0], [1.0]]), np.array([0, 0]))).all()

    @pytest.mark.parametrize("variants", [1, 3])
    @pytest.mark.parametrize("drop", [0.0, 0.02, 0.1])
    def test_holds_the_truth_where_little_is_lost(self, variants, drop):
        shown = verdicts([0.95, *[0.95 - drop] * variants], 60, 800, 11)
        difference = shown[..., 0] - shown[..., 1:].mean(axis=2)
        low, high = bonett_price(difference)
        assert ((low <= drop) & (drop <= high)).mean() >= 0.93
        if not drop:
            assert (low > 0).mean() <= 0.025

    def test_holds_the_truth_of_groups(self):
        """Of 40 groups of 1 to 5 photographs that share their verdicts, as frames of a burst nearly do."""
        shown = verdicts([0.9, 0.8], 40, 800, 12)
        sizes = 1 + np.arange(40) % 5
        groups = np.repeat(np.arange(40), sizes)
        difference = (shown[..., 0].astype(float) - shown[..., 1])[groups]
        low, high = bonett_price(difference, groups)
        assert ((low <= 0.1) & (high >= 0.1)).mean() >= 0.93
        low, high = bonett_price(difference)
        assert ((low <= 0.1) & (high >= 0.1)).mean() < 0.85


class TestPairedTests:
    @given(st.integers(0, 300), st.integers(0, 300))
    @hypothesis_settings(deadline=None, max_examples=15)
    def test_verdicts_take_the_exact_test(self, lost, gained):
        (row,) = paired_tests(changes(lost, gained, 700), names=("lost", "gained")).to_dict("records")
        assert (row["lost"], row["gained"], row["test"]) == (lost, gained, "exact")
        assert row["p"] == pytest.approx(mcnemar([[0, lost], [gained, 0]], exact=True).pvalue, abs=1e-12)

    def test_variants_take_the_test_for_clusters(self):
        (row,) = paired_tests(np.array([[0.5], [0.0], [1.0], [-0.5], [np.nan]])).to_dict("records")
        assert (row["better"], row["worse"], row["test"]) == (2, 1, "clustered")
        assert row["p"] == pytest.approx(stats.chi2.sf(1.0**2 / (0.25 + 1 + 0.25), 1))

    def test_a_group_that_changes_together_is_one_change(self):
        difference = np.array([[1.0]] * 6 + [[0.0]] * 4)
        groups = np.array([0, 0, 0, 1, 1, 1, 2, 3, 4, 5])
        (row,) = paired_tests(difference, groups).to_dict("records")
        assert (row["better"], row["test"]) == (6, "clustered")
        assert row["p"] == pytest.approx(stats.chi2.sf(6**2 / (9 + 9), 1))
        assert paired_tests(difference)["p"].iloc[0] == pytest.approx(2 / 64)

    def test_columns_without_a_pair_are_not_tested(self):
        values = np.hstack([changes(6, 0, 10), np.full((10, 1), np.nan), changes(7, 0, 10)])
        table = paired_tests(values)
        assert np.isnan(table["p"]).tolist() == [False, True, False]
        np.testing.assert_allclose(table["p_holm"], [2 / 64, np.nan, 2 * 2 / 128])

    def test_holm_is_that_of_statsmodels(self):
        p = np.array([0.01, np.nan, 0.04, 0.03])
        np.testing.assert_allclose(holm(p)[[0, 2, 3]], multipletests([0.01, 0.04, 0.03], method="holm")[1])
        assert holm(np.full(2, np.nan)).tolist() == pytest.approx([np.nan] * 2, nan_ok=True)
        assert len(holm(np.array([]))) == 0


def test_means_are_over_the_pairs_alone():
    left, right = np.array([[1.0], [1.0], [np.nan]]), np.array([[0.0], [1.0], [1.0]])
    (row,) = paired_differences({"left": left, "right": right}, left - right, "more").to_dict("records")
    assert (row["left"], row["right"], row["more"], row["n_images"]) == (1.0, 0.5, 0.5, 2)
