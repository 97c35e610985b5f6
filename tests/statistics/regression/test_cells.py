import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.statistics.regression.cells import aggregate
from xray.statistics.regression.coded_rows import CodedRows
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


@given(rows=rows_of, seed=st.integers(0, 100))
def test_the_order_of_rows_changes_nothing(rows, seed):
    table = table_of(rows)
    design = Design.of(table, ["model", "scenario"])
    mixed = table.sample(frac=1, random_state=seed)
    first, second = (cells(part, design, "value", "weight") for part in (table, mixed))
    np.testing.assert_array_equal(first.codes_CF, second.codes_CF)
    np.testing.assert_allclose(first.mean_C, second.mean_C, atol=1e-10)
    assert first.within == pytest.approx(second.within, abs=1e-8)


def test_large_numbers_keep_their_small_differences():
    draw = np.random.Generator(np.random.PCG64(0))
    noise = draw.normal(0, 1e-3, 1000)
    table = pd.DataFrame({"model": ["a", "b"] * 500, "value": 1e6 + noise})
    made = cells(table, Design.of(table, ["model"]), "value")
    wanted = sum(((part - part.mean()) ** 2).sum() for part in (noise[::2], noise[1::2]))
    assert made.within == pytest.approx(wanted, rel=1e-6)
