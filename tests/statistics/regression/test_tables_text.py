import csv
import io
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.statistics import regression
from xray.statistics.regression.tables_text import digits, p_text, prism_table, safe_csv, to_latex, to_markdown

HOSTILE = [
    "__import__('os').system('touch PWNED')", "`rm -rf`", 'quote " it', "a,b", "two\nlines", "🦊", "=cmd|' /C calc'!A0",
    "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "<script>", "[x](javascript:alert(1))", "![x](http://x)", r"\input{/etc/passwd}",
    "$x_1$", "100%", "a & b", "#1", "~^", "{", "|", "*b*", "_i_", "&lt;", "\x00", "\u202eoversight",
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.8642, "0.8642"), (0.022378, "0.02238"), (-0.00666667, "-0.006667"), (0.05, "0.05000"), (38.6154, "38.62"),
        (0.0060651, "0.006065"), (0.090032, "0.09003"), (-0.0039662, "-0.003966"), (0.4615, "0.4615"), (36.52, "36.52"),
        (9.99996, "10.00"), (0.099999, "0.1000"), (1, "1.000"), (516, "516.0"), (12345.6, "12346"), (-0.0, "0.000"),
        (1234567, "1234567"), (3e12, "3.000e+12"), (0.00001234, "0.00001234"), (9.87e-7, "9.870e-07"),
        (math.inf, "∞"), (-math.inf, "-∞"), (math.nan, ""),
    ],
)  # fmt: skip
def test_four_significant_digits(value, text):
    assert digits(value) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0, "<0.0001"), (0.0000999, "<0.0001"), (0.0001, "0.0001"), (0.04996, "0.0500"), (0.6446, "0.6446"),
        (0.9999, "0.9999"), (1, ">0.9999"), (math.nan, ""),
    ],
)  # fmt: skip
def test_p_values(p, text):
    assert p_text(p) == text


def table_of(levels, factor="scenario"):
    draw = np.random.Generator(np.random.PCG64(0))
    levels = pd.Categorical.from_codes(np.repeat(np.arange(len(levels)), 3), levels)
    return pd.DataFrame({factor: levels, "accuracy": draw.random(len(levels))})


def test_the_table_is_text_with_the_confidence_in_its_heading():
    fit = regression(table_of(["a", "b"]), factors=["scenario"], confidence=0.9).fit
    table = prism_table(fit)
    assert list(table.columns) == [
        "Variable", "Estimate", "Standard error", "90% CI (asymptotic)", "|t|", "P value", "P value summary",
    ]  # fmt: skip
    assert table.map(lambda cell: isinstance(cell, str)).all(axis=None)
    assert not table["|t|"].str.startswith("-").any()


class TestMarkdown:
    def lines(self, names):
        return to_markdown(pd.DataFrame({"Variable": names, "Estimate": "-0.1000"})).splitlines()

    def test_one_line_a_row_and_as_many_cells_as_columns(self):
        lines = self.lines(HOSTILE)
        assert len(lines) == 2 + len(HOSTILE)
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {3}

    def test_nothing_in_a_cell_is_markup(self):
        for line in self.lines(HOSTILE)[2:]:
            name = line.removeprefix("| ").removesuffix(" | -0.1000 |")
            bare = re.sub(r"\\[\\`*_\[\]<>|~&!#$]", "", name)
            assert not set(bare) & set("\\`*_[]<>|~&!#$\n\r\t\x00\u202e")


class TestLatex:
    def test_special_characters_are_escaped(self):
        text = to_latex(pd.DataFrame({"a_b": [r"\x{}$&%#_~^", "two\nlines"], "Estimate": "1"}))
        assert r"a\_b & Estimate" in text
        body = text.partition("\\midrule\n")[2].partition("\\bottomrule")[0].splitlines()
        assert body == [r"\textbackslash x\{\}\$\&\%\#\_\textasciitilde \textasciicircum  & 1 \\", r"two lines & 1 \\"]

    def test_booktabs_and_minus_signs(self):
        assert to_latex(pd.DataFrame({"Variable": ["a-1"], "95% CI": ["-0.1 to -0.05"]})) == "\n".join(
            [r"\begin{tabular}{lr}", r"\toprule", r"Variable & 95\% CI \\", r"\midrule",
             r"a-1 & $-$0.1 to $-$0.05 \\", r"\bottomrule", r"\end{tabular}", ""]
        )  # fmt: skip


class TestCsv:
    def read(self, table):
        return list(csv.reader(io.StringIO(safe_csv(table), newline="")))

    def test_no_cell_of_text_is_a_formula(self):
        head, *rows = self.read(pd.DataFrame({"=term": HOSTILE, "x": -1.5}))
        assert head == ["'=term", "x"]
        assert all(not name.startswith(("=", "+", "-", "@", "\t", "\n")) for name, _ in rows)
        assert [name.removeprefix("'") for name, _ in rows] == [name.replace("\r", "\n") for name in HOSTILE]

    def test_a_line_break_within_a_cell_begins_no_row(self):
        table = pd.DataFrame({"a": ["x\r=1", "x\n=1", "x\r\n=1"], "b": 1})
        assert "\r" not in safe_csv(table)
        assert self.read(table)[1:] == [["x\n=1", "1"]] * 3

    def test_an_empty_table_has_its_heading(self):
        assert safe_csv(pd.DataFrame(columns=["a", "b"])) == "a,b\n"

    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
    def test_numbers_are_read_again_exactly(self, values):
        found = pd.read_csv(io.StringIO(safe_csv(pd.DataFrame({"x": values}))))
        assert found["x"].astype(float).tolist() == values


def test_what_rounding_leaves_of_equal_means_is_zero():
    rows = [(name, image, (0.7, 0.9, 1.0)[image % 3] - 0.1 * (name == "z")) for name in "xyz" for image in range(33)]
    table = pd.DataFrame(rows, columns=["scenario", "image", "accuracy"])
    fitted = regression(table, factors=["scenario"], cluster="image")
    for fit in (fitted.fit, fitted.clustered):
        text = prism_table(fit).set_index("Variable")
        assert text.loc["scenario[y]", "Estimate"] == "0.000"
        assert text.loc["scenario[z]", "Estimate"] == "-0.1000"
    unknown = prism_table(fitted.clustered).set_index("Variable").loc["scenario[y]"]
    assert unknown.iloc[1:].tolist() == [""] * 5
