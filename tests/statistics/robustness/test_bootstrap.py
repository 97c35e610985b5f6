import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import stats

from xray.core.errors import ConfigError
from xray.statistics import Bootstrap
from xray.statistics.robustness.bootstrap import column_means, resampled_means


def numbers(shape, seed=0):
    return np.random.Generator(np.random.PCG64(seed)).random(shape)


class TestResampledMeans:
    def test_missing_values_are_left_out(self):
        values = np.array([[1.0, np.nan], [0.0, 1.0], [1.0, np.nan]])
        means = resampled_means(values, 500, 0)
        drawn = means[:, 1]
        assert set(np.unique(drawn[~np.isnan(drawn)])) == {1.0}
        assert np.isnan(drawn).any()
        assert not np.isnan(means[:, 0]).any()

    def test_drawing_in_parts_is_drawing_at_once(self, monkeypatch):
        values = np.random.Generator(np.random.PCG64(0)).random((37, 3))
        whole = resampled_means(values, 50, 7)
        monkeypatch.setattr("xray.statistics.robustness.bootstrap._DRAWS_AT_ONCE", 37 * 3)
        np.testing.assert_allclose(whole, resampled_means(values, 50, 7), rtol=1e-14)

    def test_the_mean_of_a_draw_is_that_of_the_rows_that_it_took(self):
        values = numbers((9, 2))
        drawn = np.random.Generator(np.random.PCG64(5)).integers(0, 9, size=(40, 9))
        np.testing.assert_allclose(resampled_means(values, 40, 5), values[drawn].mean(axis=1), rtol=1e-12)

    @given(st.integers(0, 2**32), st.integers(2, 12), st.integers(1, 12))
    @hypothesis_settings(deadline=None, max_examples=10)
    def test_each_column_is_resampled_as_if_it_were_alone(self, seed, n, k):
        values = numbers((n, k), seed)
        values[numbers((n, k), seed + 1) < 0.4] = np.nan
        together = resampled_means(values, 15, seed)
        alone = np.hstack([resampled_means(values[:, [j]], 15, seed) for j in range(k)])
        np.testing.assert_allclose(together, alone, rtol=1e-12)


def ratio(means_BK):
    return means_BK[:, :1] / means_BK[:, 1:]


class TestBootstrap:
    def test_bca_and_percentile_agree_with_scipy(self):
        values = numbers((60, 2)) ** 3 + 0.1
        ours = Bootstrap.of_means(values, 20_000, 1).then(ratio)
        for method in ("percentile", "bca"):
            theirs = stats.bootstrap(
                (values[:, 0], values[:, 1]),
                lambda x, y, axis: x.mean(axis) / y.mean(axis),
                paired=True,
                vectorized=True,
                n_resamples=20_000,
                method=method,
                rng=np.random.Generator(np.random.PCG64(2)),
            ).confidence_interval
            np.testing.assert_allclose(ours.interval(method)[:, 0], [theirs.low, theirs.high], rtol=0.012)

    def test_bca_by_hand_on_the_same_draws(self):
        values = numbers((25, 2), 3) ** 4 + 0.05
        drawn = Bootstrap.of_means(values, 999, 4).then(ratio)
        one_out = np.array([ratio(np.delete(values, row, axis=0).mean(axis=0)[None])[0, 0] for row in range(25)])
        d = one_out.mean() - one_out
        a = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
        z0 = stats.norm.ppf((drawn.resampled_BK < drawn.estimate_K).mean())
        z = z0 + stats.norm.ppf([0.05, 0.95])
        expected = np.quantile(drawn.resampled_BK, stats.norm.cdf(z0 + z / (1 - a * z)))
        np.testing.assert_allclose(drawn.interval("bca", 0.9)[:, 0], expected, rtol=1e-12)

    @given(st.integers(0, 2**32), st.integers(3, 12))
    @hypothesis_settings(deadline=None, max_examples=10)
    def test_jackknife_is_leaving_rows_out(self, seed, n):
        values = numbers((n, 3), seed)
        values[numbers((n, 3), seed + 1) < 0.3] = np.nan
        found = Bootstrap.of_means(values, 1, 0).left_out_NK
        by_hand = np.stack([column_means(np.delete(values, row, axis=0)) for row in range(n)])
        np.testing.assert_allclose(found, by_hand, atol=1e-12)

    def test_no_value_no_interval_and_no_variation_no_width(self):
        drawn = Bootstrap.of_means(np.array([[1.0, np.nan, 1.0], [0.0, np.nan, 1.0]]), 100)
        for method in ("percentile", "bca"):
            bounds = drawn.interval(method)
            assert np.isnan(bounds).tolist() == [[False, True, False], [False, True, False]]
            assert bounds[:, 2].tolist() == [1.0, 1.0]
        assert np.isnan(drawn.p_values()).tolist() == [False, True, False]

    def test_bca_has_no_interval_where_all_resamples_lie_on_one_side(self):
        drawn = Bootstrap(np.array([0.0]), np.array([[1.0], [2.0], [3.0]]), np.array([[0.0], [0.5], [1.0]]))
        assert np.isnan(drawn.interval("bca")).all()
        assert not np.isnan(drawn.interval("percentile")).any()

    def test_p_values_are_small_where_the_interval_leaves_zero_out(self):
        values = np.column_stack([numbers(200), numbers(200) - 0.5])
        drawn = Bootstrap.of_means(values, 999)
        p = drawn.p_values()
        assert p[0] == 2 / 1000
        assert p[1] > 0.05

    def test_an_unknown_method_is_refused(self):
        with pytest.raises(ConfigError, match="did you mean 'bca'"):
            Bootstrap.of_means(numbers((4, 1)), 10).interval("bc")
