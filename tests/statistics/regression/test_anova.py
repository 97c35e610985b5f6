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
    ("interactions", "formula"),
    [
        ([], "model + scenario + category"),
        ([["model", "scenario"]], "model * scenario + category"),
        ([["model", "scenario"], ["scenario", "category"]], "model * scenario + scenario * category"),
        ([["model", "scenario", "category"]], "model * scenario * category"),
    ],
)
def test_equal_to_statsmodels_type_two(interactions, formula):
    table = table_of(1000)
    found = anova(regression(table, factors=FACTORS, interactions=interactions, unit="any")).set_index("term")
    theirs = anova_lm(smf.ols(f"accuracy ~ {formula}", table).fit(), typ=2)
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


def test_equal_to_statsmodels_with_weights():
    table = table_of()
    found = anova(regression(table, factors=FACTORS, weights="weight", unit="any")).set_index("term")
    fit = smf.wls("accuracy ~ model + scenario + category", table, weights=table["weight"]).fit()
    theirs = anova_lm(fit, typ=2).loc[found.index]
    np.testing.assert_allclose(found["sum_of_squares"], theirs["sum_sq"], rtol=1e-9)


def test_a_factor_alone_is_the_classical_analysis():
    table = pd.DataFrame({"model": list("aaabbb"), "accuracy": [0.5, 0.6, 0.7, 0.7, 0.8, 0.9]})
    found = anova(regression(table, factors=["model"]))
    assert found["sum_of_squares"].tolist() == pytest.approx([0.06, 0.04])
    assert found["f"][0] == pytest.approx(6.0)
    assert found["partial_eta_squared"][0] == pytest.approx(0.6)


def test_sums_of_a_balanced_design_add_up():
    cells = pd.MultiIndex.from_product([list("abc"), list("xyz"), [1, 2]], names=["model", "scenario", "fold"])
    table = cells.to_frame(index=False).assign(accuracy=np.linspace(0.2, 0.9, 18) ** 2)
    made = regression(table, factors=["model", "scenario"], interactions=[["model", "scenario"]])
    assert anova(made)["sum_of_squares"].sum() == pytest.approx(made.goodness["total_sum_of_squares"])


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
