import pytest
from support import published_tables as published

from xray.statistics import regression
from xray.statistics.regression.diagnostics import diagnose
from xray.statistics.regression.tables_text import digits, p_text, prism_table

ROUNDED_AGAIN = {"-0.0344", "-0.0411"}  # EX1 prints these two with three digits


@pytest.fixture(scope="module")
def fig9():
    return regression(published.fig9_table(), factors=published.FACTORS, reference=published.FIG9_REFERENCE)


@pytest.fixture(scope="module")
def ex3():
    return regression(published.ex3_table(), factors=published.FACTORS, reference=published.EX3_REFERENCE)


def terms(rows):
    return [
        f"{factor}[{level}]" if factor else "Intercept"
        for factor, level in rows[["factor", "level"]].itertuples(index=False)
    ]


def same_number(ours, theirs):
    """Print left out zeros at the end."""
    if theirs in ROUNDED_AGAIN:
        return f"{ours:.4f}" == theirs
    return digits(ours).rstrip("0") == theirs.rstrip("0")


def test_every_cell_of_fig9_to_the_printed_digit(fig9):
    rows = published.printed("fig9")
    table = prism_table(fig9.fit).set_index("Variable").loc[terms(rows)]
    assert fig9.cells.rows == 540
    assert fig9.fit.df == 516
    assert table["Estimate"].tolist() == rows["estimate"].tolist()
    assert table["Standard error"].tolist() == rows["std_error"].tolist()
    assert table["95% CI (asymptotic)"].tolist() == (rows["ci_low"] + " to " + rows["ci_high"]).tolist()
    assert table["|t|"].tolist() == rows["abs_t"].tolist()
    assert table["P value"].tolist() == rows["p"].tolist()
    assert table["P value summary"].tolist() == rows["p_summary"].tolist()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_numbers_do_not_depend_on_the_residuals_drawn(fig9, seed):
    again = regression(published.fig9_table(seed), factors=published.FACTORS, reference=published.FIG9_REFERENCE)
    assert not again.table["accuracy"].equals(fig9.table["accuracy"])
    assert prism_table(again.fit).equals(prism_table(fig9.fit))


def test_compared_with_resnet50_it_is_ex1(fig9):
    rows = published.printed("ex1")
    table = fig9.relevelled(published.EX1_REFERENCE).parameters.set_index("term").loc[terms(rows)]
    wrong = [row for row, ours in zip(rows["estimate"], table["estimate"], strict=True) if not same_number(ours, row)]
    assert wrong == []
    assert table["p"].map(p_text).tolist() == rows["p"].tolist()
    assert table["p_summary"].tolist() == rows["p_summary"].tolist()


def test_ex3_with_the_p_values_that_print_has_wrong(ex3):
    rows = published.printed("ex3")
    table = ex3.parameters.set_index("term").loc[terms(rows)]
    assert (ex3.cells.rows, ex3.fit.df) == (756, 730)
    assert all(map(same_number, table["estimate"], rows["estimate"]))
    p = table["p"].map(p_text).tolist()
    assert [text.rstrip("0") for text in p[:-5]] == [text.rstrip("0") for text in rows["p"][:-5]]
    assert all(map(same_number, table["t"].abs()[-5:], rows["p"][-5:]))
    assert p[-5:] == ["<0.0001", "<0.0001", "<0.0001", "<0.0001", "0.0765"]
    assert table["p_summary"].tolist() == rows["p_summary"].replace("DS", "ns").tolist()


def test_24_of_540_cells_are_fitted_above_1(fig9):
    found = diagnose(fig9)
    assert (len(found.impossible), len(fig9.fitted_C)) == (24, 540)
    assert found.impossible["fitted"].is_monotonic_decreasing
    assert found.impossible["cell"].iloc[0] == "DenseNet121Best Weight × Original × 10"
    assert any("of 540 cells, 24 " in warning for warning in found.warnings)
