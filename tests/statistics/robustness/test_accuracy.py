import pandas as pd

from xray.statistics import accuracy_table


def predictions(verdicts, **columns):
    return pd.DataFrame({"image_id": [f"i{k}" for k in range(len(verdicts))], "correct": verdicts} | columns)


def test_wilson_interval_is_the_textbook_one():
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 81 of 263 and 15 of 148 by the score method
    first = accuracy_table(predictions([True] * 81 + [False] * 182, model="m"), by=["model"]).iloc[0]
    second = accuracy_table(predictions([True] * 15 + [False] * 133, model="m"), by=["model"]).iloc[0]
    assert (round(first.ci_low, 4), round(first.ci_high, 4)) == (0.2553, 0.3662)
    assert (round(second.ci_low, 4), round(second.ci_high, 4)) == (0.0624, 0.1605)
    narrow = accuracy_table(predictions([True] * 15 + [False] * 133, model="m"), by=["model"], confidence=0.5).iloc[0]
    assert second.ci_low < narrow.ci_low < narrow.accuracy < narrow.ci_high < second.ci_high


def test_certain_accuracies_have_intervals_inside_the_range():
    none, all_ = (accuracy_table(predictions([right] * 9, model="m"), by=["model"]).iloc[0] for right in (False, True))
    assert none.ci_low == 0 < none.ci_high < 1
    assert 0 < all_.ci_low < all_.ci_high == 1


def test_rows_of_one_photograph_are_counted_as_one_image():
    rows = pd.DataFrame(
        {"model": "m", "image_id": ["a", "a", "a", "b"], "correct": [True, False, True, True], "scenario": "s"}
    )
    cell = accuracy_table(rows, by=["model", "scenario"]).iloc[0]
    assert (cell.n, cell.correct, cell.n_images, cell.accuracy) == (4, 3, 2, 0.75)


def test_default_groups_are_model_training_scenario_and_category():
    rows = predictions([True, False], model=["m", "n"], trained_on="pretrained", scenario="grey", category="fox")
    table = accuracy_table(rows)
    assert list(table.columns) == [
        *("model", "trained_on", "scenario", "category"),
        *("n", "correct", "accuracy", "ci_low", "ci_high", "n_images", "n_effective"),
    ]
    assert table["accuracy"].tolist() == [1.0, 0.0]


def test_no_predictions_give_an_empty_table():
    table = accuracy_table(predictions([], model=[]), by=["model"])
    assert table.empty
    assert "ci_low" in table.columns


def test_variants_and_groups_widen_the_interval():
    alone = predictions([True] * 6 + [False] * 4, model="m")
    variants = pd.concat([alone.assign(variant=v) for v in range(3)])
    grouped = variants.assign(group=variants["image_id"].replace({"i1": "i0"}))
    by = ["model"]
    one, three, groups = (accuracy_table(rows, by).iloc[0] for rows in (alone, variants, grouped))
    assert (one.n, one.n_effective, three.n, three.n_effective, three.n_images) == (10, 10, 30, 10, 10)
    assert (one.ci_low, one.ci_high) == (three.ci_low, three.ci_high)
    assert (groups.n_images, groups.accuracy) == (10, 0.6)
    assert groups.n_effective < 10
    assert groups.ci_low < one.ci_low < one.ci_high < groups.ci_high


def test_photographs_without_a_group_are_their_own():
    rows = predictions([True, True, False, False], model="m")
    named = accuracy_table(rows.assign(group=[None, None, "x", "x"]), by=["model"]).iloc[0]
    assert named.n_effective == 3
    assert accuracy_table(rows.assign(group=None), by=["model"]).iloc[0].n_effective == 4
