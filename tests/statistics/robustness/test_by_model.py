import itertools
import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from xray.core.errors import ConfigError
from xray.statistics import cross_term, cross_terms, drops, s_robust, s_robust_by_class, s_robusts
from xray.statistics.robustness.bootstrap import image_accuracies, resampled_means


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

    def test_a_scenario_without_a_pair_keeps_its_row(self):
        table = drops(rows({"original": {"a": [1], "b": [0]}, "grey": {"c": [1]}}))
        assert table["n_images"].tolist() == [0]
        assert table[["accuracy", "drop", "ci_low", "ci_high"]].isna().all(axis=None)

    def test_one_pair_has_a_drop_and_no_interval(self):
        row = drops(rows({"original": {"a": [1]}, "grey": {"a": [0]}})).iloc[0]
        assert row["drop"] == 1.0
        assert math.isnan(row.ci_low)

    def test_interval_has_a_width_where_nothing_changes(self):
        predictions = random_rows(n=80, models=("a",), scenarios=("original",))
        row = drops(pd.concat([predictions, predictions.assign(scenario="grey")])).iloc[0]
        assert (row["drop"], row.lost, row.gained, row.p) == (0, 0, 0, 1)
        assert row.ci_low == -row.ci_high
        assert row.ci_high == pytest.approx(0.0338, abs=1e-4)

    def test_tests_are_corrected_for_their_number(self):
        table = drops(random_rows())
        assert (table["lost"] + table["gained"] <= table["n_images"]).all()
        expected = multipletests(table["p"], method="holm")[1]
        np.testing.assert_allclose(table["p_holm"], expected)

    def test_order_and_number_of_variants_do_not_matter(self):
        predictions = random_rows()
        shuffled = pd.concat([predictions.assign(variant=v) for v in range(3)]).sample(frac=1, random_state=5)
        pd.testing.assert_frame_equal(drops(predictions), drops(shuffled))

    def test_groups_are_one_draw(self):
        predictions = random_rows(models=("a",))
        copies = [predictions.assign(image_id=predictions["image_id"] + k, group=predictions["image_id"]) for k in "xy"]
        single, double = drops(predictions), drops(pd.concat(copies))
        for name in ("drop", "ci_low", "ci_high"):
            np.testing.assert_allclose(double[name], single[name])
        assert (double["lost"] == 2 * single["lost"]).all()
        assert (drops(pd.concat(copies).drop(columns="group"))["ci_high"] < double["ci_high"]).all()

    def test_a_model_without_the_reference_is_named(self):
        predictions = pd.concat([random_rows(models=("a",)), rows({"grey": {"a": [1]}}, model="lonely")])
        with pytest.raises(ConfigError, match=r"'lonely'.*'original'"):
            drops(predictions)

    def test_no_predictions_no_rows(self):
        table = drops(random_rows().iloc[:0])
        assert table.empty
        assert {"drop", "ci_low", "ci_high", "n_images"} <= set(table.columns)


class TestCrossTerms:
    def test_is_the_cross_term_of_the_accuracies(self):
        predictions = random_rows()
        table = cross_terms(predictions).set_index("model")
        accuracy = predictions.groupby(["model", "scenario"])["correct"].mean()
        for model in ("a", "b"):
            assert table.loc[model, "mu"] == accuracy[model, "original"]
            expected = cross_term({s: accuracy[model, s] for s in ("grey", "blur")}, accuracy[model, "original"])
            assert table.loc[model, "plug_in"] == pytest.approx(expected)
            assert table.loc[model, "ci_low"] < table.loc[model, "cross"] < table.loc[model, "plug_in"]

    @pytest.mark.parametrize(("about", "power"), list(itertools.product(["mu", "own_mean"], ["variance", "std"])))
    def test_interval_by_the_resamples_of_drops(self, about, power):
        predictions = random_rows(models=("a",))
        wide = image_accuracies(predictions)
        drawn = pd.DataFrame(resampled_means(wide.to_numpy(), 300, 4), columns=wide.columns.get_level_values(2))
        expected = [cross_term(r[["grey", "blur"]].to_dict(), r["original"], about, power) for _, r in drawn.iterrows()]
        row = cross_terms(predictions, about=about, power=power, method="percentile", resamples=300, seed=4).iloc[0]
        assert (row.about, row.power) == (about, power)
        np.testing.assert_allclose([row.ci_low, row.ci_high], np.percentile(expected, [2.5, 97.5]))

    def test_a_model_seen_on_the_reference_alone_has_no_value(self):
        predictions = pd.concat([random_rows(models=("a",)), rows({"original": {"i000": [1], "i001": [0]}}, "alone")])
        table = cross_terms(predictions).set_index("model")
        assert table.loc["alone", "n_scenarios"] == 0
        assert math.isnan(table.loc["alone", "cross"])
        assert not math.isnan(table.loc["a", "cross"])


def both_halves(models=("a", "b"), n=60, scenarios=("grey", "blur"), seed=3, categories=("fox",)):
    """Predictions of models trained on the original, asked everywhere, and trained and asked within each scenario."""
    generator = np.random.Generator(np.random.PCG64(seed))
    cells = [("original", s) for s in ("original", *scenarios)] + [(s, s) for s in scenarios]
    return pd.DataFrame(
        [
            {
                "model": model,
                "trained_on": trained_on,
                "scenario": scenario,
                "category": categories[k % len(categories)],
                "image_id": f"i{k:03}",
                "variant": 0,
                "fold": 0,
                "correct": bool(generator.random() < 0.9 - 0.15 * j),
            }
            for model in models
            for j, (trained_on, scenario) in enumerate(cells)
            for k in range(n)
        ]
    )


def accuracies(predictions, *by):
    return predictions.groupby(["model", "trained_on", "scenario", *by])["correct"].mean().rename("accuracy")


class TestSRobusts:
    @pytest.mark.parametrize(("about", "power"), list(itertools.product(["mu", "own_mean"], ["variance", "std"])))
    def test_is_s_robust_of_the_accuracies(self, about, power):
        predictions = both_halves()
        accuracy = accuracies(predictions)
        table = s_robusts(predictions, about=about, power=power, resamples=50).set_index("model")
        for model in ("a", "b"):
            expected = s_robust(
                {s: accuracy[model, "original", s] for s in ("grey", "blur")},
                {s: accuracy[model, s, s] for s in ("grey", "blur")},
                accuracy[model, "original", "original"],
                about,
                power,
            )
            row = table.loc[model]
            assert row.plug_in == pytest.approx(expected.value, abs=1e-12)
            assert row.plug_in_cross == pytest.approx(expected.sigma2_cross, abs=1e-12)
            assert row.plug_in_inner == pytest.approx(expected.sigma2_inner, abs=1e-12)
            assert row.ci_low < row.s_robust < row.ci_high
            assert (row.mu, row.n_scenarios, row.n_images, row.missing) == (expected.mu, 2, 60, "")
            assert (row.reading, row.about, row.power, row.method) == ("poster", about, power, "shift")

    @pytest.mark.parametrize(("about", "power"), [(None, None), ("mu", "variance")])
    def test_reading_by_class(self, about, power):
        predictions = both_halves(categories=("fox", "car", "cello"))
        accuracy = accuracies(predictions, "category")["a", "original"]
        row = s_robusts(predictions, reading="class_scenario", about=about, power=power, resamples=50).iloc[0]
        mu = accuracy["original"].mean()
        expected = s_robust_by_class(accuracy.drop("original").to_dict(), mu, about or "own_mean", power or "std")
        assert row.plug_in == pytest.approx(expected.value, abs=1e-12)
        assert (row.about, row.power) == (about or "own_mean", power or "std")
        assert row.ci_low < row.s_robust < row.ci_high

    def test_interval_by_resamples_of_images(self):
        predictions = both_halves(models=("a",))
        wide = image_accuracies(predictions)
        drawn = pd.DataFrame(resampled_means(wide.to_numpy(), 300, 4), columns=wide.columns)["a"]
        expected = [
            s_robust(
                {s: row["original", s] for s in ("grey", "blur")},
                {s: row[s, s] for s in ("grey", "blur")},
                row["original", "original"],
            ).value
            for _, row in drawn.iterrows()
        ]
        row = s_robusts(predictions, method="percentile", resamples=300, seed=4).iloc[0]
        np.testing.assert_allclose([row.ci_low, row.ci_high], np.percentile(expected, [2.5, 97.5]))

    def test_accuracies_give_the_same_values_without_intervals(self):
        predictions = both_halves()
        sampled = s_robusts(predictions, resamples=50)
        plain = s_robusts(accuracies(predictions).reset_index().rename(columns={"scenario": "tested_on"}))
        parts = ["model", "trained_on", "plug_in", "plug_in_cross", "plug_in_inner", "mu", "missing", "n_scenarios"]
        assert plain["s_robust"].tolist() == plain["plug_in"].tolist()
        pd.testing.assert_frame_equal(sampled[parts], plain[parts])
        assert plain[["ci_low", "ci_high", "method", "n_images"]].isna().all(axis=None)

    def test_a_pretrained_model_has_the_cross_half_alone(self):
        predictions = pd.concat([both_halves(models=("a",)), random_rows(models=("p",))])
        table = s_robusts(predictions, resamples=50).set_index("model")
        cross = cross_terms(random_rows(models=("p",))).iloc[0]
        assert cross.cross < cross.plug_in
        assert table.loc["a", "missing"] == ""
        assert table.loc["p", ["trained_on", "missing"]].tolist() == ["pretrained", "inner"]
        assert table.loc["p", "sigma2_cross"] == pytest.approx(cross.cross)
        assert table.loc["p", ["s_robust", "sigma2_inner", "ci_low", "ci_high"]].isna().all()

    def test_training_within_scenarios_alone_is_the_inner_half_alone(self):
        predictions = both_halves(models=("a",))
        row = s_robusts(predictions[predictions["trained_on"] != "original"]).iloc[0]
        assert (row.missing, row.n_scenarios) == ("cross", 2)
        assert math.isnan(row.s_robust)

    @pytest.mark.parametrize(
        ("trained_on", "scenario", "named"),
        [
            ("original", "original", r"model 'b'.* mu"),
            ("original", "grey", r"model 'b'.*C\(grey\)"),
            ("grey", "grey", r"model 'b'.*C'\(grey\)"),
        ],
    )
    def test_a_missing_cell_is_named_with_its_model(self, trained_on, scenario, named):
        table = both_halves()
        gone = (table["model"] == "b") & (table["trained_on"] == trained_on) & (table["scenario"] == scenario)
        for given in (table[~gone], accuracies(table[~gone]).reset_index()):
            with pytest.raises(ConfigError, match=named):
                s_robusts(given)

    @pytest.mark.parametrize("trained_on", [["original", "grey"], ["original"], ["grey"]])
    def test_an_empty_cell_is_as_missing_as_one_without_a_row(self, trained_on):
        table = accuracies(both_halves()).reset_index()
        gone = (table["model"] == "b") & (table["scenario"] == "grey") & table["trained_on"].isin(trained_on)
        with pytest.raises(ConfigError, match=r"model 'b'.*\(grey\).*missing"):
            s_robusts(table.assign(accuracy=table["accuracy"].mask(gone)))
        pretrained = table[table["trained_on"] == "original"].assign(trained_on="pretrained")
        lacks = (pretrained["model"] == "b") & (pretrained["scenario"] == "grey")
        with pytest.raises(ConfigError, match=r"model 'b'.*C\(grey\).*missing"):
            s_robusts(pretrained.assign(accuracy=pretrained["accuracy"].mask(lacks)))

    def test_a_missing_class_is_named(self):
        table = both_halves(categories=("fox", "car"))
        gone = (table["scenario"] == "grey") & (table["category"] == "car") & (table["model"] == "b")
        with pytest.raises(ConfigError, match=r"model 'b'.*'grey', class 'car'"):
            s_robusts(table[~gone], reading="class_scenario")

    def test_other_bad_requests_are_refused(self):
        table = accuracies(both_halves()).reset_index()
        with pytest.raises(ConfigError, match=r"\(a, blur, blur\)"):
            s_robusts(pd.concat([table, table]))
        with pytest.raises(ConfigError, match="90"):
            s_robusts(table.assign(accuracy=90.0))
        with pytest.raises(ConfigError, match="'accuracy'"):
            s_robusts(table.drop(columns="accuracy"))
        with pytest.raises(ConfigError, match="did you mean 'class_scenario'"):
            s_robusts(table, reading="class_scenarios")
        with pytest.raises(ConfigError, match="did you mean 'percentile'"):
            s_robusts(table, method="percentil")

    def test_cells_beside_both_halves_do_not_matter(self):
        table = both_halves()
        beside = table[table["trained_on"] == "grey"].assign(scenario="blur", correct=False)
        pd.testing.assert_frame_equal(s_robusts(table), s_robusts(pd.concat([table, beside])))

    def test_one_image_has_no_interval(self):
        table = both_halves(n=1)
        assert s_robusts(table)[["ci_low", "ci_high"]].isna().all(axis=None)

    def test_no_rows_no_models(self):
        assert s_robusts(both_halves().iloc[:0]).empty
