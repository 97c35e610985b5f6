import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import stats

from xray.errors import XrayError
from xray.statistics import cross_term, cross_terms, drops
from xray.statistics.robustness import image_accuracies, resampled_means

# Table 1 of XIMAGENET-12, EX1, trained on original: accuracy on eight scenarios
RESNET50 = {
    "blur_background": 0.9097,
    "blur_object": 0.8817,
    "image_g": 0.8442,
    "image_b": 0.8698,
    "image_grey": 0.9213,
    "image_r": 0.8903,
    "random_background": 0.2241,
    "segmented": 0.6855,
}


def rows(verdicts, model="m", trained_on="pretrained"):
    """Predictions from {scenario: {image: verdicts of its variants}}."""
    return pd.DataFrame(
        [
            {"model": model, "trained_on": trained_on, "scenario": s, "image_id": i, "variant": v, "correct": bool(c)}
            for s, images in verdicts.items()
            for i, variants in images.items()
            for v, c in enumerate(variants)
        ]
    )


def random_rows(n=60, models=("a", "b"), scenarios=("original", "grey", "blur"), seed=3):
    generator = np.random.Generator(np.random.PCG64(seed))
    return pd.concat(
        rows({s: {f"i{k:03}": [generator.random() < 0.8 - 0.2 * j] for k in range(n)}}, model)
        for model in models
        for j, s in enumerate(scenarios)
    )


def by_scenario(table, column):
    return dict(zip(table["scenario"], table[column], strict=True))


class TestDrops:
    def test_only_images_present_in_both_count(self):
        table = drops(rows({"original": {"a": [1], "b": [1], "c": [0]}, "grey": {"a": [0], "b": [1], "d": [0]}}))
        row = table.iloc[0]
        assert (row.n_images, row.reference_accuracy, row.accuracy, row["drop"]) == (2, 1.0, 0.5, 0.5)

    def test_every_image_weighs_the_same_whatever_its_variants(self):
        table = drops(rows({"original": {"a": [1], "b": [1]}, "grey": {"a": [0, 0, 0, 0], "b": [1]}}))
        assert table["drop"].iloc[0] == 0.5

    def test_a_gain_is_a_negative_drop(self):
        table = drops(rows({"original": {"a": [0], "b": [1]}, "grey": {"a": [1], "b": [1]}}))
        assert table["drop"].iloc[0] == -0.5

    def test_the_reference_is_not_compared_with_itself(self):
        assert set(drops(random_rows())["scenario"]) == {"grey", "blur"}

    def test_drop_is_the_difference_of_the_two_accuracies(self):
        table = drops(random_rows())
        np.testing.assert_allclose(table["drop"], table["reference_accuracy"] - table["accuracy"], atol=1e-12)

    def test_a_scenario_without_a_pair_keeps_its_row(self):
        table = drops(rows({"original": {"a": [1], "b": [0]}, "grey": {"c": [1]}}))
        assert table["n_images"].tolist() == [0]
        assert table[["accuracy", "drop", "ci_low", "ci_high"]].isna().all(axis=None)

    def test_one_pair_has_a_drop_and_no_interval(self):
        row = drops(rows({"original": {"a": [1]}, "grey": {"a": [0]}})).iloc[0]
        assert row["drop"] == 1.0
        assert math.isnan(row.ci_low)

    def test_interval_agrees_with_scipy(self):
        predictions = random_rows(n=80, models=("a",), scenarios=("original", "grey"))
        ours = drops(predictions, resamples=8000, seed=1).iloc[0]
        wide = image_accuracies(predictions)
        loss = (wide["a", "pretrained", "original"] - wide["a", "pretrained", "grey"]).to_numpy()
        theirs = stats.bootstrap(
            (loss,), np.mean, n_resamples=8000, method="percentile", rng=np.random.Generator(np.random.PCG64(2))
        ).confidence_interval
        assert ours.ci_low == pytest.approx(theirs.low, abs=0.011)
        assert ours.ci_high == pytest.approx(theirs.high, abs=0.011)

    def test_variants_do_not_narrow_the_interval(self):
        once = random_rows(n=50, models=("a",), scenarios=("original", "grey"))
        thrice = pd.concat([once.assign(variant=v) for v in range(3)])
        pd.testing.assert_frame_equal(drops(once), drops(thrice))

    def test_order_of_rows_does_not_matter_and_the_seed_does(self):
        predictions = random_rows()
        shuffled = predictions.sample(frac=1, random_state=5)
        pd.testing.assert_frame_equal(drops(predictions, seed=1), drops(shuffled, seed=1))
        assert not drops(predictions, seed=1, resamples=50).equals(drops(predictions, seed=2, resamples=50))

    def test_models_are_measured_on_the_same_resamples(self):
        twins = pd.concat([random_rows(models=("a",)), random_rows(models=("a",)).assign(model="b")])
        table = drops(twins)
        first, second = (table[table["model"] == m].drop(columns="model").reset_index(drop=True) for m in "ab")
        pd.testing.assert_frame_equal(first, second)

    def test_a_model_without_the_reference_is_named(self):
        predictions = pd.concat([random_rows(models=("a",)), rows({"grey": {"a": [1]}}, model="lonely")])
        with pytest.raises(XrayError, match=r"'lonely'.*'original'"):
            drops(predictions)

    def test_another_reference(self):
        assert set(drops(random_rows(), reference="grey")["scenario"]) == {"original", "blur"}

    def test_no_predictions_no_rows(self):
        table = drops(random_rows().iloc[:0])
        assert table.empty
        assert {"drop", "ci_low", "ci_high", "n_images"} <= set(table.columns)


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
        monkeypatch.setattr("xray.statistics.robustness._DRAWS_AT_ONCE", 37 * 3)
        np.testing.assert_array_equal(whole, resampled_means(values, 50, 7))

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 2**32))
    @hypothesis_settings(deadline=None, max_examples=30)
    def test_means_stay_between_the_extremes(self, values, seed):
        means = resampled_means(np.array(values)[:, None], 20, seed)
        assert means.min() >= min(values) - 1e-9
        assert means.max() <= max(values) + 1e-9


class TestCrossTerm:
    def test_published_table_about_mu(self):
        assert cross_term(RESNET50, mu=0.95) == pytest.approx(0.078149, abs=5e-7)
        assert cross_term(RESNET50, mu=0.90) == pytest.approx(0.063482, abs=5e-7)

    def test_published_table_about_its_own_mean(self):
        assert cross_term(RESNET50, mu=0.95, about="own_mean") == pytest.approx(0.048677, abs=5e-7)

    def test_published_table_as_standard_deviation(self):
        assert cross_term(RESNET50, mu=0.95, power="std") == pytest.approx(0.279552, abs=5e-7)
        assert cross_term(RESNET50, mu=0.95, about="own_mean", power="std") == pytest.approx(0.220628, abs=5e-7)

    @pytest.mark.parametrize("mu", [None, math.nan])
    def test_missing_mu_is_named(self, mu):
        with pytest.raises(XrayError, match="mu"):
            cross_term(RESNET50, mu=mu)

    def test_missing_accuracy_is_named(self):
        with pytest.raises(XrayError, match="image_grey"):
            cross_term(RESNET50 | {"image_grey": math.nan}, mu=0.95)
        with pytest.raises(XrayError, match="at least one scenario"):
            cross_term({}, mu=0.95)

    def test_unknown_readings_are_refused(self):
        with pytest.raises(XrayError, match="did you mean 'own_mean'"):
            cross_term(RESNET50, mu=0.95, about="ownmean")
        with pytest.raises(XrayError, match="variance"):
            cross_term(RESNET50, mu=0.95, power="cube")

    @given(
        accuracies=st.dictionaries(st.text(min_size=1), st.floats(0, 1), min_size=1, max_size=8),
        mu=st.floats(0, 1),
    )
    @hypothesis_settings(deadline=None)
    def test_properties(self, accuracies, mu):
        about_mu = cross_term(accuracies, mu)
        own = cross_term(accuracies, mu, about="own_mean")
        mean = sum(accuracies.values()) / len(accuracies)
        assert 0 <= own <= about_mu + 1e-12
        assert about_mu == pytest.approx(own + (mean - mu) ** 2, abs=1e-9)
        mirrored = {scenario: 2 * mu - accuracy for scenario, accuracy in accuracies.items()}
        assert cross_term(mirrored, mu) == pytest.approx(about_mu, abs=1e-9)


class TestCrossTerms:
    def test_is_the_cross_term_of_the_accuracies(self):
        predictions = random_rows()
        table = cross_terms(predictions).set_index("model")
        accuracy = predictions.groupby(["model", "scenario"])["correct"].mean()
        for model in ("a", "b"):
            assert table.loc[model, "mu"] == accuracy[model, "original"]
            expected = cross_term({s: accuracy[model, s] for s in ("grey", "blur")}, accuracy[model, "original"])
            assert table.loc[model, "cross"] == pytest.approx(expected)

    @pytest.mark.parametrize(("about", "power"), list(itertools.product(["mu", "own_mean"], ["variance", "std"])))
    def test_interval_by_the_resamples_of_drops(self, about, power):
        predictions = random_rows(models=("a",))
        wide = image_accuracies(predictions)
        drawn = pd.DataFrame(resampled_means(wide.to_numpy(), 300, 4), columns=wide.columns.get_level_values(2))
        expected = [cross_term(r[["grey", "blur"]].to_dict(), r["original"], about, power) for _, r in drawn.iterrows()]
        row = cross_terms(predictions, about=about, power=power, resamples=300, seed=4).iloc[0]
        assert (row.about, row.power) == (about, power)
        np.testing.assert_allclose([row.ci_low, row.ci_high], np.percentile(expected, [2.5, 97.5]))

    def test_a_model_seen_on_the_reference_alone_has_no_value(self):
        predictions = pd.concat([random_rows(models=("a",)), rows({"original": {"i000": [1], "i001": [0]}}, "alone")])
        table = cross_terms(predictions).set_index("model")
        assert table.loc["alone", "n_scenarios"] == 0
        assert math.isnan(table.loc["alone", "cross"])
        assert not math.isnan(table.loc["a", "cross"])

    def test_missing_reference_names_model_and_scenario(self):
        with pytest.raises(XrayError, match=r"'a'.*'as_taken'"):
            cross_terms(random_rows(), reference="as_taken")
