from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.core.errors import XrayError
from xray.statistics import regression
from xray.statistics.regression.anova import anova
from xray.statistics.regression.diagnostics import diagnose, residuals
from xray.statistics.regression.marginal_means import contrasts, marginal_means
from xray.statistics.regression.power import minimum_detectable_effect, power_of
from xray.statistics.regression.tables_text import safe_csv, to_latex

FACTORS = ["model", "scenario"]


def rows(n: int = 60, seed: int = 0, shape: tuple[int, int] = (3, 4)) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    cells = [(a, b) for a in range(shape[0]) for b in range(shape[1])]
    picked = [*cells, *(cells[k] for k in draw.integers(0, len(cells), max(0, n - len(cells))))]
    table = pd.DataFrame([(f"m{a}", f"s{b}") for a, b in picked], columns=FACTORS)
    return table.assign(
        accuracy=draw.uniform(0, 1, len(table)),
        weight=draw.uniform(0.5, 2, len(table)),
        image=draw.integers(0, 12, len(table)),
    )


def by_hand(table: pd.DataFrame, interaction: bool = False) -> np.ndarray:
    columns = [np.ones(len(table))]
    columns += [table[name] == level for name in FACTORS for level in sorted(table[name].unique())[1:]]
    if interaction:
        pairs = [(a, b) for a in sorted(table["model"].unique())[1:] for b in sorted(table["scenario"].unique())[1:]]
        columns += [(table["model"] == a) & (table["scenario"] == b) for a, b in pairs]
    return np.stack(columns, axis=1).astype(float)


@given(st.integers(0, 10_000), st.integers(20, 200), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_cells_give_the_fit_of_rows(seed: int, n: int, weighted: bool, interaction: bool) -> None:
    table = rows(n, seed)
    weights = "weight" if weighted else None
    interactions = [FACTORS] if interaction else []
    fit = regression(table, factors=FACTORS, weights=weights, cluster="image", interactions=interactions)
    matrix = by_hand(table, interaction)
    model = sm.WLS(table["accuracy"], matrix, table["weight"]) if weighted else sm.OLS(table["accuracy"], matrix)
    wanted = model.fit()
    found = fit.parameters
    np.testing.assert_allclose(found["estimate"], wanted.params, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found["std_error"], wanted.bse, rtol=1e-9)
    np.testing.assert_allclose(found["p"], wanted.pvalues, rtol=1e-8)
    np.testing.assert_allclose(found[["ci_low", "ci_high"]], wanted.conf_int(), rtol=1e-8, atol=1e-12)
    goodness = fit.goodness
    for name, value in {
        "r_squared": wanted.rsquared, "adjusted_r_squared": wanted.rsquared_adj, "log_likelihood": wanted.llf,
        "f": wanted.fvalue, "f_p": wanted.f_pvalue, "sum_of_squares": wanted.ssr, "df": wanted.df_resid,
    }.items():  # fmt: skip
        assert goodness[name] == pytest.approx(value, rel=1e-8), name
    assert goodness["aic"] == pytest.approx(wanted.aic + 2, rel=1e-9)  # the variance is a parameter, too
    groups = {"groups": table["image"].to_numpy()}
    clustered = model.fit(cov_type="cluster", cov_kwds=groups, use_t=True)
    assert fit.clustered is not None
    variance, found = np.diag(clustered.cov_params()), fit.clustered.parameters
    known = variance > 1e-13  # where rows are fitted exactly, there is no error: rounding here and there
    np.testing.assert_allclose(found["std_error"][known], np.sqrt(variance[known]), rtol=1e-8)
    np.testing.assert_allclose(found["p"][known], clustered.pvalues[known], rtol=1e-7, atol=1e-14)
    assert found.loc[~known, ["std_error", "t", "p"]].isna().all(axis=None)


def test_prisms_aicc_by_hand() -> None:
    fit = regression(rows(), factors=FACTORS)
    n, k, ss = 60, 7, fit.goodness["sum_of_squares"]
    assert fit.goodness["aicc"] == pytest.approx(n * np.log(ss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


@given(st.integers(0, 1000), st.sampled_from(["m0", "m1", "m2"]), st.sampled_from(["s0", "s3"]))
@settings(max_examples=20, deadline=None)
def test_another_reference_is_the_same_fit(seed: int, model: str, scenario: str) -> None:
    table = rows(seed=seed)
    reference = {"model": model, "scenario": scenario}
    first, direct = regression(table, factors=FACTORS), regression(table, factors=FACTORS, reference=reference)
    moved = first.relevelled(reference)
    pd.testing.assert_frame_equal(moved.parameters, direct.parameters, rtol=1e-8)
    np.testing.assert_allclose(moved.fitted_C, first.fitted_C, atol=1e-12)
    assert moved.goodness == pytest.approx(first.goodness, rel=1e-9)


@given(st.lists(st.text(), min_size=7, max_size=7, unique=True))
@settings(max_examples=40, deadline=None)
def test_other_names_are_the_same_fit(names: list[str]) -> None:
    table, (*models, first, second, third, fourth) = rows(), names
    renamed = {"m0": models[0], "m1": models[1], "m2": models[2]}
    scenarios = {"s0": first, "s1": second, "s2": third, "s3": fourth}
    other = table.assign(
        model=pd.Categorical(table["model"].map(renamed), list(renamed.values())),
        scenario=pd.Categorical(table["scenario"].map(scenarios), list(scenarios.values())),
    )
    tame, found = regression(table, factors=FACTORS), regression(other, factors=FACTORS)
    np.testing.assert_array_equal(found.parameters.iloc[:, 1:], tame.parameters.iloc[:, 1:])
    assert found.parameters["term"].iloc[-1] == f"scenario[{fourth}]"
    assert safe_csv(residuals(found)).startswith("model,scenario,accuracy,fitted")


@given(st.integers(0, 1000), st.integers(1, 59))
@settings(max_examples=20, deadline=None)
def test_a_row_in_two_halves_counts_once(seed: int, row: int) -> None:
    table = rows(seed=seed).assign(weight=1.0)
    halves = pd.concat([table, table.iloc[[row]]], ignore_index=True)
    halves.loc[[row, len(table)], "weight"] = 0.5
    whole, split = (regression(one, factors=FACTORS, weights="weight") for one in (table, halves))
    np.testing.assert_allclose(split.fit.estimates_P, whole.fit.estimates_P, rtol=1e-9, atol=1e-12)
    assert split.residual_ss == pytest.approx(whole.residual_ss, rel=1e-9)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    table = rows(seed=seed)
    mixed = table.sample(frac=1, random_state=seed)
    first, second = (regression(one, factors=FACTORS, cluster="image") for one in (table, mixed))
    pd.testing.assert_frame_equal(first.parameters, second.parameters, rtol=1e-9)
    assert first.clustered is not None
    assert second.clustered is not None
    pd.testing.assert_frame_equal(first.clustered.parameters, second.clustered.parameters, rtol=1e-8)


@pytest.mark.parametrize("interaction", [False, True])
def test_analysis_of_variance_is_of_type_two(interaction: bool) -> None:
    from statsmodels.formula.api import ols  # tame names only: a formula is code

    table = rows()
    fit = regression(table, factors=FACTORS, interactions=[FACTORS] if interaction else [])
    formula = f"accuracy ~ model {'*' if interaction else '+'} scenario"
    wanted = sm.stats.anova_lm(ols(formula, table).fit(), typ=2)
    found = anova(fit)
    np.testing.assert_allclose(found["sum_of_squares"], wanted["sum_sq"], rtol=1e-9)
    np.testing.assert_allclose(found["p"], wanted["PR(>F)"], rtol=1e-8)
    effects = found.iloc[:-1]
    ratio = effects["sum_of_squares"] / (effects["sum_of_squares"] + found["sum_of_squares"].iloc[-1])
    np.testing.assert_allclose(effects["partial_eta_squared"], ratio)


def test_marginal_means_count_all_levels_alike() -> None:
    fit = regression(rows(), factors=FACTORS, interactions=[FACTORS])
    cells = pd.DataFrame(fit.cells.codes_CF, columns=FACTORS).assign(mean=fit.fitted_C)
    found = marginal_means(fit.fit, "model")
    np.testing.assert_allclose(found["mean"], cells.groupby("model")["mean"].mean())
    assert (found["ci_low"] < found["mean"]).all()


def test_contrasts_without_interaction_are_differences_of_coefficients() -> None:
    fit = regression(rows(), factors=FACTORS)
    pairs = contrasts(fit.fit, "scenario")
    assert len(pairs) == 6
    against = contrasts(fit.fit, "scenario", against_reference=True)
    wanted = fit.parameters.set_index("term").loc[[f"scenario[{level}]" for level in against["level"]]]
    np.testing.assert_allclose(against["difference"], wanted["estimate"])
    np.testing.assert_allclose(against["p"], wanted["p"])
    assert (against["p_holm"] >= against["p"]).all()
    assert against["p_holm"].min() == pytest.approx(min(1.0, 3 * against["p"].min()))


def test_power_is_that_of_a_t_test() -> None:
    from statsmodels.stats.power import TTestIndPower

    draw = np.random.default_rng(1)
    table = pd.DataFrame({"model": [*"ab"] * 20, "accuracy": draw.uniform(0.2, 0.8, 40)})
    fit = regression(table, factors=["model"])
    wanted = TTestIndPower().power(0.1 / fit.goodness["sy_x"], nobs1=20, alpha=0.05)
    assert power_of(fit.fit, "model[b]", 0.1) == pytest.approx(wanted, rel=1e-6)
    least = minimum_detectable_effect(fit)["minimum_detectable_effect"].iloc[1]
    assert power_of(fit.fit, "model[b]", least) == pytest.approx(0.8, abs=1e-9)


HOSTILE = [
    "__import__('os').system('touch PWNED')", "`touch PWNED`", 'a"b', "it's", "a,b\nc", "🦊", "=1+1", "C(model)", "$x_1$",
]  # fmt: skip


def test_names_are_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = rows(80, shape=(3, 9))
    tame = regression(table, factors=FACTORS, cluster="image")
    levels = dict(zip([f"s{k}" for k in range(9)], HOSTILE, strict=True))
    ordered = pd.Categorical(table["scenario"].map(levels), HOSTILE)
    hostile = table.assign(scenario=ordered).rename(columns={"scenario": HOSTILE[0], "accuracy": "Q('x')"})
    found = regression(hostile, "Q('x')", ["model", HOSTILE[0]], cluster="image")
    np.testing.assert_array_equal(found.parameters["estimate"], tame.parameters["estimate"])
    assert found.parameters["term"].iloc[-2] == f"{HOSTILE[0]}[C(model)]"
    written = safe_csv(marginal_means(found.fit, HOSTILE[0]))
    assert "\n'=1+1," in written
    assert r"\$x\_1\$" in to_latex(marginal_means(found.fit, HOSTILE[0]).astype(str))
    diagnose(found)
    assert list(tmp_path.iterdir()) == []


def with_(**changes: Any) -> pd.DataFrame:
    return rows().assign(**changes)


NAN_RESPONSE = with_().astype({"accuracy": "float64"})
NAN_RESPONSE.loc[7, "accuracy"] = np.nan
NAN_FACTOR = with_()
NAN_FACTOR.loc[3, "scenario"] = None


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (with_(model="m0"), {}, "factor 'model' has the one level 'm0'"),
        (with_(twin=rows()["model"].str.upper()), {"factors": [*FACTORS, "twin"]}, "'twin' says nothing"),
        (with_(accuracy=0.5), {}, "accuracy is 0.5 in all 60 rows"),
        (with_(accuracy=rows()["accuracy"] - 0.5), {}, "outside of 0 … 1"),
        (with_(accuracy=rows()["accuracy"] * 100), {}, "unit='percent'"),
        (with_(accuracy=rows()["accuracy"] * 1000), {"unit": "percent"}, "outside of 0 … 100"),
        (NAN_RESPONSE, {}, "1 of 60 rows lack a value; the first is row 7, column 'accuracy'"),
        (NAN_FACTOR, {}, "row 3, column 'scenario'"),
        (with_(accuracy=np.inf), {"unit": "any"}, "infinite"),
        (with_(accuracy="high"), {}, "'high' in row 0"),
        (with_(weight=0.0), {"weights": "weight"}, "column 'weight' has 0: weights"),
        (with_(weight=-1), {"weights": "weight"}, "column 'weight' has -1"),
        (with_(weight=np.inf), {"weights": "weight"}, "column 'weight' has inf"),
        (
            with_(weight=np.nan),
            {"weights": "weight"},
            "60 of 60 rows lack a value; the first is row 0, column 'weight'",
        ),
        (with_(weight="heavy"), {"weights": "weight"}, "column 'weight' is text, for example 'heavy'"),
        (rows().iloc[:0], {}, "no rows"),
        (rows(6, shape=(2, 2)).iloc[:3], {}, "3 rows do not suffice for 3 parameters"),
        (rows(), {"factors": ["model", "scenaro"]}, "did you mean 'scenario'"),
        (rows(), {"response": "acuracy"}, "did you mean 'accuracy'"),
        (rows(), {"reference": {"scenario": "s9"}}, "unknown level of factor 'scenario' 's9'"),
        (rows(), {"reference": {"place": "s1"}}, "unknown factor of a reference 'place'"),
        (rows(), {"interactions": [["model", "model"]]}, "two or more different factors"),
        (rows(12).drop(index=5), {"interactions": [FACTORS]}, "no row is in|rows do not suffice"),
        (
            rows(60).query("model != 'm2' or scenario != 's3'"),
            {"interactions": [FACTORS]},
            r"no row is in model\[m2\]:",
        ),
        (pd.concat([rows(), rows()[["model"]]], axis=1), {}, "more than one column 'model'"),
        (rows(), {"confidence": 95}, "inside \\(0, 1\\)"),
        (rows(), {"factors": ["model", "model"]}, "named twice|two"),
        (with_(image=1), {"cluster": "image"}, "all rows are of one image"),
        (rows(), {"unit": "per mille"}, "unknown unit"),
        (rows(), {"factors": "model"}, r"factors are a list of columns: \['model'\]"),
        (rows().rename(columns={"model": 0}), {"factors": [0, "scenario"]}, "column 0 is not named by text"),
        (with_(accuracy=pd.Timestamp(2020, 1, 1)), {}, "'accuracy' is of type datetime64"),
        (rows().astype({"accuracy": object}), {}, "'accuracy' is of type object; numbers are needed"),
    ],
)
def test_what_cannot_be_is_named(table: pd.DataFrame, options: dict[str, Any], message: str) -> None:
    with pytest.raises(XrayError, match=message):
        regression(table, **({"factors": FACTORS} | options))


def test_what_can_be_handled_is_said() -> None:
    dropped = regression(NAN_RESPONSE, factors=FACTORS, missing="drop")
    assert dropped.cells.rows == 59
    assert "1 rows in which something is empty were left out" in dropped.notes
    percent = regression(with_(accuracy=rows()["accuracy"] * 100), factors=FACTORS, unit="percent")
    pd.testing.assert_frame_equal(percent.parameters, regression(rows(), factors=FACTORS).parameters)
    assert "accuracy was divided by 100" in percent.notes
    doubled = regression(pd.concat([rows(), rows()], ignore_index=True), factors=FACTORS)
    assert any(note.startswith("60 rows repeat another one") for note in doubled.notes)
    assert any(note.startswith("unbalanced") for note in doubled.notes)
    gap = regression(rows(60).query("model != 'm2' or scenario != 's3'"), factors=FACTORS)
    assert any(note.startswith("1 of 12 cells") for note in gap.notes)


def test_levels_of_any_kind() -> None:
    table = rows().assign(layers=lambda table: table["scenario"].str[1:].astype(int) + 8, big=rows()["model"] == "m1")
    fit = regression(table, factors=["layers", "big"], reference={"layers": 9, "big": True})
    assert fit.design.columns == ["Intercept", "layers[8]", "layers[10]", "layers[11]", "big[False]"]
    unused = table.assign(model=pd.Categorical(table["model"], ["m2", "never", "m0", "m1"]))
    assert regression(unused, factors=["model"]).design.columns == ["Intercept", "model[m0]", "model[m1]"]


def test_a_perfect_fit_warns_of_nothing() -> None:
    table = pd.DataFrame({"model": [*"aabb"], "scenario": [*"xyxy"], "accuracy": [0.5, 0.25, 0.75, 0.5]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = regression(table, factors=FACTORS)
    assert fit.goodness["r_squared"] == pytest.approx(1.0)
