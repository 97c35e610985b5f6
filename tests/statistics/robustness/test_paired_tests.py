import numpy as np
import pandas as pd
import pytest

from xray.core.errors import ConfigError
from xray.statistics import compare, compare_s_robust, s_robusts
from xray.statistics.robustness.differences import bonett_price


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


class TestCompare:
    def test_differences_of_common_images(self):
        table = predictions({"a": 0.9, "b": 0.6}, n=40)
        gone = (table["model"] == "b") & (table["image_id"] < "i010")
        row = compare(table[~gone]).query("scenario == 'grey'").iloc[0]
        kept = table[(table["image_id"] >= "i010") & (table["scenario"] == "grey")].groupby("model")["correct"].mean()
        assert (row.accuracy_first, row.accuracy_second, row.n_images) == (kept["a"], kept["b"], 30)
        assert row.difference == pytest.approx(kept["a"] - kept["b"])
        assert row.ci_low < row.difference < row.ci_high

    def test_interval_is_that_of_drops_and_the_test_is_exact(self):
        table = predictions({"a": 0.8, "b": 0.6}, scenarios=("grey",), n=150)
        wide = table.pivot(index="image_id", columns="model", values="correct").astype(float)
        difference = (wide["a"] - wide["b"]).to_numpy()[:, None]
        row = compare(table).iloc[0]
        assert (row.ci_low, row.ci_high) == tuple(bonett_price(difference).ravel())
        assert (row.first_better, row.second_better) == ((difference > 0).sum(), (difference < 0).sum())
        assert row.test == "exact"

    def test_groups_are_one_draw(self):
        table = predictions({"a": 0.8, "b": 0.6}, scenarios=("grey",), n=40)
        copies = pd.concat([table.assign(image_id=table["image_id"] + f"-{k}", group=table["image_id"]) for k in "xy"])
        single, double = compare(table).iloc[0], compare(copies).iloc[0]
        assert (double.ci_low, double.ci_high) == (pytest.approx(single.ci_low), pytest.approx(single.ci_high))
        assert (double.n_images, double.test) == (80, "clustered")

    def test_trainings_count_where_both_models_were_repeated(self):
        table = predictions({"a": 0.8, "b": 0.6}, scenarios=("grey",), trained_on="original")
        parts = [table.assign(repeat=r, correct=table["correct"] & (table["image_id"] >= f"i0{r}0")) for r in range(3)]
        single = compare(parts[1].assign(repeat=0)).iloc[0]
        same = pd.concat([parts[1].assign(repeat=r) for r in range(3)])
        assert compare(same).iloc[0][["ci_low", "ci_high", "p"]].tolist() == single[["ci_low", "ci_high", "p"]].tolist()
        noisy = pd.concat(  # the later a training of a, the more of the first photographs it gets wrong
            part.assign(correct=part["correct"] & ((part["model"] == "b") | (part["image_id"] >= f"i0{3 * r}0")))
            for r, part in enumerate(parts)
        )
        found, given = compare(noisy).iloc[0], compare(noisy.assign(repeat=0)).iloc[0]
        assert found["difference"] == pytest.approx(given["difference"])
        assert found["ci_high"] - found["ci_low"] > 1.05 * (given["ci_high"] - given["ci_low"])
        assert found["p"] > given["p"]
        one_side = noisy[(noisy["model"] == "a") | (noisy["repeat"] == 0)]
        assert compare(one_side).iloc[0]["ci_low"] == compare(one_side.assign(repeat=0)).iloc[0]["ci_low"]

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
        parts = s_robusts(table).set_index("model")[["sigma2_cross", "sigma2_inner"]]
        value = 1 - parts.sum(axis=1)
        found = compare_s_robust(table)
        assert len(found) == 3
        for row in found.itertuples():
            assert row.difference == pytest.approx(value[row.first] - value[row.second], abs=1e-12)
            assert row.ci_low <= row.ci_high
            assert row.p <= row.p_holm <= 1

    def test_twins_do_not_differ(self):
        table = self.table({"a": 0.9})
        row = compare_s_robust(pd.concat([table, table.assign(model="b")])).iloc[0]
        assert row.difference == 0
        assert row.ci_low <= 0 <= row.ci_high
        assert row.p > 0.9

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
