from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from xray.errors import XrayError
from xray.schema import PREDICTIONS, SCORES
from xray.score import reference_scenario, score, score_predictions, summary
from xray.statistics import cross_terms


@dataclass
class TableRun:
    predictions: pa.Table
    recipe: dict
    written: dict[str, pa.Table] = field(default_factory=dict)

    def table(self, name, columns=None):
        assert name == "predictions"
        return self.predictions.select(columns or self.predictions.schema.names)

    def write_table(self, name, table):
        self.written[name] = table


RECIPE = {"seed": 7, "scenarios": {"original": {"kind": "original"}, "grey": {"kind": "image_grey"}}}
PATTERN = {  # right answers of model m by scenario, over the photographs 0 … 7
    "original": [1, 1, 1, 1, 1, 1, 0, 0],
    "grey": [1, 1, 1, 0, 0, 0, 0, 0],
}


def predictions(model="m", pattern=PATTERN, trained_on="pretrained"):
    rows = [
        {
            "sample_id": f"{scenario}-{k}",
            "image_id": f"i{k}",
            "category": ("fox", "whale")[k % 2],
            "scenario": scenario,
            "variant": 0,
            "model": model,
            "weights": "00",
            "trained_on": trained_on,
            "fold": -1,
            "top1": 277,
            "top5": [277, 1, 2, 3, 4],
            "p_true": 0.5,
            "correct": bool(right),
        }
        for scenario, verdicts in pattern.items()
        for k, right in enumerate(verdicts)
    ]
    return pa.Table.from_pylist(rows, schema=PREDICTIONS)


def test_score_writes_the_tables_of_the_run():
    run = TableRun(predictions(), RECIPE)
    scores = score(run)
    assert run.written["scores"].schema.equals(SCORES, check_metadata=True)
    cells = run.written["scores"].to_pandas().set_index(["tested_on", "category"])
    assert cells.loc[("original", "fox"), ["n", "correct"]].tolist() == [4, 3]
    assert cells.loc[("grey", "whale"), "accuracy"] == 0.25
    assert run.written["drops"].to_pandas()["drop"].tolist() == [0.375]
    assert run.written["robustness"].to_pandas()["cross"].tolist() == [pytest.approx(0.375**2)]
    assert scores.reference == "original"
    pd.testing.assert_frame_equal(
        run.written["drops"].to_pandas(), scores.drops, check_dtype=False, check_column_type=False
    )


def test_the_seed_is_the_recipes():
    generator = np.random.Generator(np.random.PCG64(0))
    pattern = {name: generator.random(57) < 0.9 - 0.2 * k for k, name in enumerate(["original", "grey", "blur", "r"])}
    table = predictions(pattern=pattern)
    cross = score(TableRun(table, RECIPE)).cross
    pd.testing.assert_frame_equal(cross, cross_terms(table.to_pandas(), seed=RECIPE["seed"]))
    assert not cross.equals(cross_terms(table.to_pandas(), seed=0))


def test_accuracies_by_scenario_and_by_category():
    scores = score_predictions(predictions().to_pandas())
    assert scores.accuracy.set_index("scenario")["accuracy"].to_dict() == {"original": 0.75, "grey": 0.375}
    assert len(scores.by_category) == 4
    assert (scores.by_category["n"] == 4).all()


def test_a_model_without_original_is_named():
    lonely = predictions("lonely", {"grey": [1, 0]})
    run = TableRun(pa.concat_tables([predictions(), lonely]), RECIPE)
    with pytest.raises(XrayError, match=r"'lonely'.*'original'"):
        score(run)
    assert run.written == {}


def test_no_predictions_say_what_to_do():
    with pytest.raises(XrayError, match="xray evaluate"):
        score(TableRun(PREDICTIONS.empty_table(), RECIPE))


def test_the_reference_is_found_by_its_kind():
    assert reference_scenario({"scenarios": {"x": {"kind": "image_grey"}, "y": {"kind": "original"}}}) == "y"
    with pytest.raises(XrayError, match=r"original.*has grey"):
        reference_scenario({"scenarios": {"grey": {"kind": "image_grey"}}})


def test_drops_are_of_models_trained_on_the_original():
    both = pa.concat_tables([predictions(), predictions(trained_on="grey", pattern={"grey": [1] * 8})])
    scores = score_predictions(both.to_pandas())
    assert set(scores.drops["trained_on"]) == {"pretrained"}
    assert set(scores.accuracy["trained_on"]) == {"pretrained", "grey"}


def test_controls_have_a_drop_and_are_no_part_of_the_cross_term():
    recipe = RECIPE | {"scenarios": RECIPE["scenarios"] | {"without": {"kind": "no_object"}}}
    scores = score(TableRun(predictions(pattern=PATTERN | {"without": [0] * 8}), recipe))
    assert set(scores.drops["scenario"]) == {"grey", "without"}
    assert scores.cross["cross"].tolist() == [pytest.approx(0.375**2)]
    assert scores.cross["n_scenarios"].tolist() == [1]


def test_summary_lists_the_largest_drop_first():
    pattern = PATTERN | {"blur": [1, 1, 1, 1, 1, 0, 0, 0], "sharp": [1] * 8}
    text = summary(score_predictions(predictions(pattern=pattern).to_pandas()))
    lines = text.splitlines()
    assert [line.split()[1] for line in lines[1:5]] == ["original", "grey", "blur", "sharp"]
    assert lines[1].split()[2:] == ["75.0", "%", "8"]
    assert "37.5" in lines[2]
    assert "-25.0" in lines[4]
    assert "cross term of S_robust 0.0729 [" in lines[-1]
    assert "variance about mu" in lines[-1]
