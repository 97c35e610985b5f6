from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.html_page import Page

from xray.statistics import regression
from xray.statistics.regression.interpretation import points, reading
from xray.statistics.regression.tables import PAIRED_LEVELS, tables


def grid(effects, noise=0.01):
    """Accuracies of models x scenarios: a mean of 0.7, the scenarios' effects, none of the models', a bit of noise."""
    rows = [
        (model, scenario, 0.7 + effect + error)
        for model, (scenario, effect) in itertools.product("ab", effects.items())
        for error in (-noise, 0, noise)
    ]
    return pd.DataFrame(rows, columns=["model", "scenario", "accuracy"])


def fit(effects, **options):
    table = grid(effects)
    return regression(table, factors=["model", "scenario"], reference={"scenario": "original"}, **options)


def test_the_largest_effects_come_first_whatever_their_sign():
    said = reading(fit({"original": 0.0, "grey": -0.4, "blur": -0.1, "bright": 0.25}))
    assert [sentence.partition(":")[0] for sentence in said.effects] == [
        "scenario grey",
        "scenario bright",
        "scenario blur",
    ]
    assert "points of accuracy lower than original" in said.effects[0]
    assert "25.0 points of accuracy higher than original" in said.effects[1]


def test_numbers_in_a_sentence_are_those_of_the_table():
    made = fit({"original": 0.0, "grey": -0.4})
    row = made.parameters.set_index("term").loc["scenario[grey]"]
    low, high = points(100 * row["ci_low"]), points(100 * row["ci_high"])
    assert f"(95 % interval {low} to {high}, P <0.0001)" in reading(made).effects[0]
    assert float(low) < -40 < float(high) < 0


def test_an_interval_that_holds_0_leaves_the_sign_open():
    said = reading(fit({"original": 0.0, "grey": -0.4}))
    assert [sentence.startswith("model b") for sentence in said.effects] == [False, True]
    assert ["the sign is open" in sentence for sentence in said.effects] == [False, True]


def test_effects_of_any_number_have_no_points():
    table = grid({"original": 0.0, "grey": -0.4}).assign(loss=lambda rows: 1000 * rows["accuracy"])
    said = reading(regression(table, "loss", ["model", "scenario"], unit="any"))
    assert "points" not in said.effects[0]
    assert "scenario original: 400 loss higher than grey" in said.effects[0]
    assert not any("fitted" in caveat for caveat in said.caveats)


def test_percent_is_told_in_points_of_accuracy():
    table = grid({"original": 0.0, "grey": -0.4}).assign(accuracy=lambda rows: 100 * rows["accuracy"])
    said = reading(regression(table, factors=["model", "scenario"], reference={"scenario": "original"}, unit="percent"))
    assert "scenario grey: 40.0 points of accuracy lower than original" in said.effects[0]


def test_accuracies_that_cannot_be_are_counted():
    made = fit({"original": 0.28, "grey": 0.29, "blur": -0.69, "bright": 0.1})
    table = made.table
    table = pd.concat([table, table.assign(model="c", accuracy=np.clip(table["accuracy"] + 0.2, 0, 1))])
    made = regression(table, factors=["model", "scenario"])
    above, below = int((made.fitted_C > 1).sum()), int((made.fitted_C < 0).sum())
    assert above > 0
    caveat = next(caveat for caveat in reading(made).caveats if "fitted" in caveat)
    assert f"of 12 cells {above} above 1" in caveat
    assert (f"{below} below 0" in caveat) == (below > 0)


def test_rows_that_are_alike_are_a_caveat_unless_clusters_are_named():
    table = grid({"original": 0.0, "grey": -0.4}).assign(image_id=[*"aabbccabcabc"])
    plain = regression(table, factors=["model", "scenario"])
    assert any("12 rows as independent" in caveat for caveat in reading(plain).caveats)
    made = regression(table, factors=["model", "scenario"], cluster="image_id")
    assert any("clustered by image_id (3 clusters" in caveat for caveat in reading(made).caveats)
    assert not any("independent" in caveat for caveat in reading(made).caveats)
    row = made.clustered.parameters.set_index("term").loc["scenario[original]"]
    assert points(100 * row["ci_low"]) in reading(made).effects[0]


def test_effects_that_are_not_told_are_counted():
    made = fit({"original": 0.0, "grey": -0.4, "blur": -0.1, "bright": 0.25})
    assert any("largest of 4 effects" in caveat for caveat in reading(made).caveats)
    assert not any("largest" in caveat for caveat in reading(made, effects=4).caveats)


def test_interactions_are_compared_with_the_sum_of_their_parts():
    table = grid({"original": 0.0, "grey": -0.2})
    table.loc[(table["model"] == "b") & (table["scenario"] == "grey"), "accuracy"] -= 0.45
    made = regression(
        table, factors=["model", "scenario"], reference={"scenario": "original"}, interactions=[("model", "scenario")]
    )
    said = reading(made)
    assert said.effects[0].startswith("model b with scenario grey: 4")
    assert "than the sum of its parts" in said.effects[0]
    assert any("at the reference of the other factors" in caveat for caveat in said.caveats)


HOSTILE = ["<script>alert(1)</script>", "a|b`c`", "line\nbreak", "=1+1", "__import__('os').system('touch PWNED')", "🦊"]


def test_a_notebook_shows_hostile_names_as_they_are():
    table = pd.DataFrame(list(itertools.product(HOSTILE, HOSTILE)), columns=["<i>model</i>", "scenario"])
    table["accuracy"] = np.linspace(0.2, 0.9, len(table)) ** 2
    made = regression(table, factors=["<i>model</i>", "scenario"])
    page = Page(made._repr_html_())
    assert page.mismatched == []
    assert not page.all("script")
    assert not page.all("i")
    assert "<i>model</i>[a|b`c`]" in page.words
    assert "scenario[line break]" in page.words
    assert page.words.count("R²") == 2
    assert len(page.all("tr")) == 12
    assert "scenario[🦊]" in str(made)
    assert "line\nbreak" not in str(made)


def test_it_shows_itself_with_table_goodness_reading_and_notes():
    made = regression(grid({"original": 0.0, "grey": -0.4}), factors=["model", "scenario"])
    told = str(made)
    assert told == repr(made)
    assert told.startswith("accuracy ~ model + scenario (least squares), compared with model a, scenario grey")
    assert "n 12, 3 parameters, 9 degrees of freedom, R² 0.99" in told
    assert "\n1. scenario original: 40.0 points" in told
    assert "note: 3 rows in each cell, taken as repetitions" in told
    lines = told.splitlines()
    assert len({len(line) for line in lines[2:6]}) == 1


def test_tables_are_those_of_the_single_functions():
    made = fit({"original": 0.0, "grey": -0.4, "blur": -0.1})
    found = tables(made)
    assert made.tables().keys() == found.keys()
    assert found["contrasts"].groupby("factor", sort=False).size().to_dict() == {"model": 1, "scenario": 3}
    assert found["residuals"]["row"].tolist() == made.table.index.tolist()
    means = found["marginal_means"].set_index(["factor", "level"])["mean"]
    assert means["scenario", "original"] - means["scenario", "grey"] == pytest.approx(
        -made.fit.estimate("scenario[grey]")
    )


def test_many_levels_are_compared_with_their_reference_alone():
    levels = PAIRED_LEVELS + 1
    table = pd.DataFrame({"prompt": [f"p{k}" for k in range(levels)] * 2, "accuracy": np.arange(2 * levels) / 999})
    assert len(tables(regression(table, factors=["prompt"]))["contrasts"]) == levels - 1


@given(st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6))
@hypothesis_settings(deadline=None, max_examples=60)
def test_points_keep_three_digits_without_powers_of_ten(value):
    text = points(value)
    assert "e" not in text
    assert float(text) == pytest.approx(value, rel=0.006)


def test_an_exact_fit_has_effects_and_no_tests():
    fitted = regression(grid({"original": 0.0, "grey": -0.4}, noise=0), factors=["model", "scenario"])
    said = reading(fitted, effects=1)
    assert said.effects == (
        "scenario original: 40.0 points of accuracy higher than grey, all else equal (no interval)",
    )
    assert said.caveats[0] == "the model fits all rows exactly: errors and P values mean nothing"
    assert said.caveats[0] in repr(fitted)
    assert said.caveats[0] in fitted._repr_html_()
    made = tables(fitted)
    assert made["anova"][["f", "p"]].isna().all(axis=None)
    assert made["parameters"]["p_summary"].tolist() == [""] * 3
    assert made["parameters"]["std_error"].isna().all()
    assert (fitted.goodness["sum_of_squares"], fitted.goodness["r_squared"]) == (0, 1)
    assert np.isnan(fitted.goodness["aicc"])
