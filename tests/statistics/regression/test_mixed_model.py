import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from xray.core.errors import ConfigError
from xray.statistics import regression
from xray.statistics.regression import mixed_model as mixed_module
from xray.statistics.regression.mixed_model import mixed


def accuracies(own=0.1, seed=0, categories=24, repeated=1):
    draw = np.random.Generator(np.random.PCG64(seed))
    cells = pd.MultiIndex.from_product(
        [range(categories), ["a", "b", "c"], ["original", "grey"], range(repeated)],
        names=["category", "model", "scenario", "fold"],
    )
    table = cells.to_frame(index=False)
    level = 0.7 - 0.1 * (table["model"] == "b") - 0.2 * (table["scenario"] == "grey")
    table["accuracy"] = level + draw.normal(0, own, categories)[table["category"]] + draw.normal(0, 0.05, len(table))
    return table


def restricted(table, matrix):
    """Minus twice the restricted log likelihood by its definition (Harville 1977), dense, of (σ_u², σ²) by logarithms."""
    member = pd.get_dummies(table["category"]).to_numpy(float)
    y = table["accuracy"].to_numpy()

    def value(logs):
        covariance = np.exp(logs[0]) * member @ member.T + np.exp(logs[1]) * np.eye(len(y))
        inverse = np.linalg.inv(covariance)
        gram = matrix.T @ inverse @ matrix
        residual = y - matrix @ np.linalg.solve(gram, matrix.T @ inverse @ y)
        return np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(gram)[1] + residual @ inverse @ residual

    best = optimize.minimize(value, [-5, -5], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-9})
    return np.exp(best.x), value


def test_variances_are_where_the_restricted_likelihood_is_largest():
    table = accuracies().drop(index=[3, 17, 50, 51])
    found = mixed(table, factors=["model", "scenario"], unit="any")
    matrix = found.fit.design.matrix(found.fit.design.codes(table)).toarray()
    (group, residual), _ = restricted(table, matrix)
    assert found.converged
    assert not found.notes
    assert found.group_variance == pytest.approx(group, rel=1e-3)
    assert found.residual_variance == pytest.approx(residual, rel=1e-3)
    assert found.icc == pytest.approx(group / (group + residual), rel=1e-3)


def test_balanced_design_by_hand():
    table = accuracies()
    found = mixed(table, factors=["model", "scenario"], unit="any")
    as_fixed = regression(table, factors=["model", "scenario", "category"], unit="any")
    # every category has all cells: effects are those of least squares, their errors those with categories as blocks
    np.testing.assert_allclose(
        found.fit.estimates_P, regression(table, factors=["model", "scenario"], unit="any").fit.estimates_P, rtol=1e-6
    )
    np.testing.assert_allclose(found.parameters["std_error"][1:], as_fixed.parameters["std_error"][1:4], rtol=1e-3)
    means = table.groupby("category")["accuracy"].mean()
    assert found.residual_variance == pytest.approx(as_fixed.variance, rel=1e-3)
    assert found.group_variance == pytest.approx(means.var() - as_fixed.variance / 6, rel=1e-2)
    assert found.groups == 24


def test_groups_that_are_not_alike_are_said_to_be_on_the_boundary():
    table = accuracies(own=0.0, seed=1)
    table["accuracy"] -= table.groupby("category")["accuracy"].transform("mean") - table["accuracy"].mean()
    found = mixed(table, factors=["model", "scenario"], unit="any")
    assert found.icc < 1e-4
    assert any("on the boundary" in note for note in found.notes)


def test_too_many_rows_are_told_where_to_go(monkeypatch):
    monkeypatch.setattr(mixed_module, "MAX_ROWS", 100)
    with pytest.raises(ConfigError, match="144"):
        mixed(accuracies(), factors=["model", "scenario"])


@pytest.mark.parametrize(
    ("change", "asked", "message"),
    [
        ({}, {"group": "model"}, "'model'"),
        ({"category": "one"}, {}, "'category' has 1 in 144 rows"),
        ({"category": range(144)}, {}, "'category' has 144 in 144 rows"),
        ({"accuracy": 0.5}, {}, "0.5 in all 144 rows"),
    ],
)
def test_what_makes_no_sense_is_refused(change, asked, message):
    with pytest.raises(ConfigError, match=message):
        mixed(accuracies().assign(**change), factors=["model", "scenario"], unit="any", **asked)


def test_rows_in_which_something_is_empty_are_left_out_on_request():
    table = accuracies()
    holes = table.assign(accuracy=table["accuracy"].mask(np.arange(144) < 3))
    found = mixed(holes, factors=["model", "scenario"], unit="any", missing="drop")
    expected = mixed(table.iloc[3:], factors=["model", "scenario"], unit="any")
    np.testing.assert_array_equal(found.fit.estimates_P, expected.fit.estimates_P)
    assert found.notes[0].startswith("3 rows")


def test_it_shows_itself_as_a_table():
    lines = repr(mixed(accuracies(), factors=["model", "scenario"], unit="any")).splitlines()
    assert lines[0].startswith(
        "model + scenario (mixed model (random intercept by category, REML)), compared with model"
    )
    assert lines[2].split()[:2] == ["Variable", "Estimate"]
    assert any(line.startswith("24 groups, variance of groups ") for line in lines)
