from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from xray.cli.summary import summary
from xray.core import schema
from xray.core.errors import DamagedError, XrayError
from xray.core.schema import PREDICTIONS, SCORES
from xray.pipeline.score import _check_once, robustness, score, score_predictions
from xray.statistics import cross_terms


@dataclass
class TableRun:
    predictions: pa.Table
    recipe_values: dict
    masks: pa.Table = field(default_factory=schema.MASKS.empty_table)
    written: dict[str, pa.Table] = field(default_factory=dict)

    @property
    def store(self):
        return self

    def table(self, name, columns=None, dictionaries=()):
        tables = {"predictions": self.predictions, "masks": self.masks, "source": schema.SOURCE.empty_table()}
        return tables[name].select(columns or tables[name].schema.names)

    def write_table(self, name, table):
        self.written[name] = table


RECIPE = {"seed": 7, "scenarios": {"original": {"kind": "original"}, "grey": {"kind": "image_grey"}}}
PATTERN = {  # correct answers of model m by scenario, for the photographs 0 … 7
    "original": [1, 1, 1, 1, 1, 1, 1, 1],
    "grey": [1, 1, 1, 1, 1, 0, 0, 0],
}


def predictions(model="m", pattern=PATTERN, trained_on="pretrained", fold=-1, first=0, **more):
    constant = {"variant": 0, "model": model, "weights": "00", "trained_on": trained_on, "fold": fold}
    constant |= {"top1": 277, "top5": [277, 1, 2, 3, 4], "p_true": 0.5}
    rows = [
        {
            **constant,
            "sample_id": f"{scenario}-{first + k}",
            "image_id": f"i{first + k}",
            "category": ("fox", "whale")[k % 2],
            "scenario": scenario,
            "correct": bool(correct),
            **{name: values[k] for name, values in more.items()},
        }
        for scenario, verdicts in pattern.items()
        for k, correct in enumerate(verdicts)
    ]
    return pa.Table.from_pylist(rows, schema=PREDICTIONS)


def in_fold_1(table):
    frame = table.to_pandas().assign(fold=1)
    return pa.Table.from_pandas(frame, PREDICTIONS, preserve_index=False)


def scored(*tables, recipe=RECIPE):
    return score(TableRun(pa.concat_tables(tables), recipe))


def test_photographs_without_a_mask_are_left_out_of_cross_terms():
    recipe = {"seed": 7, "scenarios": {**RECIPE["scenarios"], "blur": {"kind": "blur_background"}}}
    pattern = {"original": [1, 1, 1, 1, 0, 0, 0, 0], "grey": [1, 1, 1, 0, 0, 0, 0, 0], "blur": [1, 1, 0, 0]}
    scores = scored(predictions(pattern=pattern), recipe=recipe)
    accuracy = scores.accuracy.set_index("scenario")
    assert accuracy.loc["original", "accuracy"] == 0.5  # of all eight
    drops = scores.drops.set_index("scenario")
    assert drops["drop"].to_dict() == {"blur": 0.5, "grey": 0.125}
    assert drops["n_images"].to_dict() == {"blur": 4, "grey": 8}
    cross = scores.cross.iloc[0]
    assert (cross["mu"], cross["n_images"]) == (1, 4)
    assert cross["cross"] == pytest.approx(lost(1, 4) / 2 + lost(2, 4) / 2)


def test_a_masked_photograph_that_a_filter_refused_counts():
    recipe = {"seed": 7, "scenarios": {**RECIPE["scenarios"], "blur": {"kind": "blur_background"}}}
    pattern = {"original": [1, 1, 0, 0], "grey": [1, 1, 0, 0], "blur": [1, 1, 0]}
    masks = pa.Table.from_pylist([{"image_id": "i3", "origin": "given", "status": "ok", "reason": ""}], schema.MASKS)
    with_mask = score(TableRun(predictions(pattern=pattern), recipe, masks))
    assert with_mask.cross.iloc[0]["mu"] == 0.5
    assert scored(predictions(pattern=pattern), recipe=recipe).cross.iloc[0]["mu"] == pytest.approx(2 / 3)


def test_score_writes_the_tables_of_the_run():
    run = TableRun(predictions(), RECIPE)
    scores = score(run)
    assert set(run.written) == {"scores", "drops", "robustness"}
    assert run.written["scores"].schema.equals(SCORES, check_metadata=True)
    cells = run.written["scores"].to_pandas().set_index(["tested_on", "category"])
    assert cells.loc[("original", "fox"), ["n", "correct"]].tolist() == [4, 4]
    assert cells.loc[("grey", "whale"), "accuracy"] == 0.5
    assert run.written["robustness"].to_pandas()["plug_in"].tolist() == [0.375**2]
    assert run.written["drops"].to_pandas()["drop"].tolist() == [0.375]
    assert run.written["robustness"].to_pandas()["cross"].tolist() == [pytest.approx(lost(3, 8))]
    assert run.written["drops"].column_names == list(scores.drops)
    assert scores.accuracy.set_index("scenario")["accuracy"].to_dict() == {"original": 1.0, "grey": 0.625}
    assert scores.by_category["n"].tolist() == [4] * 4


def test_the_seed_comes_from_the_recipe():
    generator = np.random.Generator(np.random.PCG64(0))
    pattern = {name: generator.random(57) < 0.9 - 0.2 * k for k, name in enumerate(["original", "grey", "blur", "r"])}
    table = predictions(pattern=pattern)
    cross = score(TableRun(table, RECIPE)).cross
    pd.testing.assert_frame_equal(cross, cross_terms(table.to_pandas(), seed=RECIPE["seed"]))
    assert not cross.equals(cross_terms(table.to_pandas(), seed=0))


def test_a_model_without_predictions_on_the_original_is_refused():
    run = TableRun(pa.concat_tables([predictions(), predictions("lonely", {"grey": [1, 0]})]), RECIPE)
    with pytest.raises(XrayError, match=r"'lonely'.*'original'"):
        score(run)
    assert run.written == {}
    with pytest.raises(XrayError, match="xray evaluate"):
        scored(PREDICTIONS.empty_table())


def test_drops_exclude_models_trained_on_other_scenarios():
    scores = scored(predictions(), predictions(trained_on="grey", pattern={"grey": [1] * 8}))
    assert set(scores.drops["trained_on"]) == {"pretrained"}
    assert set(scores.accuracy["trained_on"]) == {"pretrained", "grey"}


def test_controls_have_a_drop_and_are_excluded_from_the_cross_term():
    recipe = RECIPE | {"scenarios": RECIPE["scenarios"] | {"without": {"kind": "no_object"}}}
    scores = scored(predictions(pattern=PATTERN | {"without": [0] * 8}), recipe=recipe)
    assert set(scores.drops["scenario"]) == {"grey", "without"}
    assert scores.cross["cross"].tolist() == [pytest.approx(lost(3, 8))]
    assert scores.cross["n_scenarios"].tolist() == [1]


def test_summary_lists_the_largest_drop_first():
    pattern = PATTERN | {"blur": [1, 1, 1, 1, 1, 1, 1, 0], "sharp": [1] * 8}
    lines = summary(score_predictions(predictions(pattern=pattern).to_pandas())).splitlines()
    assert [line.split()[1] for line in lines[1:5]] == ["original", "grey", "blur", "sharp"]
    assert lines[1].split()[2:] == ["100.0", "%", "8", "reference"]
    assert "37.5" in lines[2]
    assert "0.0" in lines[4]
    (cross,) = [line for line in lines if "cross term" in line]
    assert f"cross term of S_robust {lost(3, 8) / 3:.4f} [" in cross
    assert f"as published {(0.375**2 + 0.125**2) / 3:.4f}" in cross
    assert "Of 3 intervals" in lines[-1]


def lost(n, of):
    """Return the debiased square of a loss of `n` of `of` photographs: the mean over all pairs of different ones."""
    return n * (n - 1) / (of * (of - 1))


def answers(correct, of=20):
    return [1] * correct + [0] * (of - correct)


def trained(model="net", inner=("grey", "blur"), cross=("grey", "blur"), **more):
    """Of 20 photographs, correct on the original 18, grey 14, blur 16; if trained on them, grey 17, blur 20."""
    seen = {"original": answers(18), "grey": answers(14), "blur": answers(16), "without": answers(0)}
    own = {"grey": answers(17), "blur": answers(20)}
    tables = [predictions(model, {name: seen[name] for name in ("original", *cross)}, "original", 0, **more)]
    tables += [predictions(model, {name: own[name]}, name, 0, **more) for name in inner]
    return pa.concat_tables(tables)


KINDS = {"original": "original", "grey": "image_grey", "blur": "blur_background", "without": "no_object"}
S_ROBUST = 1 - (lost(4, 20) + lost(2, 20) + lost(1, 20) + lost(2, 20)) / 2
TRAINING = {
    "seed": 7,
    "scenarios": {name: {"kind": kind} for name, kind in KINDS.items()},
    "training": {"scenarios": None},
}


class TestSRobust:
    def test_by_hand(self):
        scores = score(run := TableRun(trained(cross=("grey", "blur", "without")), TRAINING))
        (row,) = scores.s_robust.to_dict("records")
        # mu 0.9; C: grey 0.7, blur 0.8; C': grey 0.85, blur 1.0; the control is excluded
        assert row["sigma2_cross"] == pytest.approx(lost(4, 20) / 2 + lost(2, 20) / 2)
        assert row["sigma2_inner"] == pytest.approx(lost(1, 20) / 2 + lost(2, 20) / 2)
        assert row["s_robust"] == pytest.approx(S_ROBUST)
        assert (row["plug_in_cross"], row["plug_in_inner"]) == pytest.approx((0.025, 0.00625))
        assert row["mu"] == pytest.approx(0.9)
        assert (row["missing"], row["scenarios"], row["n_images"]) == ("", "blur, grey", 20)
        assert row["ci_low"] < row["s_robust"] < row["ci_high"]
        (written,) = run.written["robustness"].to_pylist()
        assert written["s_robust"] == row["s_robust"]
        assert (written["s_robust_low"], written["s_robust_high"]) == (row["ci_low"], row["ci_high"])
        assert written["cross"] == row["sigma2_cross"]
        assert written["plug_in"] == pytest.approx(0.025)
        assert written["s_robust_plug_in"] == pytest.approx(1 - 0.025 - 0.00625)
        assert (written["plug_in_inner"], written["s_robust_images_least"]) == (pytest.approx(0.00625), 20)

    def test_pretrained_and_trained_models_side_by_side(self):
        scores = scored(predictions(pattern=PATTERN | {"blur": [1] * 8}), trained(), recipe=TRAINING)
        table = robustness(scores).set_index(["model", "trained_on"])
        assert table.loc[("net", "original"), "s_robust"] == pytest.approx(S_ROBUST)
        assert np.isnan(table.loc[("m", "pretrained"), "s_robust"])
        assert table.loc[("m", "pretrained"), "sigma2_cross"] == pytest.approx(lost(3, 8) / 2)
        assert table.loc[("m", "pretrained"), "missing"] == "pretrained, so not trained within scenarios (inner half)"

    @pytest.mark.parametrize(
        ("table", "missing"),
        [
            (trained(inner=("grey",)), "not trained within blur (inner half)"),
            (trained(inner=()), "not trained within blur, grey (inner half)"),
            (trained(cross=("grey",)), "trained on original, but not tested on blur (cross half)"),
            (predictions("net", {"grey": answers(9)}, "grey", 0), "not trained on original (mu, cross half)"),
        ],
    )
    def test_missing_terms_are_named_and_affect_no_other_model(self, table, missing):
        scores = scored(table, trained("whole"), recipe=TRAINING)
        rows = scores.s_robust.set_index("model")
        assert missing in rows.loc["net", "missing"]
        assert np.isnan(rows.loc["net", "s_robust"])
        assert rows.loc["whole", "s_robust"] == pytest.approx(S_ROBUST)
        assert f"net, trained on original: no S_robust: {rows.loc['net', 'missing']}" in summary(scores)

    def test_the_part_that_is_whole_is_given(self):
        (row,) = scored(trained(inner=("grey",)), recipe=TRAINING).s_robust.to_dict("records")
        assert row["sigma2_cross"] == pytest.approx(lost(4, 20) / 2 + lost(2, 20) / 2)
        assert np.isnan(row["sigma2_inner"])

    def test_both_halves_cover_the_training_scenarios(self):
        recipe = TRAINING | {"training": {"scenarios": ["original", "grey"]}}
        (row,) = scored(trained(inner=("grey",)), recipe=recipe).s_robust.to_dict("records")
        assert row["s_robust"] == pytest.approx(1 - lost(4, 20) - lost(1, 20))
        assert (row["scenarios"], row["n_scenarios"]) == ("grey", 1)
        from_table = score_predictions(trained(inner=("grey",)).to_pandas()).s_robust  # without a recipe
        assert from_table["s_robust"].tolist() == [row["s_robust"]]

    def test_a_missing_fold_is_named(self):
        second = in_fold_1(trained(inner=("blur",), first=20))
        (row,) = scored(trained(), second, recipe=TRAINING).s_robust.to_dict("records")
        assert row["missing"] == "not trained within grey in fold 1 (inner half)"
        blurred = second.filter(pc.not_equal(second["trained_on"], "original"))
        (row,) = scored(trained(), blurred, recipe=TRAINING).s_robust.to_dict("records")
        assert "not trained on original in fold 1 (mu, cross half)" in row["missing"]
        assert "not trained within grey in fold 1 (inner half)" in row["missing"]

    def test_folds_are_pooled_in_scores_and_kept_in_the_table(self):
        scores = score(run := TableRun(pa.concat_tables([trained(), in_fold_1(trained(first=20))]), TRAINING))
        cells = scores.accuracy.set_index(["trained_on", "scenario"])
        assert cells.loc[("grey", "grey"), ["n", "correct"]].tolist() == [40, 34]
        assert scores.s_robust["s_robust"].tolist() == [
            pytest.approx(1 - (lost(8, 40) + lost(4, 40) + lost(2, 40) + lost(4, 40)) / 2)
        ]
        assert set(run.written["scores"].column("fold").to_pylist()) == {0, 1}

    def test_a_model_tested_only_on_its_own_scenario_is_no_error(self):
        scores = scored(predictions("net", {"grey": answers(9)}, "grey", 0), recipe=TRAINING)
        assert scores.drops.empty
        assert scores.cross.empty
        assert "net, accuracy in % by training" in summary(scores)

    def test_a_model_at_chance_has_no_s_robust_and_no_drops(self):
        assert scored(trained(), trained(first=20), recipe=TRAINING).warnings == ()
        lucky = {"original": answers(11), "grey": answers(10), "blur": answers(19)}
        tables = [predictions("net", lucky, "original", 0)]
        tables += [predictions("net", {name: answers(19)}, name, 0) for name in ("grey", "blur")]
        scores = score(run := TableRun(pa.concat_tables([*tables, trained("good")]), TRAINING))
        (warning,) = scores.warnings
        assert (
            warning
            == "net, trained on original: not shown to be above chance: 55.0 % [34.2, 74.2] on original, chance 50.0 %"
        )
        assert set(scores.above_chance(scores.drops)["model"]) == {"good"}
        rows = run.written["robustness"].to_pandas().set_index("model")
        values = ["cross", "plug_in", "s_robust", "s_robust_plug_in", "sigma2_cross", "sigma2_inner"]
        assert rows.loc["net", values].isna().all()
        assert rows.loc["good", values].notna().all()
        text = summary(scores)
        assert text.count("not shown to be above chance") == 3 + 1 + 1  # its scenarios, its S_robust, the note
        assert "Of 2 intervals" in text


def test_accuracies_without_the_object_stand_beside_answers_that_ignore_the_photograph():
    recipe = RECIPE | {"scenarios": RECIPE["scenarios"] | {"without": {"kind": "no_object"}}}
    table = predictions(pattern=PATTERN | {"without": [1, 1, 0, 0, 0, 0, 0, 0]}).to_pandas()
    table["top1"] = table["category"].map({"fox": 277, "whale": 147}).where(table["correct"], 9)
    scores = score(run := TableRun(pa.Table.from_pandas(table, PREDICTIONS, preserve_index=False), recipe))
    (row,) = run.written["baselines"].to_pylist()
    assert (row["scenario"], row["accuracy"], row["majority"]) == ("without", 0.25, 0.5)
    assert row["shuffled"] == pytest.approx(1 / 8 * 1 / 2 + 1 / 8 * 1 / 2)
    assert "shuffled 12.5 %, most frequent category 50.0 %" in summary(scores)


def test_segmenters_by_hand():
    pattern = {"original": [1, 0, 0], "grey": [1, 1, 1]}
    measured = {"intersection": [30, 0, 10], "union": [40, 60, 40], "pixel_accuracy": [0.9, 0.5, 0.7]}
    both = pa.concat_tables([predictions("unet", pattern, "original", 0, **measured), predictions()])
    scores = score(run := TableRun(both, RECIPE))
    assert scores.segmentation["model"].tolist() == ["unet", "unet"]
    row = scores.segmentation.set_index("tested_on").loc["original"]
    assert (row["n"], row["n_images"]) == (3, 3)
    assert row["iou"] == pytest.approx((0.75 + 0 + 0.25) / 3)
    assert row["dice"] == pytest.approx((60 / 70 + 0 + 20 / 50) / 3)
    assert row["pixel_accuracy"] == pytest.approx(0.7)
    assert row["iou_low"] == 0.0
    assert row["iou_high"] == 0.75
    assert run.written["segmentation"].num_rows == 2
    text = summary(scores)
    assert "the share of images whose IoU is at least 0.5" in text
    assert "unet, trained on original  original   3  33.3 [0.0, 75.0]" in text


def test_summary_of_three_models_in_four_scenarios_is_compact():
    tables = [trained(model) for model in ("alpha", "beta", "gamma")]
    text = summary(scored(*tables, predictions(), recipe=TRAINING))
    assert max(map(len, text.splitlines())) < 220
    matrix = text.split("beta, accuracy in %")[1].split("\n\n")[0].splitlines()[1:]
    assert [line.split() for line in matrix] == [
        ["original", "blur", "grey"],
        ["original", "90.0", "80.0", "70.0"],
        ["blur", "–", "100.0", "–"],
        ["grey", "–", "–", "85.0"],
    ]
    assert f"beta: S_robust {S_ROBUST:.4f} [" in text
    assert "as published 0.9688" in text
    assert "cross 0.0184 + inner 0.0026" in text
    assert "over photographs, given the networks" in text
    assert "mu = 0.9000, 2 scenarios (blur, grey), n = 20 photographs" in text


def test_many_scenarios_are_numbered():
    names = [f"a_scenario_with_a_long_name_{k}" for k in range(6)]
    table = predictions("net", {name: answers(9) for name in names}, names[0], 0)
    text = summary(score_predictions(table.to_pandas()))
    assert "(1) a_scenario_with_a_long_name_0, (2)" in text
    assert max(len(line) for line in text.splitlines() if "45.0" in line) < 100


def test_predictions_that_are_there_twice_are_refused() -> None:
    rows = pd.DataFrame(
        {"model": "m", "trained_on": "pretrained", "fold": -1, "scenario": "grey", "variant": [0, 1, 0]}
    )
    rows["image_id"] = pd.Categorical(["a", "a", "b"])
    _check_once(rows)
    with pytest.raises(DamagedError, match="1 of 4 predictions"):
        _check_once(pd.concat([rows, rows.iloc[:1]], ignore_index=True))
    trained = pd.concat([rows.assign(repeat=0), rows.assign(repeat=1)], ignore_index=True)
    _check_once(trained)
