import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from xray.statistics import regression
from xray.statistics.regression.anova import anova
from xray.statistics.regression.diagnostics import diagnose, residuals
from xray.statistics.regression.glm import binomial, poisson

pytestmark = pytest.mark.slow

FACTORS = ["model", "scenario", "class"]
LEVELS = {"model": ["a", "b", "c"], "scenario": ["s1", "s2", "s3", "s4"], "class": ["x", "y", "z"]}
LINEAR = ["balanced", "weighted", "interaction"]
SCRIPT = Path(__file__).with_name("against_r.R")


def r_has_what_is_needed():
    if shutil.which("Rscript") is None:
        return False
    command = ["Rscript", "--vanilla", "-e", "library(car); library(nortest)"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def made_tables():
    draw = np.random.Generator(np.random.PCG64(12))
    cells = pd.DataFrame(itertools.product(*LEVELS.values()), columns=FACTORS)
    effects = cells["model"].map({"a": 0, "b": -0.1, "c": -0.2}) + cells["scenario"].map(
        {"s1": 0, "s2": 0.05, "s3": -0.3, "s4": 0}
    )
    balanced = cells.assign(accuracy=0.75 + effects + draw.normal(0, 0.03, len(cells)))
    unbalanced = pd.concat([cells, cells.sample(120, replace=True, random_state=5)], ignore_index=True)
    weighted = unbalanced.assign(
        accuracy=draw.beta(5, 1, len(unbalanced)) ** 2, weight=draw.uniform(0.2, 5, len(unbalanced))
    )
    n = draw.integers(50, 200, len(cells))
    counts = cells.assign(
        n=n, correct=draw.binomial(n, 0.75 + effects), mistakes=draw.poisson(n * 0.3 * np.exp(-effects))
    )
    return {"balanced": balanced, "weighted": weighted, "counts": counts}


@pytest.fixture(scope="module")
def tables():
    return made_tables()


@pytest.fixture(scope="module")
def r(tables, tmp_path_factory):
    if not r_has_what_is_needed():
        pytest.skip("R with car and nortest is not installed")
    folder = tmp_path_factory.mktemp("r")
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    ran = subprocess.run(
        ["Rscript", "--vanilla", str(SCRIPT), str(folder)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found = pd.read_csv(folder / "found.csv", dtype={"name": str}).set_index(["model", "what"])

    def said(model, what):
        part = found.loc[[(model, what)]]
        return part.set_index("name")["value"]

    return said


@pytest.fixture(scope="module")
def fits(tables):
    return {
        "balanced": regression(tables["balanced"], factors=FACTORS),
        "weighted": regression(tables["weighted"], factors=FACTORS, weights="weight"),
        "interaction": regression(tables["weighted"], factors=FACTORS, interactions=[["model", "scenario"]]),
    }


def in_r_order(fit):
    """R puts interactions last, as we do, and lets the first factor run fastest."""
    rank = {name: place for place, name in enumerate(fit.design.columns)}
    spans = fit.design.spans()
    order = list(range(1 + sum(span.stop - span.start for term, span in spans.items() if len(term) == 1)))
    for term, span in spans.items():
        if len(term) == 2:
            names = fit.design.columns[span]
            order += [rank[name] for name in sorted(names, key=lambda name: tuple(reversed(name.split(":"))))]
    return order


def assert_agrees(ours, theirs, rtol=1e-6):
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=rtol, atol=1e-14)


@pytest.mark.parametrize("what", ["estimate", "std_error", "t", "p", "ci_low", "ci_high"])
@pytest.mark.parametrize("model", LINEAR)
def test_parameters(r, fits, model, what):
    fit = fits[model]
    assert_agrees(fit.parameters[what].to_numpy()[in_r_order(fit)], r(model, what))


@pytest.mark.parametrize("model", LINEAR)
def test_goodness(r, fits, model):
    theirs = r(model, "goodness")
    assert_agrees([fits[model].goodness[name] for name in theirs.index], theirs)


@pytest.mark.parametrize("what", ["fitted", "standardised", "leverage", "cooks_distance"])
@pytest.mark.parametrize("model", LINEAR)
def test_rows(r, fits, model, what):
    assert_agrees(residuals(fits[model])[what], r(model, what))


@pytest.mark.parametrize("model", ["balanced", "weighted"])
def test_collinearity(r, fits, model):
    found = diagnose(fits[model])
    assert_agrees(found.multicollinearity["vif"], r(model, "vif"))
    assert_agrees(found.factors["gvif"], r(model, "gvif"))
    assert_agrees(found.factors["gvif_scaled"], r(model, "gvif_scaled"))
    assert_agrees(found.correlation.to_numpy().ravel(), r(model, "correlation"))


@pytest.mark.parametrize("model", LINEAR)
def test_normality(r, fits, model):
    found = {test.name: test for test in diagnose(fits[model]).normality}
    statistic, p = r(model, "statistic"), r(model, "test_p")
    assert_agrees([found[name].statistic for name in statistic.index], statistic)
    for name, value in p.items():
        if "Lilliefors" in name and value > 0.1:  # beyond the approximation that both have
            assert found[name].p_text == ">0.1000"
        else:
            assert_agrees(found[name].p, value)


def test_both_sides_of_the_lilliefors_limit_are_seen(r):
    values = [r(model, "test_p")["Kolmogorov-Smirnov (Lilliefors)"] for model in LINEAR]
    assert min(values) < 0.1 < max(values)


@pytest.mark.parametrize("model", LINEAR)
def test_analysis_of_variance_of_type_2(r, fits, model):
    ours = anova(fits[model]).set_index("term").rename(index={"Residual": "Residuals"})
    theirs = r(model, "sum_of_squares")
    assert_agrees(ours.loc[theirs.index, "sum_of_squares"], theirs)
    assert_agrees(ours.loc[theirs.index, "df"], r(model, "df"))
    assert_agrees(ours.loc[theirs.index, "f"][:-1], r(model, "anova_f")[:-1])
    assert_agrees(ours.loc[theirs.index, "p"][:-1], r(model, "anova_p")[:-1])


@pytest.mark.parametrize("model", ["binomial", "poisson"])
def test_generalised_linear_models(r, tables, model):
    if model == "binomial":
        made = binomial(tables["counts"], FACTORS[:2], correct="correct", n="n")
    else:
        made = poisson(tables["counts"], "mistakes", FACTORS[:2], exposure="n")
    for what in ["estimate", "std_error", "t", "p"]:
        assert_agrees(made.parameters[what], r(model, what))
    judged = r(model, "judged")
    assert_agrees([getattr(made, name) for name in judged.index], judged)


def test_dagostino_pearson_is_scipys(fits):
    for fit in fits.values():
        root = 1.0 if fit.weights is None else np.sqrt(fit.table[fit.weights])
        statistic, p = stats.normaltest(residuals(fit)["residual"] * root)
        (found,) = (test for test in diagnose(fit).normality if test.name == "D'Agostino-Pearson")
        assert (found.statistic, found.p) == pytest.approx((statistic, p), rel=1e-12)
