"""Tables as GraphPad Prism prints them, for people; and CSV that a spreadsheet cannot take for formulas."""

from __future__ import annotations

import math
import re

import pandas as pd

from xray.core.text import shown
from xray.statistics.regression.fit import Fit

_DIGITS = 4
_FORMULA = ("=", "+", "-", "@", "\t", "\n")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&!#$])")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}",
}  # fmt: skip


def digits(value: float) -> str:
    """A number with four significant digits, zeros at the end kept; below 0.00001 and from 10⁹ on in powers of ten.

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
    """A P value with four decimals.

    >>> p_text(0.64460), p_text(0.00009), p_text(0.99996), p_text(float("nan"))
    ('0.6446', '<0.0001', '>0.9999', '')
    """
    if math.isnan(p):
        return ""
    return "<0.0001" if p < 0.0001 else ">0.9999" if p > 0.9999 else f"{p:.4f}"


def prism_table(fit: Fit) -> pd.DataFrame:
    """Parameter estimates as GraphPad Prism prints them, all cells text.

    Returns:
        Columns `Variable`, `Estimate`, `Standard error`, `95% CI (asymptotic)` (`low to high`), `|t|` (`|z|` where the
        normal distribution is used), `P value`, `P value summary`.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> prism_table(regression(table, factors=["model", "scenario"]).fit).iloc[2].tolist()
    ['scenario[y]', '-0.3500', '0.05000', '-0.9853 to 0.2853', '7.000', '0.0903', 'ns']
    """
    made = fit.parameters
    statistic = "|z|" if math.isinf(fit.df) else "|t|"
    return pd.DataFrame(
        {
            "Variable": made["term"],
            "Estimate": made["estimate"].map(digits),
            "Standard error": made["std_error"].map(digits),
            f"{100 * fit.confidence:g}% CI (asymptotic)": [
                f"{digits(low)} to {digits(high)}" for low, high in zip(made["ci_low"], made["ci_high"], strict=True)
            ],
            statistic: made["t"].abs().map(digits),
            "P value": made["p"].map(p_text),
            "P value summary": made["p_summary"],
        }
    )


def to_markdown(table: pd.DataFrame) -> str:
    r"""A table of text in GitHub's Markdown; what could be markup or HTML in a cell is escaped.

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
    r"""Text that Markdown shows as it is, on one line.

    >>> print(markdown_text("<b> of model_a"))
    \<b\> of model\_a
    """
    return _MARKDOWN.sub(r"\\\1", shown(str(cell)))


def to_latex(table: pd.DataFrame) -> str:
    r"""A table of text as LaTeX, to be read by `\input`; needs the packages booktabs and textcomp.

    Every character that means something to TeX is escaped. Letters beyond Latin, and emoji, need XeLaTeX or LuaLaTeX.

    >>> print(to_latex(pd.DataFrame({"Variable": ["a_b$"], "Estimate": ["-0.3500"]})), end="")
    \begin{tabular}{lr}
    \toprule
    Variable & Estimate \\
    \midrule
    a\_b\$ & $-$0.3500 \\
    \bottomrule
    \end{tabular}
    """
    head = " & ".join(map(_latex, table.columns))
    body = [
        " & ".join([_latex(first), *(re.sub(r"-(?=\d)", "$-$", _latex(cell)) for cell in others)])
        for first, *others in table.itertuples(index=False, name=None)
    ]
    lines = [r"\toprule", rf"{head} \\", r"\midrule", *(rf"{row} \\" for row in body), r"\bottomrule"]
    return "\n".join([rf"\begin{{tabular}}{{l{'r' * (table.shape[1] - 1)}}}", *lines, r"\end{tabular}", ""])


def safe_csv(table: pd.DataFrame) -> str:
    r"""A table as CSV without its index; spreadsheets run nothing of it.

    Text that begins with `=`, `+`, `-`, `@`, a tab or a line break gets a `'` in front (OWASP, CSV injection), in the
    heading as well; line breaks within are `\n`, which is quoted. Numbers are as they are, with all digits that they
    need to be read again exactly.

    >>> print(safe_csv(pd.DataFrame({"term": ["=1+1", "model[b]"], "estimate": [-0.1, 0.25]})), end="")
    term,estimate
    '=1+1,-0.1
    model[b],0.25
    """
    safe = table.set_axis([_tame(name) for name in table.columns], axis=1)
    texts = [place for place, dtype in enumerate(safe.dtypes) if not pd.api.types.is_numeric_dtype(dtype)]
    for place in texts:
        safe.isetitem(place, safe.iloc[:, place].astype(object).map(_tame).to_list())
    return safe.to_csv(index=False, lineterminator="\n")


def _tame(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = re.sub(r"\r\n?", "\n", value)  # a lone \r is not quoted, and begins a row in some programs
    return f"'{text}" if text.startswith(_FORMULA) else text


def _latex(cell: object) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in shown(str(cell)))
