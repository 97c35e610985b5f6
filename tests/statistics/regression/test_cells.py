import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import ConfigError
from xray.statistics import regression
from xray.statistics.regression import cells as cells_module
from xray.statistics.regression.cells import CodedRows, aggregate
from xray.statistics.regression.design import Design

rows_of = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.floats(-100, 100), st.floats(0.1, 10)), min_size=4
).filter(lambda rows: len({row[0] for row in rows}) > 1 and len({row[1] for row in rows}) > 1)


def cells(table, design, response, weights=None):
    return aggregate(CodedRows.of(table, design, response, weights))


def table_of(rows):
    return pd.DataFrame(rows, columns=["model", "scenario", "value", "weight"])


@pytest.mark.parametrize("weights", [None, "weight"])
@given(rows=rows_of)
def test_sums_are_those_of_a_group_by(weights, rows):
    table = table_of(rows).assign(w=1.0 if weights is None else lambda table: table["weight"])
    design = Design.of(table, ["model", "scenario"])
    made = cells(table, design, "value", weights)
    names = [tuple(f.levels[code] for f, code in zip(design.factors, codes, strict=True)) for codes in made.codes_CF]
    groups = dict(iter(table.groupby(["model", "scenario"])))
    assert sorted(names) == sorted(groups)
    within = 0.0
    for name, n, weight, mean in zip(names, made.rows_C, made.weight_C, made.mean_C, strict=True):
        group = groups[name]
        assert n == len(group)
        assert weight == pytest.approx(group["w"].sum())
        wanted = np.average(group["value"], weights=group["w"])
        assert mean == pytest.approx(wanted, abs=1e-10)
        within += (group["w"] * (group["value"] - wanted) ** 2).sum()
    assert made.within == pytest.approx(within, rel=1e-9, abs=1e-8)
    assert made.log_weight == pytest.approx(0 if weights is None else np.log(table["weight"]).sum())
    assert (made.rows, made.low, made.high) == (len(table), table["value"].min(), table["value"].max())


def test_large_numbers_keep_their_small_differences():
    draw = np.random.Generator(np.random.PCG64(0))
    noise = draw.normal(0, 1e-3, 1000)
    table = pd.DataFrame({"model": ["a", "b"] * 500, "value": 1e6 + noise})
    made = cells(table, Design.of(table, ["model"]), "value")
    wanted = sum(((part - part.mean()) ** 2).sum() for part in (noise[::2], noise[1::2]))
    assert made.within == pytest.approx(wanted, rel=1e-6)


FACTORS = ["model", "scenario"]


def predictions(n=500, seed=0):
    draw = np.random.Generator(np.random.PCG64(seed))
    model, scenario = draw.integers(0, 3, n), draw.integers(0, 4, n)
    table = pd.DataFrame({"model": model, "scenario": [f"s{code}" for code in scenario]})
    return table.assign(correct=draw.random(n) < 0.8 - 0.1 * model, weight=draw.uniform(0.5, 2, n))


def assert_same(found, expected):
    for name, values in vars(expected).items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    "kinds",
    [
        {"model": "str"},
        {"model": "category", "scenario": "category"},
        {"model": "float64", "scenario": "object"},
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


def test_pieces_do_not_matter(monkeypatch):
    table = predictions()
    design = Design.of(table, FACTORS)
    whole = cells(table, design, "correct", "weight"), cells(table, design, "correct")
    monkeypatch.setattr(cells_module, "_ROWS_AT_ONCE", 7)
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
