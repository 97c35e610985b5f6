import numpy as np
import pandas as pd
import pytest

from xray.statistics import at_chance, baselines, compare_s_robust, matched_s_robusts
from xray.statistics.robustness.chance import NOT_ABOVE_CHANCE


def table_of(answers, categories, model="m", trained_on="pretrained", scenario="original"):
    """Predictions of answers to photographs; both are numbers of categories."""
    images = [f"{k:03}" for k in range(len(answers))]
    columns = {"model": model, "trained_on": trained_on, "scenario": scenario, "fold": 0, "image_id": images}
    rows = pd.DataFrame({**columns, "category": categories, "top1": answers})
    return rows.assign(correct=rows["top1"] == rows["category"])


EVEN = [k % 4 for k in range(80)]
MOSTLY = [int(k % 10 == 0) for k in range(100)]
"""Nine of ten photographs are of one category."""


def guesses(categories, k, seed=1):
    return np.random.Generator(np.random.PCG64(seed)).integers(0, k, len(categories)).tolist()


@pytest.mark.parametrize("trained_on", ["pretrained", "original"])
@pytest.mark.parametrize(
    ("answers", "categories", "found"),
    [
        (EVEN, EVEN, False),
        (guesses(EVEN, 4), EVEN, True),
        ([2] * 80, EVEN, True),
        ([-1] * 80, EVEN, True),
        ([0] * 100, MOSTLY, True),  # constant: 90 % right
        ([c if k % 5 else 1 - c for k, c in enumerate(MOSTLY)], MOSTLY, True),  # 90 of 100, but the rare ones wrong
        ([c if k % 7 else 1 - c for k, c in enumerate(MOSTLY)], MOSTLY, False),  # 85 %, the rare ones nearly as often
        ([0] * 60 + [1] * 10 + [1] * 20 + [0] * 10, [0] * 70 + [1] * 30, False),  # 80 % where constant answers have 70
    ],
)
def test_models_at_chance(answers, categories, found, trained_on):
    table = at_chance(table_of(answers, categories, trained_on=trained_on))
    assert table["model"].tolist() == ["m"] * found
    assert table["reason"].str.startswith(NOT_ABOVE_CHANCE).all()


def test_chance_of_segmenters_and_of_a_single_category():
    few = table_of([0] * 4 + [-1] * 36, [0] * 40)
    assert at_chance(few).empty
    assert at_chance(few.assign(correct=False))["chance"].tolist() == [0]
    assert at_chance(few.assign(trained_on="original")).empty
    constant = table_of([0] * 40, [0] * 40)
    assert at_chance(constant).empty
    assert at_chance(constant.assign(trained_on="original"))["chance"].tolist() == [1]
    segmenter = table_of([0] * 4 + [-1] * 36, EVEN[:40], trained_on="original")
    assert len(at_chance(segmenter)) == 1
    assert at_chance(segmenter.assign(union=9)).empty
    assert len(at_chance(segmenter.assign(union=9, correct=False))) == 1


def test_variants_and_groups_do_not_lift_a_model_above_chance():
    right = [c if k < 34 else (c + 1) % 4 for k, c in enumerate(EVEN)]
    one = table_of(right, EVEN)
    assert at_chance(one).empty
    few = one[one["image_id"] < "048"]
    few = few.assign(correct=few["image_id"].astype(int) % 12 < 5)
    assert len(at_chance(pd.concat([few.assign(variant=v) for v in range(4)]))) == len(at_chance(few)) == 0
    bursts = one.assign(group=(one["image_id"].astype(int) // 16).astype(str))
    assert len(at_chance(bursts)) == 1


def test_only_what_was_tested_on_the_reference_can_be_at_chance():
    elsewhere = table_of([-1] * 80, EVEN, scenario="grey")
    assert at_chance(elsewhere).empty
    assert at_chance(table_of([-1] * 80, EVEN, trained_on="grey")).empty
    assert at_chance(table_of([-1] * 80, EVEN).drop(columns="category")).empty
    assert at_chance(elsewhere.iloc[:0]).empty


def trained(model, right):
    """Predictions for S_robust: right on `right` of each ten photographs, one fewer in the scenario."""
    cells = [("original", "original", 0), ("original", "grey", 1), ("grey", "grey", 1)]
    return pd.concat(
        table_of([c if k // 4 % 10 < right - fewer else -1 for k, c in enumerate(EVEN)], EVEN, model, on, scenario)
        for on, scenario, fewer in cells
    )


def test_models_at_chance_have_no_s_robust_and_are_not_compared():
    predictions = pd.concat([trained("good", 9), trained("better", 10), trained("guess", 2)])
    rows = matched_s_robusts(predictions).set_index("model")
    values = ["s_robust", "ci_low", "ci_high", "plug_in", "sigma2_cross", "sigma2_inner"]
    assert rows.loc["guess", values].isna().all()
    assert rows.loc["guess", "missing"].startswith(f"{NOT_ABOVE_CHANCE}: 20.0 % [")
    assert rows.loc["guess", "mu"] == pytest.approx(0.2)
    assert rows.loc[["good", "better"], values].notna().all(axis=None)
    assert (rows.loc[["good", "better"], "missing"] == "").all()
    compared = compare_s_robust(predictions, resamples=50)
    assert compared[["first", "second"]].to_numpy().tolist() == [["better", "good"]]


def test_a_pretrained_model_at_chance_lacks_both():
    predictions = pd.concat([table_of([-1] * 80, EVEN), table_of([-1] * 80, EVEN, scenario="grey")])
    (row,) = matched_s_robusts(predictions).to_dict("records")
    assert row["missing"].startswith(f"{NOT_ABOVE_CHANCE}: never right")
    assert "inner half" in row["missing"]
    assert np.isnan(row["sigma2_cross"])


class TestBaselines:
    def test_shuffled_is_the_mean_over_permutations(self):
        answers = [c if k % 3 else (c * 2 + 1) % 4 for k, c in enumerate(EVEN)]
        hidden = table_of(answers, EVEN, scenario="no_object")
        (row,) = baselines(pd.concat([table_of(EVEN, EVEN), hidden]), ["no_object"]).to_dict("records")
        generator = np.random.Generator(np.random.PCG64(3))
        shuffled = [np.mean(generator.permutation(EVEN) == answers) for _ in range(2000)]
        assert row["shuffled"] == pytest.approx(np.mean(shuffled), abs=0.004)
        assert row["majority"] == 0.25
        assert row["accuracy"] == hidden["correct"].mean()

    def test_several_answers_may_be_right_for_a_category(self):
        known = table_of([7, 8, 5], [1, 1, 0]).assign(correct=True)
        hidden = table_of([7, 7, 8, 3], [1, 0, 0, 0], scenario="no_object").assign(correct=[True, False, False, False])
        (row,) = baselines(pd.concat([known, hidden]), ["no_object"]).to_dict("records")
        assert (row["majority"], row["shuffled"]) == (0.75, pytest.approx(3 / 4 * 1 / 4))

    def test_trainings_of_a_model_share_their_labels_and_pretrained_ones_have_others(self):
        hidden = table_of([1, 1], [0, 1], trained_on="original", scenario="no_object").assign(correct=False)
        elsewhere = table_of([1], [1], trained_on="grey", scenario="grey")
        pretrained = table_of([1], [0]).assign(correct=True)
        (row,) = baselines(pd.concat([hidden, elsewhere, pretrained]), ["no_object"]).to_dict("records")
        assert row["shuffled"] == 0.5

    def test_unknown_answers_have_none(self):
        hidden = table_of([0, 0], [0, 1], scenario="no_object")
        assert baselines(hidden.drop(columns="top1"), ["no_object"])["shuffled"].isna().all()
        assert baselines(hidden.assign(union=3), ["no_object"])["shuffled"].isna().all()
        assert baselines(hidden, ["other"]).empty
        assert baselines(hidden, ["no_object"])["shuffled"].tolist() == [0.5]
