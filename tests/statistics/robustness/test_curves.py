import numpy as np
import pandas as pd
import pytest

from xray.core.errors import ConfigError
from xray.statistics.robustness.curves import curve_summaries, curves, failure_points

VERDICTS = ["111111", "110100", "111100", "011111", "111110"]
SCALES = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
LEVELS = pd.DataFrame({
    "curve": "blur", "level": SCALES, "scenario": [f"blur-{scale}" for scale in SCALES], "severity": range(6),
    "ordered": True,
})  # fmt: skip


def predictions(verdicts=VERDICTS, levels=LEVELS):
    rows = [
        (scenario, f"photo-{k}", right == "1")
        for k, word in enumerate(verdicts)
        for scenario, right in zip(levels["scenario"], word, strict=True)
        if right != "-"
    ]
    table = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"])
    return table.assign(model="m", trained_on="pretrained", category=table["image_id"].str[-1])


def test_failure_points_of_a_published_kind_of_table():
    right = np.array([[one == "1" for one in word] for word in VERDICTS])
    assert failure_points(right, SCALES).tolist() == [3.0, 1.0, 2.0, 0.0, 2.5]


@pytest.mark.parametrize(
    ("levels", "beyond"),
    [([0.2, 0.1, 0.05], 0.0), ([0.2, 0.05], 0.0), ([0.1, 0.08, 0.05], 0.02), ([1, 3, 9], 15), ([-10, -30], -50)],
)
def test_a_photograph_that_never_fails_is_one_step_beyond_but_not_of_a_negative_size(levels, beyond):
    assert failure_points(np.ones((1, len(levels)), bool), levels).tolist() == pytest.approx([beyond])


def test_curve_and_summary_of_the_same_table():
    curve = curves(predictions(), LEVELS)
    assert curve["accuracy"].tolist() == pytest.approx([0.8, 1, 0.8, 1, 0.6, 0.4])
    assert curve["surviving"].tolist() == pytest.approx([0.8, 0.8, 0.6, 0.6, 0.4, 0.2])
    (summary,) = curve_summaries(predictions(), LEVELS).to_dict("records")
    assert summary["failure"] == pytest.approx(1.7)
    assert summary["failing_from_right"] == pytest.approx(2.125)
    assert summary["not_monotone"] == pytest.approx(2 / 5)
    assert summary["never_failing"] == pytest.approx(1 / 5)
    assert summary["area"] == pytest.approx((0.4 + 1 + 0.8 + 1 + 0.6 + 0.2) / 5)
    assert summary["area_low"] <= summary["area"] <= summary["area_high"]


@pytest.mark.parametrize("word", ["1" * 6, "0" * 6])
def test_an_area_has_a_width_where_no_photograph_differs(word):
    row = curve_summaries(predictions([word] * 9), LEVELS).iloc[0]
    assert row["area"] == int(word[0])
    assert row["area_high"] - row["area_low"] == pytest.approx(0.299, abs=0.001)
    assert curve_summaries(predictions([word]), LEVELS)[["area_low", "area_high"]].isna().all(axis=None)


def test_only_complete_cases_count():
    curve = curves(predictions(["111111", "10----", "111110"]), LEVELS)
    assert curve["accuracy"].tolist() == pytest.approx([1, 1, 1, 1, 1, 0.5])
    assert set(curve["n_images"]) == {2}
    assert set(curve["n_left_out"]) == {1}
    assert set(curve["categories_lost"]) == {"1"}


def test_a_photograph_that_lacks_every_level_is_left_out_too():
    elsewhere = predictions(["1"], LEVELS.iloc[:1]).assign(scenario="original", image_id="photo-9", category="9")
    curve = curves(pd.concat([predictions(["111111", "10----"]), elsewhere]), LEVELS)
    assert set(curve["n_images"]) == {1}
    assert set(curve["n_left_out"]) == {2}
    assert set(curve["categories_lost"]) == {"1, 9"}


def test_order_is_that_of_severity_not_of_numbers():
    smaller = LEVELS.assign(level=SCALES[::-1])
    (summary,) = curve_summaries(predictions(["110000"]), smaller).to_dict("records")
    assert summary["failure"] == pytest.approx(1.5)
    assert summary["area"] == pytest.approx((1 + 0.5) / 5)


def test_a_model_without_one_of_the_levels_has_no_curve():
    table = predictions()
    assert curves(table[table["scenario"] != "blur-1.0"], LEVELS).empty
    assert curves(table.iloc[:0], LEVELS).empty


@pytest.mark.parametrize("levels", [LEVELS.drop(columns="severity"), LEVELS.iloc[:1]])
def test_levels_are_checked(levels):
    with pytest.raises(ConfigError):
        curves(predictions(), levels)


def test_intervals_of_areas_hold_the_truth_where_few_photographs_are_wrong():
    generator, held = np.random.Generator(np.random.PCG64(6)), 0
    for _ in range(40):
        easy_N1, chance_NL = generator.standard_normal((30, 1)), generator.standard_normal((30, len(LEVELS)))
        words = ["".join(map(str, row)) for row in (0.9 * easy_N1 + 0.44 * chance_NL < 1.88).astype(int)]
        (row,) = curve_summaries(predictions(words), LEVELS).to_dict("records")
        held += row["area_low"] <= 0.97 <= row["area_high"]
    assert held >= 36
