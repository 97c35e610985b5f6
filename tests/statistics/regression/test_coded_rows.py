import numpy as np
import pandas as pd
import pytest

from xray.core.errors import ConfigError
from xray.statistics import regression
from xray.statistics.regression import coded_rows as rows_module
from xray.statistics.regression.cells import aggregate
from xray.statistics.regression.coded_rows import CodedRows
from xray.statistics.regression.design import Design

FACTORS = ["model", "scenario"]


def predictions(n=500, seed=0):
    draw = np.random.Generator(np.random.PCG64(seed))
    model, scenario = draw.integers(0, 3, n), draw.integers(0, 4, n)
    table = pd.DataFrame({"model": model, "scenario": [f"s{code}" for code in scenario]})
    return table.assign(correct=draw.random(n) < 0.8 - 0.1 * model, weight=draw.uniform(0.5, 2, n))


def cells(table, design, response, weights=None):
    return aggregate(CodedRows.of(table, design, response, weights))


def assert_same(found, expected):
    for name, values in vars(expected).items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    "kinds",
    [
        {"model": "str"},
        {"model": "category", "scenario": "category"},
        {"model": "float64", "scenario": "object"},
        {"model": "int8", "correct": "float64"},
        {"correct": "int64"},
        {"correct": "float32"},
        {"correct": "boolean"},
        {"correct": "Int8"},
    ],
)
@pytest.mark.parametrize("weights", [None, "weight"])
def test_kinds_of_columns_do_not_matter(kinds, weights):
    table = predictions()
    design = Design.of(table.astype({"model": str}), FACTORS, {"scenario": "s2"})
    other = table.astype({"model": str} | kinds)
    if kinds.get("model") == "float64":
        design = Design.of(other, FACTORS, {"scenario": "s2"})
    assert_same(
        cells(other, design, "correct", weights),
        cells(table.astype({"model": kinds.get("model", "str")}), design, "correct", weights),
    )


def test_categories_in_any_order_used_or_not():
    table = predictions()
    expected = regression(table, "correct", FACTORS, {"scenario": "s2"})
    for categories in (
        ["s3", "s1", "s0", "s2"],
        ["x", "s0", "y", "s1", "s2", "z", "s3"],
        [*"abcdefghijk", "s0", "s1", "s2", "s3"],
    ):
        other = table.assign(scenario=pd.Categorical(table["scenario"], categories))
        found = regression(other, "correct", FACTORS, {"scenario": "s2"})
        merged = found.parameters.set_index("term").loc[expected.parameters["term"]]
        np.testing.assert_allclose(merged["estimate"], expected.parameters["estimate"])
        np.testing.assert_allclose(merged["std_error"], expected.parameters["std_error"])


def test_categories_that_read_alike_are_one_level():
    table = predictions()
    mixed = table["model"].astype(object).where(np.arange(500) % 2 == 0, table["model"].astype(str))
    other = table.assign(model=pd.Categorical(mixed, [0, "0", 1, "1", 2, "2"]))
    expected = regression(table, "correct", FACTORS).parameters
    pd.testing.assert_frame_equal(regression(other, "correct", FACTORS).parameters, expected)


def test_numbers_of_categories_are_not_copied():
    table = predictions().astype({"model": "category", "scenario": "category"})
    rows = CodedRows.of(table, Design.of(table, FACTORS), "correct")
    assert np.shares_memory(rows.codes[0], table["model"].array.codes)
    assert np.shares_memory(rows.response_N, table["correct"].to_numpy())


def test_pieces_do_not_matter(monkeypatch):
    table = predictions()
    design = Design.of(table, FACTORS)
    whole = cells(table, design, "correct", "weight"), cells(table, design, "correct")
    monkeypatch.setattr(rows_module, "_ROWS_AT_ONCE", 7)
    assert_same(cells(table, design, "correct", "weight"), whole[0])
    assert_same(cells(table, design, "correct"), whole[1])


@pytest.mark.parametrize("kind", ["category", "str"])
def test_a_value_that_is_no_level_of_the_design_is_named(kind):
    table = predictions().astype({"scenario": kind})
    design = Design.of(table[table["scenario"] != "s3"], FACTORS)
    with pytest.raises(ConfigError, match=r"unknown level of factor 'scenario' 's3'"):
        cells(table, design, "correct")


def test_an_empty_category_is_named():
    table = predictions().astype({"scenario": "category"})
    design = Design.of(table, FACTORS)
    table.loc[3, "scenario"] = None
    with pytest.raises(ConfigError, match="level of factor 'scenario'"):
        cells(table, design, "correct")
