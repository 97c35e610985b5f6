import numpy as np
import pandas as pd
import pytest

from xray.statistics import matched_s_robusts

CELLS = [("original", "original"), ("original", "grey"), ("grey", "grey")]


def trained():
    """Predictions of twenty photographs, of which the model loses two in the scenario, both ways."""
    rows = [
        ("m", on, scenario, f"{k:02}", f"c{k % 4}", 0, scenario == "original" or k > 1)
        for on, scenario in CELLS
        for k in range(20)
    ]
    return pd.DataFrame(rows, columns=["model", "trained_on", "scenario", "image_id", "category", "fold", "correct"])


@pytest.mark.parametrize("column", ["image_id", "group"])
def test_a_scenario_of_one_photograph_or_group_has_no_estimate_and_says_why(column):
    table = trained().assign(group=lambda rows: np.where(rows["image_id"] < "03", "burst", rows["image_id"]))
    assert matched_s_robusts(table)["missing"].tolist() == [""]
    lone = {"image_id": "00", "group": "burst"}[column]
    (row,) = matched_s_robusts(table[(table["scenario"] == "original") | (table[column] == lone)]).to_dict("records")
    assert "group" in row["missing"]
    assert np.isnan([row[name] for name in ("s_robust", "ci_low", "ci_high", "sigma2_cross")]).all()
    assert row["plug_in"] < 1
