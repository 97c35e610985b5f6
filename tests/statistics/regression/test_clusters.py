import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.statistics import regression
from xray.statistics.regression import clusters as clusters_module
from xray.statistics.regression.cells import CodedRows, aggregate
from xray.statistics.regression.clusters import ClusterCounts, ClusteredRows
from xray.statistics.regression.design import Design

NAMES = ["model", "scenario", "category"]


def predictions(n=900, photographs=40, seed=0, nested=True):
    draw = np.random.Generator(np.random.PCG64(seed))
    image = draw.integers(0, photographs, n)
    own = image % 3 if nested else draw.integers(0, 3, n)
    codes = {"model": draw.integers(0, 4, n), "scenario": draw.integers(0, 5, n), "category": own}
    table = pd.DataFrame({name: [f"{name}{code}" for code in values] for name, values in codes.items()})
    return table.assign(image_id=image, correct=draw.random(n) < 0.7)


def both(table, interactions=(), cluster="image_id"):
    design = Design.of(table, NAMES, {"scenario": "scenario2"}, interactions)
    rows = CodedRows.of(table, design, "correct")
    clustered = ClusteredRows.of(rows, table[cluster])
    return rows, clustered, ClusterCounts.of(clustered)


def assert_equal(rows, clustered, counts):
    for name, values in vars(aggregate(rows)).items():
        np.testing.assert_allclose(vars(counts.cells())[name], values, rtol=1e-12, err_msg=name)
    expected = np.random.Generator(np.random.PCG64(1)).random(len(rows.design.every_cell()))
    scores, others = (np.sort(one.scores(expected), axis=0) for one in (counts, clustered))
    np.testing.assert_allclose(scores, others, rtol=1e-12, atol=1e-12)
    grams = [one.scores(expected).T @ one.scores(expected) for one in (counts, clustered)]
    np.testing.assert_allclose(*grams, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("interactions", [[], [["model", "scenario"]], [["scenario", "category"]]])
@pytest.mark.parametrize("cluster", ["image_id", "category", "model"])
def test_counts_say_the_same_as_rows(nested, interactions, cluster):
    table = predictions(nested=nested)
    assert_equal(*both(table, interactions, cluster))


@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(2, 12), st.booleans())
def test_counts_of_any_table_say_the_same(seed, rows, photographs, nested):
    start = predictions(12, 3, nested=False)
    table = pd.concat([start, predictions(rows, photographs, seed, nested)], ignore_index=True)
    table["scenario"] = table["scenario"].replace({"scenario4": "scenario2"})
    table.loc[0, "scenario"] = "scenario2"
    assert_equal(*both(table))


def test_categories_and_clusters_without_rows_do_not_count():
    table = predictions()
    for name in NAMES:
        table[name] = pd.Categorical(table[name], ["x", *sorted(set(table[name])), "y"])
    table["image_id"] = pd.Categorical(table["image_id"], range(-2, 60))
    assert_equal(*both(table[table["scenario"] != "scenario1"]))


@pytest.mark.parametrize(
    ("category", "nested"), [(["category1", "category1"], True), (["category1", "category2"], False)]
)
def test_a_cluster_whose_rows_are_not_in_the_sample_is_seen(category, nested):
    table = predictions(40_000)
    table.loc[[1, 2], "image_id"] = 40
    table.loc[[1, 2], "category"] = category
    rows, clustered, counts = both(table)
    assert counts.counts_GK2.shape == (41, 20 if nested else 60, 2)
    assert_equal(rows, clustered, counts)


def test_a_factor_that_is_nested_in_the_sample_alone_is_crossed():
    table = predictions(40_000)
    table.loc[39_998, "category"] = "category0" if table["category"].iloc[-2] != "category0" else "category1"
    rows, clustered, counts = both(table)
    assert counts.counts_GK2.shape == (40, 60, 2)
    assert_equal(rows, clustered, counts)


@pytest.mark.parametrize("order", [["image_id"], ["model", "scenario", "image_id"]])
def test_the_order_of_rows_does_not_matter(order):
    table = predictions(20_000).astype(dict.fromkeys(NAMES, "category"))
    expected = regression(table, "correct", NAMES, cluster="image_id").clustered
    found = regression(table.sort_values(order), "correct", NAMES, cluster="image_id").clustered
    np.testing.assert_array_equal(found.covariance_PP, expected.covariance_PP)


def test_many_rows_of_one_cell_are_counted_in_wider_words(monkeypatch):
    monkeypatch.setattr(clusters_module, "_MIN_ROWS_AT_ONCE", 1000)
    table = pd.concat([predictions(), predictions(1).loc[[0] * 3000]], ignore_index=True)
    rows, clustered, counts = both(table)
    assert counts.counts_GK2.dtype == np.uint32
    assert counts.counts_GK2.max() >= 3000
    assert_equal(rows, clustered, counts)
    assert both(predictions())[2].counts_GK2.dtype == np.uint8


def test_what_is_no_single_prediction_is_not_counted(monkeypatch):
    table = predictions().assign(weight=1.5)
    design = Design.of(table, NAMES)
    weighted = CodedRows.of(table, design, "correct", "weight")
    numbers = CodedRows.of(table.assign(correct=table["correct"].astype(float)), design, "correct")
    for rows in (weighted, numbers):
        assert ClusterCounts.of(ClusteredRows.of(rows, table["image_id"])) is None
    monkeypatch.setattr(clusters_module, "_MIN_ROWS_AT_ONCE", 100)
    assert both(predictions(300, photographs=200))[2] is None  # a table of more zeros than counts
