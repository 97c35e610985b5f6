"""Tables as text, as GraphPad Prism prints them: Markdown, LaTeX, and CSV that is safe for spreadsheets."""

from __future__ import annotations

import math
import re

import pandas as pd

from xray.core.text import printable
from xray.statistics.regression.fit import Fit

_DIGITS = 4
_ROUNDING = 1e-13
"""Estimates are shown as 0 if they are a smaller share of the largest one: what rounding leaves of equal means."""
_FORMULA = ("=", "+", "-", "@", "\t", "\n")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&!#$])")


def digits(value: float) -> str:
    """Format a number with four significant digits; with an exponent below 0.00001 and from 10⁹ on.

    >>> digits(0.05), digits(-0.0066667), digits(38.6154), digits(0.99996), digits(12345.6), digits(0)
    ('0.05000', '-0.006667', '38.62', '1.000', '12346', '0.000')
    >>> digits(1.2e-7), digits(float("nan"))
    ('1.200e-07', '')
    """
    if math.isnan(value):
        return ""
    if not math.isfinite(value):
        return "-∞" if value < 0 else "∞"
    if value == 0:
        return f"{0:.{_DIGITS - 1}f}"
    power = int(f"{value:.{_DIGITS - 1}e}".partition("e")[2])  # of the rounded number: 0.99996 is 1.000
    return f"{value:.{max(0, _DIGITS - 1 - power)}f}" if -5 <= power < 9 else f"{value:.{_DIGITS - 1}e}"


def p_text(p: float) -> str:
    """Format a P value with four decimals.

    >>> p_text(0.64460), p_text(0.00009), p_text(0.99996), p_text(float("nan"))
    ('0.6446', '<0.0001', '>0.9999', '')
    """
    if math.isnan(p):
        return ""
    return "<0.0001" if p < 0.0001 else ">0.9999" if p > 0.9999 else f"{p:.4f}"


def prism_table(fit: Fit) -> pd.DataFrame:
    """Return the table of parameters as GraphPad Prism prints it, all cells text.

    Returns:
        Columns `Variable`, `Estimate`, `Standard error`, `95% CI (asymptotic)` (`low to high`; empty without an error),
        `|t|` (`|z|` for normal tests), `P value`, `P value summary`.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> prism_table(regression(table, factors=["model", "scenario"]).fit).iloc[2].tolist()
    ['scenario[y]', '-0.3500', '0.05000', '-0.9853 to 0.2853', '7.000', '0.0903', 'ns']
    """
    parameters = fit.parameters
    zero = parameters["estimate"].abs() < _ROUNDING * parameters["estimate"].abs().max()
    estimate, t = (parameters[name].mask(zero, 0.0) for name in ("estimate", "t"))
    statistic = "|z|" if math.isinf(fit.df) else "|t|"
    return pd.DataFrame(
        {
            "Variable": parameters["term"],
            "Estimate": estimate.map(digits),
            "Standard error": parameters["std_error"].map(digits),
            f"{100 * fit.confidence:g}% CI (asymptotic)": [
                "" if math.isnan(low) else f"{digits(low)} to {digits(high)}"
                for low, high in parameters[["ci_low", "ci_high"]].to_numpy()
            ],
            statistic: t.mask(parameters["t"].isna()).abs().map(digits),
            "P value": parameters["p"].map(p_text),
            "P value summary": parameters["p_summary"],
        }
    )


def to_markdown(table: pd.DataFrame) -> str:
    r"""Return a table of text in GitHub's Markdown, with markup and HTML in cells escaped.

    >>> print(to_markdown(pd.DataFrame({"Variable": ["model[<b>|x]"], "Estimate": ["-0.3500"]})), end="")
    | Variable | Estimate |
    | :-- | --: |
    | model\[\<b\>\|x\] | -0.3500 |
    """
    rows = [tuple(table.columns), *table.itertuples(index=False, name=None)]
    head, *body = ["| " + " | ".join(map(markdown_text, row)) + " |" for row in rows]
    rule = "| " + " | ".join([":--", *["--:"] * (table.shape[1] - 1)]) + " |"
    return "\n".join([head, rule, *body]) + "\n"


def markdown_text(cell: object) -> str:
    r"""Escape text for Markdown, on one line.

    >>> print(markdown_text("<b> of model_a"))
    \<b\> of model\_a
    """
    return _MARKDOWN.sub(r"\\\1", printable(str(cell)))


def to_latex(table: pd.DataFrame) -> str:
    r"""Return a table of text as LaTeX, to be read by `\input`; needs the package booktabs, and T1 fontenc for `<>|`.

    Characters with a meaning in TeX are escaped. Letters beyond Latin, and emoji, need XeLaTeX or LuaLaTeX.

    >>> print(to_latex(pd.DataFrame({"Variable": ["a_b$"], "Estimate": ["-0.3500"]})), end="")
    \begin{tabular}{lr}
    \toprule
    Variable & Estimate \\
    \midrule
    a\_b\$ & $-$0.3500 \\
    \bottomrule
    \end{tabular}
    """
    style = table.map(lambda cell: printable(str(cell))).style.hide(axis="index").format_index(escape="latex", axis=1)
    style = style.format(escape="latex").format(_minus, subset=list(table.columns[1:]), escape="latex")
    return str(style.to_latex(hrules=True, column_format="l" + "r" * (table.shape[1] - 1)))


def safe_csv(table: pd.DataFrame) -> str:
    r"""Return a table as CSV without its index, safe from formula injection in spreadsheets (OWASP, CSV injection).

    Text that begins with `=`, `+`, `-`, `@`, a tab or a line break gets the prefix `'`, in the header as well; line
    breaks within are `\n`, which is quoted. Numbers are written in full precision.

    >>> print(safe_csv(pd.DataFrame({"term": ["=1+1", "model[b]"], "estimate": [-0.1, 0.25]})), end="")
    term,estimate
    '=1+1,-0.1
    model[b],0.25
    """
    safe = table.set_axis([_escape_formula(name) for name in table.columns], axis=1)
    for index, dtype in enumerate(safe.dtypes):
        if not pd.api.types.is_numeric_dtype(dtype):
            safe.isetitem(index, safe.iloc[:, index].astype(object).map(_escape_formula).to_list())
    return safe.to_csv(index=False, lineterminator="\n")


def _escape_formula(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = re.sub(r"\r\n?", "\n", value)  # a lone \r is not quoted, and starts a row in some programs
    return f"'{text}" if text.startswith(_FORMULA) else text


def _minus(cell: object) -> str:
    return re.sub(r"-(?=\d)", "$-$", str(cell))
