import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.statistics.regression import cells as cells_module
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
    np.testing.assert_allclose(counts.scores(expected), clustered.scores(expected), rtol=1e-12, atol=1e-12)


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


def test_a_factor_that_is_nested_in_the_first_piece_alone_is_crossed(monkeypatch):
    table = predictions()
    table.loc[len(table) - 1, "category"] = "category0" if table["category"].iloc[-1] != "category0" else "category1"
    monkeypatch.setattr(cells_module, "_ROWS_AT_ONCE", 50)
    rows, clustered, counts = both(table)
    assert counts.n_GK.shape == (40, 60)
    assert_equal(rows, clustered, counts)


def test_many_rows_of_one_cell_are_counted_in_wider_words(monkeypatch):
    monkeypatch.setattr(clusters_module, "_MIN_ROWS_AT_ONCE", 1000)
    table = pd.concat([predictions(), predictions(1).loc[[0] * 3000]], ignore_index=True)
    rows, clustered, counts = both(table)
    assert counts.n_GK.dtype == np.uint64
    assert counts.n_GK.max() >= 3000
    assert_equal(rows, clustered, counts)
    assert both(predictions())[2].n_GK.dtype == np.uint16


def test_what_is_no_single_prediction_is_not_counted(monkeypatch):
    table = predictions().assign(weight=1.5)
    design = Design.of(table, NAMES)
    weighted = CodedRows.of(table, design, "correct", "weight")
    numbers = CodedRows.of(table.assign(correct=table["correct"].astype(float)), design, "correct")
    for rows in (weighted, numbers):
        assert ClusterCounts.of(ClusteredRows.of(rows, table["image_id"])) is None
    monkeypatch.setattr(clusters_module, "_MIN_ROWS_AT_ONCE", 100)
    assert both(predictions(300, photographs=200))[2] is None  # a table of more zeros than counts
