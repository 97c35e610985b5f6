from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import ConfigError
from xray.statistics import regression
from xray.statistics.regression.diagnostics import diagnose
from xray.statistics.regression.marginal_means import marginal_means
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
    assert goodness["bic"] == pytest.approx(wanted.bic + np.log(wanted.nobs), rel=1e-9)
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


@pytest.mark.parametrize(
    ("table", "options", "named"),
    [
        (rows().assign(twin=rows()["model"].str.upper()), {"factors": [*FACTORS, "twin"]}, "'twin'"),
        (rows().assign(accuracy=0.5), {}, "0.5 in all 60 rows"),
        (rows(6, shape=(2, 2)).iloc[:3], {}, "3 rows"),
        (rows().query("model != 'm2' or scenario != 's3'"), {"interactions": [FACTORS]}, r"model\[m2\]:"),
        (rows(), {"confidence": 95}, "95"),
        (rows(), {"factors": "model"}, r"\['model'\]"),
    ],
)
def test_impossible_regressions_are_refused(table: pd.DataFrame, options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        regression(table, **({"factors": FACTORS} | options))


def test_notes_describe_the_design() -> None:
    doubled = regression(pd.concat([rows(), rows()], ignore_index=True), factors=FACTORS)
    assert any("60 rows" in note for note in doubled.notes)
    assert any(note.startswith("unbalanced") for note in doubled.notes)
    gap = regression(rows().query("model != 'm2' or scenario != 's3'"), factors=FACTORS)
    assert any(note.startswith("1 of 12 cells") for note in gap.notes)
