import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from xray.core.errors import ConfigError
from xray.statistics import regression

FACTORS = ["model", "scenario", "category"]


def predictions(n=3000, photographs=120, seed=0):
    draw = np.random.Generator(np.random.PCG64(seed))
    image = draw.integers(0, photographs, n)
    own = draw.normal(0, 0.1, photographs)
    model, scenario = draw.integers(0, 3, n), draw.integers(0, 5, n)
    chance = 0.7 - 0.1 * model - 0.05 * scenario + own[image]
    codes = pd.Categorical.from_codes
    return pd.DataFrame(
        {
            "model": codes(model, ["a", "b", "c"]),
            "scenario": codes(scenario, [f"s{k}" for k in range(5)]),
            "category": codes(image % 4, ["cat", "dog", "fox", "owl"]),
            "image_id": image.astype(np.int32),
            "correct": draw.random(n) < chance,
            "score": chance + draw.normal(0, 0.1, n),
            "weight": draw.uniform(0.5, 2, n),
        }
    )


def by_rows(found, table, response, cluster, weights=None):
    matrix = found.design.matrix(found.design.codes(table)).toarray()
    model = sm.WLS(table[response].to_numpy(float), matrix, weights=1.0 if weights is None else table[weights])
    groups = pd.factorize(table[cluster])[0]
    return model.fit(), model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)


def assert_equal(found, table, response, cluster, weights=None):
    classical, clustered = by_rows(found, table, response, cluster, weights)
    close = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(found.fit.estimates_P, classical.params, **close)
    np.testing.assert_allclose(found.parameters["std_error"], classical.bse, **close)
    np.testing.assert_allclose(found.clustered.parameters["std_error"], clustered.bse, **close)
    np.testing.assert_allclose(found.clustered.parameters["p"], clustered.pvalues, rtol=1e-6, atol=1e-200)
    np.testing.assert_allclose(found.clustered.parameters[["ci_low", "ci_high"]], clustered.conf_int(), rtol=1e-8)


@pytest.mark.parametrize("response", ["correct", "score"])
@pytest.mark.parametrize("weights", [None, "weight"])
@pytest.mark.parametrize(
    "interactions", [[], [["model", "scenario"]], [["scenario", "category"], ["model", "category"]]]
)
def test_equal_to_the_fit_of_the_rows(response, weights, interactions):
    table = predictions()
    found = regression(
        table, response, FACTORS, {"scenario": "s3", "category": "owl"},
        interactions=interactions, weights=weights, cluster="image_id", unit="any",
    )  # fmt: skip
    assert_equal(found, table, response, "image_id", weights)


@pytest.mark.parametrize("kind", ["category", "str", "float64", "far", "negative", "narrow"])
def test_clusters_may_be_called_anything(kind):
    table = predictions()
    expected = regression(table, "correct", FACTORS, cluster="image_id").clustered
    image = table["image_id"]
    renamed = {
        "far": image.astype("int64") * 10**12,
        "negative": image - 50,
        "narrow": (2 * image - 120).astype("int8"),
    }
    table["image_id"] = renamed[kind] if kind in renamed else image.astype(kind)
    found = regression(table, "correct", FACTORS, cluster="image_id").clustered
    np.testing.assert_allclose(found.covariance_PP, expected.covariance_PP, rtol=1e-9, atol=1e-18)
    assert (found.df, found.errors) == (119, "clustered by image_id (120 clusters)")


def test_categories_without_rows_are_no_clusters():
    table = predictions()
    table["image_id"] = pd.Categorical(table["image_id"], categories=range(-3, 500))
    kept = table[table["scenario"] != "s2"]
    found = regression(kept, "correct", FACTORS, cluster="image_id")
    assert found.clustered.df == 119
    assert_equal(found, kept, "correct", "image_id")


def test_a_factor_may_be_the_cluster():
    table = predictions()
    found = regression(table, "correct", ["scenario", "category"], cluster="category")
    _, clustered = by_rows(found, table, "correct", "category")
    # within a category its residuals sum to 0: those errors are rounding alone
    np.testing.assert_allclose(found.clustered.parameters["std_error"][1:5], clustered.bse[1:5], rtol=1e-9)
    assert "4 clusters: few" in found.clustered.errors


def test_one_cluster_is_refused():
    with pytest.raises(ConfigError, match="image_id"):
        regression(predictions().assign(image_id="the only one"), "correct", FACTORS, cluster="image_id")


@pytest.mark.parametrize("interactions", [[], [["model", "scenario"]]])
@pytest.mark.parametrize("weights", [None, "weight"])
def test_relevelling_keeps_them(interactions, weights):
    table, reference = predictions(), {"scenario": "s3", "model": "c"}
    options = {"cluster": "image_id", "interactions": interactions, "weights": weights}
    asked = regression(table, "correct", FACTORS, reference, **options)
    moved = regression(table, "correct", FACTORS, **options).relevelled(reference)
    assert moved.clustered.errors == "clustered by image_id (120 clusters)"
    pd.testing.assert_frame_equal(moved.clustered.parameters, asked.clustered.parameters, rtol=1e-8)
    pd.testing.assert_frame_equal(moved.parameters, asked.parameters, rtol=1e-8)
