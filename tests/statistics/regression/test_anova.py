import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from statsmodels.stats.anova import anova_lm

from xray.core.errors import ConfigError
from xray.statistics import regression
from xray.statistics.regression.anova import anova

FACTORS = ["model", "scenario", "category"]


def table_of(n=300, seed=0):
    draw = np.random.Generator(np.random.PCG64(seed))
    model, scenario, category = draw.integers(0, 3, n), draw.binomial(3, 0.4, n), draw.integers(0, 4, n)
    accuracy = 0.5 + 0.05 * model - 0.08 * scenario + 0.03 * model * (scenario == 2) + draw.normal(0, 0.1, n)
    named = {"model": model, "scenario": scenario, "category": category}
    table = pd.DataFrame({name: [f"{name[0]}{code}" for code in codes] for name, codes in named.items()})
    return table.assign(accuracy=accuracy, weight=draw.uniform(0.5, 2, n))


@pytest.mark.parametrize(
    ("interactions", "formula", "weights"),
    [
        ([], "model + scenario + category", "weight"),
        ([["model", "scenario"]], "model * scenario + category", None),
        ([["model", "scenario"], ["scenario", "category"]], "model * scenario + scenario * category", None),
        ([["model", "scenario", "category"]], "model * scenario * category", None),
    ],
)
def test_equal_to_statsmodels_type_two(interactions, formula, weights):
    table = table_of(1000)
    fit = regression(table, factors=FACTORS, interactions=interactions, weights=weights, unit="any")
    found = anova(fit).set_index("term")
    theirs = anova_lm(smf.wls(f"accuracy ~ {formula}", table, weights=table[weights] if weights else 1.0).fit(), typ=2)
    assert set(found.index) == set(theirs.index)
    assert found.index[-1] == "Residual"
    theirs = theirs.loc[found.index]
    np.testing.assert_allclose(found["df"], theirs["df"])
    np.testing.assert_allclose(found["sum_of_squares"], theirs["sum_sq"], rtol=1e-9)
    np.testing.assert_allclose(found["f"][:-1], theirs["F"][:-1], rtol=1e-9)
    np.testing.assert_allclose(found["p"][:-1], theirs["PR(>F)"][:-1], rtol=1e-7)
    eta = theirs["sum_sq"] / (theirs["sum_sq"] + theirs.loc["Residual", "sum_sq"])
    np.testing.assert_allclose(found["partial_eta_squared"][:-1], eta[:-1], rtol=1e-9)
    np.testing.assert_allclose(found["mean_square"], found["sum_of_squares"] / found["df"])


@given(seed=st.integers(0, 10**6))
@hypothesis_settings(deadline=None, max_examples=8)
def test_references_and_order_of_rows_do_not_matter(seed):
    table = table_of(120, seed)
    asked = {"factors": FACTORS, "interactions": [["model", "scenario"]], "unit": "any"}
    try:
        found = anova(regression(table, **asked))
    except ConfigError:
        return  # an empty cell
    moved = table.sample(frac=1, random_state=seed % 1000)
    again = anova(regression(moved, reference={"model": "m2", "scenario": "s1"}, **asked))
    pd.testing.assert_frame_equal(found, again, rtol=1e-8)
