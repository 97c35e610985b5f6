import itertools

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from xray.core.errors import ConfigError
from xray.statistics import regression
from xray.statistics.regression.marginal_means import contrasts, marginal_means

FACTORS = ["model", "scenario", "category"]


def table_of(seed=0, n=200):
    draw = np.random.Generator(np.random.PCG64(seed))
    codes = {"model": draw.integers(0, 3, n), "scenario": draw.binomial(3, 0.4, n), "category": draw.integers(0, 2, n)}
    accuracy = 0.5 + 0.05 * codes["model"] - 0.08 * codes["scenario"] + draw.normal(0, 0.1, n)
    table = pd.DataFrame({name: [f"{name[0]}{code}" for code in values] for name, values in codes.items()})
    return table.assign(accuracy=accuracy, photograph=draw.integers(0, 40, n))


def by_grid(fit, factor):
    """Means over all combinations of levels, one at a time."""
    design = fit.design
    place = design.names.index(factor)
    rows = {}
    for code, level in enumerate(design.factor(factor).levels):
        grid = [cell for cell in itertools.product(*map(range, design.shape)) if cell[place] == code]
        rows[level] = design.matrix(np.array(grid)).toarray().mean(axis=0)
    return rows


@pytest.mark.parametrize("interactions", [[], [["model", "scenario"]], [["model", "scenario", "category"]]])
@pytest.mark.parametrize("factor", FACTORS)
def test_means_are_those_over_the_grid(interactions, factor):
    fit = regression(table_of(), factors=FACTORS, interactions=interactions, unit="any").fit
    found = marginal_means(fit, factor)
    for row, (level, mean) in zip(found.itertuples(), by_grid(fit, factor).items(), strict=True):
        error = np.sqrt(mean @ fit.covariance_PP @ mean)
        assert row.level == level
        assert (row.mean, row.std_error) == pytest.approx((mean @ fit.estimates_P, error))
        assert row.ci_low < row.mean < row.ci_high


def test_contrasts_are_all_pairs_with_holm():
    fit = regression(table_of(), factors=FACTORS, unit="any").fit
    found = contrasts(fit, "scenario")
    assert list(zip(found["against"], found["level"], strict=True)) == list(
        itertools.combinations(["s0", "s1", "s2", "s3"], 2)
    )
    means = marginal_means(fit, "scenario").set_index("level")["mean"]
    differences = [
        means[level] - means[against] for level, against in zip(found["level"], found["against"], strict=True)
    ]
    np.testing.assert_allclose(found["difference"], differences)
    np.testing.assert_allclose(found["p_holm"], multipletests(found["p"], method="holm")[1])
    assert (found["p_holm"] >= found["p"]).all()


def test_contrasts_with_the_reference_are_the_parameters():
    fit = regression(table_of(), factors=FACTORS, reference={"scenario": "s2"}, unit="any").fit
    found = contrasts(fit, "scenario", against_reference=True)
    parameters = fit.parameters[fit.design.spans()[("scenario",)]]
    assert found["against"].tolist() == ["s2"] * 3
    np.testing.assert_allclose(found["difference"], parameters["estimate"])
    np.testing.assert_allclose(found["p"], parameters["p"])


def test_an_unknown_factor_is_named():
    with pytest.raises(ConfigError, match="did you mean 'model'"):
        marginal_means(regression(table_of(), factors=FACTORS, unit="any").fit, "modell")
