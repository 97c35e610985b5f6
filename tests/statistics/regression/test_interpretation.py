from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from support.html_page import Page

from xray.statistics import regression
from xray.statistics.regression.interpretation import interpret, points
from xray.statistics.regression.least_squares import EXACT
from xray.statistics.regression.result import MAX_PAIRED_LEVELS


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
    said = interpret(fit({"original": 0.0, "grey": -0.4, "blur": -0.1, "bright": 0.25}))
    assert [sentence.partition(":")[0] for sentence in said.effects] == [
        "scenario grey",
        "scenario bright",
        "scenario blur",
    ]
    assert "points of accuracy lower than original" in said.effects[0]
    assert "25.0 points of accuracy higher than original" in said.effects[1]


def test_effects_of_any_number_have_no_points():
    table = grid({"original": 0.0, "grey": -0.4}).assign(loss=lambda rows: 1000 * rows["accuracy"])
    said = interpret(regression(table, "loss", ["model", "scenario"], unit="any"))
    assert "points" not in said.effects[0]
    assert "scenario original: 400 loss higher than grey" in said.effects[0]


def test_interactions_are_compared_with_the_sum_of_their_parts():
    table = grid({"original": 0.0, "grey": -0.2})
    table.loc[(table["model"] == "b") & (table["scenario"] == "grey"), "accuracy"] -= 0.45
    made = regression(
        table, factors=["model", "scenario"], reference={"scenario": "original"}, interactions=[("model", "scenario")]
    )
    said = interpret(made)
    assert said.effects[0].startswith("model b with scenario grey: 4")
    assert "than the sum of its parts" in said.effects[0]
    assert any("interactions" in caveat for caveat in said.caveats)


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
    text = str(made)
    assert text == repr(made)
    assert text.startswith("accuracy ~ model + scenario (least squares), compared with model a, scenario grey")
    assert "n 12, 3 parameters, 9 degrees of freedom, R² 0.99" in text
    assert "\n1. scenario original: 40.0 points" in text
    assert "note: 3 rows in each cell, taken as replicates" in text
    lines = text.splitlines()
    assert len({len(line) for line in lines[2:6]}) == 1


def test_tables_are_those_of_the_single_functions():
    made = fit({"original": 0.0, "grey": -0.4, "blur": -0.1})
    found = made.tables()
    assert found["contrasts"].groupby("factor", sort=False).size().to_dict() == {"model": 1, "scenario": 3}
    assert found["residuals"]["row"].tolist() == made.table.index.tolist()
    means = found["marginal_means"].set_index(["factor", "level"])["mean"]
    assert means["scenario", "original"] - means["scenario", "grey"] == pytest.approx(
        -made.fit.estimate("scenario[grey]")
    )


def test_many_levels_are_compared_with_their_reference_alone():
    levels = MAX_PAIRED_LEVELS + 1
    table = pd.DataFrame({"prompt": [f"p{k}" for k in range(levels)] * 2, "accuracy": np.arange(2 * levels) / 999})
    assert len(regression(table, factors=["prompt"]).tables()["contrasts"]) == levels - 1


def test_caveats_follow_the_fit():
    table = grid({"original": 0.28, "grey": 0.29, "blur": -0.69, "bright": 0.1}).assign(image_id=[*"aabbcc"] * 4)
    table = pd.concat([table, table.assign(model="c", accuracy=np.clip(table["accuracy"] + 0.2, 0, 1))])
    plain = regression(table, factors=["model", "scenario"])
    above = int((plain.fitted_C > 1).sum())
    caveats = " ".join(interpret(plain).caveats)
    assert above > 0
    assert f"of 12 cells, {above} above 1" in caveats
    assert "48 rows are independent" in caveats
    assert "largest of 5 effects" in caveats
    assert not any("largest" in caveat for caveat in interpret(plain, effects=5).caveats)
    clustered = regression(table, factors=["model", "scenario"], cluster="image_id")
    assert any("clustered by image_id (3 clusters" in caveat for caveat in interpret(clustered).caveats)
    row = clustered.clustered.parameters.set_index("term").loc["scenario[original]"]
    assert any(points(100 * row["ci_low"]) in sentence for sentence in interpret(clustered, effects=5).effects)


def test_an_exact_fit_has_effects_and_no_tests():
    fitted = regression(grid({"original": 0.0, "grey": -0.4}, noise=0), factors=["model", "scenario"])
    sentences = interpret(fitted, effects=1)
    assert "40.0 points of accuracy higher than grey" in sentences.effects[0]
    assert "no confidence interval" in sentences.effects[0]
    assert sentences.caveats[0] == EXACT
    assert EXACT in repr(fitted)
    assert EXACT in fitted._repr_html_()
    result = fitted.tables()
    assert result["anova"][["f", "p"]].isna().all(axis=None)
    assert result["parameters"]["std_error"].isna().all()
    assert (fitted.goodness["sum_of_squares"], fitted.goodness["r_squared"]) == (0, 1)
    assert np.isnan(fitted.goodness["aicc"])
