import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import stats

from xray.core.errors import ConfigError
from xray.statistics import compare, compare_s_robust, s_robusts
from xray.statistics.robustness.paired_tests import paired_test


def predictions(models, scenarios=("original", "grey"), n=80, seed=0, trained_on="pretrained"):
    """Models of given accuracies, all asked about the same images."""
    generator = np.random.Generator(np.random.PCG64(seed))
    return pd.DataFrame(
        [
            (model, trained_on, scenario, f"i{k:03}", 0, bool(generator.random() < accuracy))
            for model, accuracy in models.items()
            for scenario in scenarios
            for k in range(n)
        ],
        columns=["model", "trained_on", "scenario", "image_id", "variant", "correct"],
    )


def verdicts(both, first, second, neither=0):
    pairs = [(1.0, 1.0)] * both + [(1.0, 0.0)] * first + [(0.0, 1.0)] * second + [(0.0, 0.0)] * neither
    return np.array(pairs).T


class TestPairedTest:
    def test_textbook_mcnemar(self):
        # Agresti, Categorical Data Analysis, 2nd ed., table 10.1: approval ratings, 86 and 150 changed their mind
        _, _, test, p = paired_test(*verdicts(794, 150, 86, 570))
        assert test == "chi2"
        assert p == pytest.approx(stats.chi2.sf((64 - 1) ** 2 / 236, 1))

    @given(st.integers(0, 24), st.integers(0, 24))
    @hypothesis_settings(deadline=None, max_examples=15)
    def test_few_disagreements_are_counted_exactly(self, first, second):
        if first + second >= 25:
            return
        better, worse, test, p = paired_test(*verdicts(3, first, second, 2))
        assert (better, worse, test) == (first, second, "exact")
        expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
        assert p == pytest.approx(expected)

    def test_variants_take_the_test_for_clusters(self):
        first, second = np.array([1.0, 0.5, 1.0, 0.0, np.nan]), np.array([0.5, 0.5, 0.0, 0.5, 1.0])
        better, worse, test, p = paired_test(first, second)
        assert (better, worse, test) == (2, 1, "clustered")
        assert p == pytest.approx(stats.chi2.sf(1.0**2 / (0.25 + 1 + 0.25), 1))

    def test_twins_do_not_differ(self):
        for verdict in (np.array([1.0, 0.0, 1.0]), np.array([0.5, 0.0, 1.0])):
            assert paired_test(verdict, verdict)[3] == 1.0


class TestCompare:
    def test_differences_of_common_images(self):
        table = predictions({"a": 0.9, "b": 0.6}, n=40)
        gone = (table["model"] == "b") & (table["image_id"] < "i010")
        row = compare(table[~gone]).query("scenario == 'grey'").iloc[0]
        kept = table[(table["image_id"] >= "i010") & (table["scenario"] == "grey")].groupby("model")["correct"].mean()
        assert (row.accuracy_first, row.accuracy_second, row.n_images) == (kept["a"], kept["b"], 30)
        assert row.difference == pytest.approx(kept["a"] - kept["b"])
        assert row.ci_low < row.difference < row.ci_high

    def test_interval_agrees_with_scipy(self):
        table = predictions({"a": 0.8, "b": 0.6}, scenarios=("grey",), n=150)
        wide = table.pivot(index="image_id", columns="model", values="correct").astype(float)
        theirs = stats.bootstrap(
            (wide["a"] - wide["b"],),
            np.mean,
            n_resamples=8000,
            method="percentile",
            rng=np.random.Generator(np.random.PCG64(1)),
        ).confidence_interval
        row = compare(table, resamples=8000).iloc[0]
        assert (row.ci_low, row.ci_high) == (pytest.approx(theirs.low, abs=0.01), pytest.approx(theirs.high, abs=0.01))

    def test_all_pairs_and_holm_over_the_whole_table(self):
        found = compare(predictions({"a": 0.9, "b": 0.7, "c": 0.5}))
        assert len(found) == 6
        assert set(zip(found["first"], found["second"], strict=True)) == {("a", "b"), ("a", "c"), ("b", "c")}
        p = np.sort(found["p"])
        by_hand = np.minimum(np.maximum.accumulate(p * np.arange(6, 0, -1)), 1)
        np.testing.assert_allclose(np.sort(found["p_holm"]), by_hand)

    def test_models_are_compared_with_those_trained_on_the_same(self):
        table = pd.concat([predictions({"a": 0.9, "b": 0.8}), predictions({"a": 0.7, "c": 0.5}, trained_on="grey")])
        found = compare(table)
        assert set(found[["trained_on", "first", "second"]].itertuples(index=False, name=None)) == {
            ("pretrained", "a", "b"),
            ("grey", "a", "c"),
        }

    def test_bad_requests_are_refused(self):
        table = predictions({"anna": 0.9, "bert": 0.8}, n=5)
        with pytest.raises(ConfigError, match="did you mean 'anna'"):
            compare(table, [("ana", "bert")])
        with pytest.raises(ConfigError, match="no two"):
            compare(table[table["model"] == "anna"])
        apart = pd.concat([table[table["model"] == "anna"].replace({"image_id": "i"}, regex=True), table]).iloc[:10]
        with pytest.raises(ConfigError, match="no two"):
            compare(apart.assign(model=["anna"] * 10))


class TestCompareSRobust:
    def table(self, models):
        cross = predictions(models, ("original", "grey", "blur"), 60, trained_on="original")
        inner = [predictions(models, (s,), 60, 7 + k, trained_on=s) for k, s in enumerate(("grey", "blur"))]
        return pd.concat([cross, *inner])

    def test_differences_are_those_of_s_robust(self):
        table = self.table({"a": 0.9, "b": 0.6, "c": 0.5})
        value = s_robusts(table).set_index("model")["s_robust"]
        found = compare_s_robust(table)
        assert len(found) == 3
        for row in found.itertuples():
            assert row.difference == pytest.approx(value[row.first] - value[row.second], abs=1e-12)
            assert row.ci_low <= row.ci_high
            assert row.p <= row.p_holm <= 1

    def test_twins_do_not_differ(self):
        table = self.table({"a": 0.9})
        row = compare_s_robust(pd.concat([table, table.assign(model="b")])).iloc[0]
        assert (row.difference, row.ci_low, row.ci_high, row.p) == (0, 0, 0, 1)

    def test_models_without_both_halves_are_left_out(self):
        table = pd.concat([self.table({"a": 0.9}), predictions({"p": 0.9}, ("original", "grey", "blur"))])
        with pytest.raises(ConfigError, match="both halves"):
            compare_s_robust(table)

    def test_models_that_were_asked_about_other_scenarios_are_not_compared(self):
        table = self.table({"a": 0.9, "b": 0.6, "c": 0.5})
        lacking = table[(table["model"] != "b") | (table["scenario"] != "blur")]
        with pytest.raises(ConfigError, match=r"'a' and 'b'.*'blur'"):
            compare_s_robust(lacking)
        assert len(compare_s_robust(lacking, [("a", "c")])) == 1
