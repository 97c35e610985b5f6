import itertools
import json
import sys

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.diagnostic import het_breuschpagan
from statsmodels.stats.outliers_influence import OLSInfluence, variance_inflation_factor

from xray.core.errors import ConfigError
from xray.statistics import regression
from xray.statistics.regression.diagnostics import breusch_pagan, diagnose, residuals
from xray.statistics.regression.normality import normality

FACTORS = ["model", "scenario"]


def table_of(seed=0, n=60):
    draw = np.random.Generator(np.random.PCG64(seed))
    cells = list(itertools.product("abc", ["s1", "s2", "s3", "s4"]))
    picked = [*cells, *(cells[k] for k in draw.integers(0, len(cells), n - len(cells)))]
    table = pd.DataFrame(picked, columns=FACTORS)
    return table.assign(accuracy=draw.uniform(0.2, 0.9, n), weight=draw.uniform(0.5, 2, n))


def matrix(table):
    dummies = pd.get_dummies(table[FACTORS], drop_first=True)
    return np.column_stack([np.ones(len(table)), dummies.to_numpy(float)])


@pytest.mark.parametrize("weights", [None, "weight"])
@given(seed=st.integers(0, 10_000))
@settings(deadline=None, max_examples=5)
def test_rows_are_judged_as_statsmodels_judges_them(weights, seed):
    table = table_of(seed).set_index(pd.Index([f"r{k}" for k in range(60)]))
    root = 1.0 if weights is None else np.sqrt(table["weight"].to_numpy())
    by_row = sm.OLS(table["accuracy"] * root, matrix(table) * np.reshape(root, (-1, 1))).fit()
    found, influence = residuals(regression(table, factors=FACTORS, weights=weights)), OLSInfluence(by_row)
    columns = ["fitted", "residual", "standardised", "leverage", "cooks_distance"]
    assert found.columns.tolist() == [*FACTORS, "accuracy", *columns]
    pd.testing.assert_frame_equal(found[[*FACTORS, "accuracy"]], table[[*FACTORS, "accuracy"]])
    np.testing.assert_allclose(found["residual"] * root, by_row.resid, atol=1e-12)
    np.testing.assert_allclose(found["fitted"] + found["residual"], table["accuracy"])
    np.testing.assert_allclose(found["leverage"], influence.hat_matrix_diag, rtol=1e-9)
    np.testing.assert_allclose(found["standardised"], influence.resid_studentized_internal, rtol=1e-9)
    np.testing.assert_allclose(found["cooks_distance"], influence.cooks_distance[0], rtol=1e-9)


def test_leverages_in_parts_are_those_at_once(monkeypatch):
    fit = regression(table_of(), factors=FACTORS)
    whole = residuals(fit)
    monkeypatch.setattr(sys.modules["xray.statistics.regression.diagnostics"], "_ROWS_AT_ONCE", 7)
    pd.testing.assert_frame_equal(residuals(fit), whole)


@pytest.mark.parametrize("interactions", [[], [FACTORS]])
def test_breusch_pagan_is_that_of_statsmodels(interactions):
    table = table_of()
    fit = regression(table, factors=FACTORS, interactions=interactions)
    exog = fit.design.matrix(fit.design.codes(table)).toarray()
    statistic, p, *_ = het_breuschpagan(sm.OLS(table["accuracy"], exog).fit().resid, exog)
    found = breusch_pagan(fit)
    assert (found.statistic, found.p) == pytest.approx((statistic, p), rel=1e-9)


def test_collinearity_is_that_of_the_columns():
    table = table_of()
    found = diagnose(regression(table, factors=FACTORS))
    wanted = [variance_inflation_factor(matrix(table), k) for k in range(1, 6)]
    np.testing.assert_allclose(found.multicollinearity["vif"], wanted)
    np.testing.assert_allclose(found.multicollinearity["r_squared"], 1 - 1 / np.array(wanted))


def test_nearly_the_same_factors_are_named():
    table = table_of(n=200)
    table["twin"] = table["model"].where(table.index < 195, table["model"].map({"a": "b", "b": "c", "c": "a"}))
    found = diagnose(regression(table, factors=["model", "twin"]))
    assert any("VIF" in warning and "model[b]" in warning for warning in found.warnings)


class TestNormality:
    def by_name(self, values, **options):
        return {test.name.partition(" ")[0]: test for test in normality(np.asarray(values), **options)}

    def test_normal_values_pass_and_skewed_ones_fail(self):
        even = (np.arange(200) + 0.5) / 200
        assert all(test.passed for test in normality(stats.norm.ppf(even)))
        skewed = normality(stats.expon.ppf(even))
        assert not any(test.passed for test in skewed)
        assert all(
            (test.p_text, test.p_summary, test.verdict) == ("<0.0001", "****", "failed at alpha 0.05")
            for test in skewed
        )

    @pytest.mark.parametrize(
        ("n", "missing"),
        [(4, {"D'Agostino-Pearson", "Anderson-Darling", "Kolmogorov-Smirnov"}), (19, {"D'Agostino-Pearson"}), (20, set()),
         (5000, set()), (5001, {"Shapiro-Wilk"})],
    )  # fmt: skip
    def test_a_test_that_is_not_made_says_why(self, n, missing):
        found = self.by_name(np.random.Generator(np.random.PCG64(0)).normal(size=n))
        assert {name for name, test in found.items() if test.passed is None} == missing
        for name in missing:
            assert (found[name].statistic, found[name].p, found[name].p_text) == (None, None, "")
            assert f"there are {n:,}" in found[name].verdict

    def test_one_value_far_out_is_no_crash(self):
        found = self.by_name([*np.linspace(-1, 1, 500), 1e6])
        assert found["Anderson-Darling"].p == 0
        assert found["Anderson-Darling"].passed is False


class TestImpossible:
    def fit(self, **options):
        # additive: the best model on the best scenario is expected at 1.15, the worst at -0.15
        values = {
            ("a", "s1"): 0.95,
            ("a", "s2"): 0.6,
            ("b", "s1"): 0.4,
            ("b", "s2"): 0.05,
            ("a", "s3"): 1,
            ("b", "s3"): 0.9,
        }
        rows = [(*cell, value) for cell, value in values.items()] + [("a", "s4", 0.35), ("b", "s4", 0)]
        return regression(pd.DataFrame(rows, columns=[*FACTORS, "accuracy"]), factors=FACTORS, **options)

    def test_cells_are_named_the_worst_first(self):
        fit = self.fit()
        beyond = {f: max(f - 1, -f) for f in fit.fitted_C if not 0 <= f <= 1}
        found = diagnose(fit)
        assert len(beyond) == 2
        assert found.impossible["fitted"].tolist() == sorted(beyond, key=beyond.get, reverse=True)
        assert found.impossible["cell"].tolist() == ["a × s3", "b × s4"]
        assert any("of 8 cells, 1 " in warning for warning in found.warnings)

    def test_other_numbers_have_no_limits(self):
        found = diagnose(self.fit(unit="any"))
        assert found.impossible.empty
        assert not any("cells" in warning for warning in found.warnings)


def test_a_row_that_determines_a_parameter_is_warned_of():
    table = pd.concat([table_of(), pd.DataFrame({"model": ["only"], "scenario": ["s1"], "accuracy": [0.5]})])
    fit = regression(table[[*FACTORS, "accuracy"]].reset_index(drop=True), factors=FACTORS)
    last = residuals(fit).iloc[-1]
    assert last["leverage"] == pytest.approx(1)
    assert last[["standardised", "cooks_distance"]].isna().all()
    assert any("leverage 1" in warning for warning in diagnose(fit).warnings)
    assert len(diagnose(fit).influence) == 5


def test_a_fit_without_residuals_says_so():
    table = pd.DataFrame({"model": [*"aabb"], "scenario": [*"xyxy"], "accuracy": [0.5, 0.25, 0.75, 0.5]})
    found = diagnose(regression(table, factors=FACTORS))
    assert set(found.left_out) == {"normality", "heteroscedasticity", "influence"}
    assert "fits all rows exactly" in found.left_out["normality"]
    assert any("fits all rows exactly" in warning for warning in found.warnings)


def test_too_many_rows_leave_cells_alone(monkeypatch):
    monkeypatch.setattr(sys.modules["xray.statistics.regression.result"], "ROWS_KEPT", 50)
    fit = regression(table_of(), factors=FACTORS)
    found = diagnose(fit)
    assert found.normality == ()
    assert found.heteroscedasticity is None
    assert found.influence.empty
    assert len(found.multicollinearity) == 5
    assert "60 rows" in found.left_out["normality"]
    for rowwise in (residuals, breusch_pagan):
        with pytest.raises(ConfigError, match="60 rows"):
            rowwise(fit)


@pytest.mark.parametrize("name", ["residual", "cooks_distance"])
def test_a_factor_named_as_a_result_is_refused(name):
    fit = regression(table_of().rename(columns={"model": name}), factors=[name, "scenario"])
    with pytest.raises(ConfigError, match=f"'{name}'"):
        residuals(fit)


@pytest.mark.parametrize("size", [4, 60])
def test_all_of_it_is_json(size):
    table = table_of() if size == 60 else table_of(n=12).query("model != 'c' and scenario in ['s1', 's2']")
    fit = regression(table.rename(columns={"model": '=1+1"\n🦊'}), factors=['=1+1"\n🦊', "scenario"])
    found = diagnose(fit)
    read = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert read["correlation"]["terms"] == fit.design.columns
    assert read["normality"][0]["name"] == "D'Agostino-Pearson"
    assert read["multicollinearity"][0]["vif"] == found.multicollinearity["vif"].iloc[0]
    assert len(read["influence"]) == min(5, size)
