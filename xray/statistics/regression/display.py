"""How a regression shows itself: as text in a terminal, as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd

from xray.core.text import shown
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.interpretation import reading
from xray.statistics.regression.least_squares import Regression
from xray.statistics.regression.tables_text import digits, prism_table

_STYLE = (
    ".xray-regression{overflow-x:auto}"
    ".xray-regression table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    ".xray-regression th,.xray-regression td{padding:.15em .8em;text-align:right;white-space:nowrap}"
    ".xray-regression th{border-bottom:1px solid}"
    ".xray-regression th:first-child,.xray-regression td:first-child{text-align:left}"
    ".xray-regression .remarks{max-width:60em}"
)


def heading(regression: Regression) -> str:
    """What was regressed on what, and compared with what."""
    return f"{shown(regression.response)} ~ {_predictors(regression.fit)}"


def goodness_line(regression: Regression) -> str:
    """How well the model fits, in a line."""
    found = regression.goodness
    named = {
        "R²": "r_squared", "adjusted R²": "adjusted_r_squared", "Sy.x": "sy_x", "RMSE": "rmse", "AICc": "aicc",
    }  # fmt: skip
    numbers = ", ".join(f"{name} {digits(found[key])}" for name, key in named.items())
    return f"n {found['n']:,}, {found['parameters']:,} parameters, {found['df']:,} degrees of freedom, {numbers}"


def text(regression: Regression) -> str:
    """Everything that a reader needs at first, as text."""
    fit = regression.clustered or regression.fit
    notes = [f"note: {shown(note)}" for note in regression.notes]
    parts = [
        heading(regression),
        _aligned(prism_table(fit)),
        f"{goodness_line(regression)}; errors: {fit.errors}",
        str(reading(regression)),
    ]
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])])


def fit_text(fit: Fit, facts: str, notes: Sequence[str]) -> str:
    """A fit of another kind as text: its table, some facts, and notes."""
    parts = [_predictors(fit), _aligned(prism_table(fit)), f"{facts}; errors: {fit.errors}"]
    return "\n\n".join([*parts, *(["\n".join(f"note: {shown(note)}" for note in notes)] if notes else [])])


def _predictors(fit: Fit) -> str:
    terms = " + ".join(shown(":".join(term)) for term in fit.design.terms)
    references = ", ".join(f"{shown(f.name)} {shown(f.reference)}" for f in fit.design.factors)
    return f"{terms} ({shown(fit.method)}), compared with {references}"


def _aligned(table: pd.DataFrame) -> str:
    rows = [list(table.columns), *([shown(cell) for cell in row] for row in table.itertuples(index=False, name=None))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in rows
    ]
    return "\n".join("  ".join(line) for line in lines)


def html(regression: Regression) -> str:
    """The same as HTML, with all names escaped."""
    fit, said = regression.clustered or regression.fit, reading(regression)
    table = prism_table(fit)
    head = "".join(f"<th>{escape(str(name))}</th>" for name in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(shown(cell))}</td>" for cell in row) + "</tr>"
        for row in table.itertuples(index=False)
    )
    effects = "".join(f"<li>{escape(sentence)}</li>" for sentence in said.effects)
    remarks = "".join(f"<li>{escape(shown(remark))}</li>" for remark in (*said.caveats, *regression.notes))
    return (
        f'<div class="xray-regression"><style>{_STYLE}</style><p><b>{escape(heading(regression))}</b></p>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<p>{escape(goodness_line(regression))}; errors: {escape(shown(fit.errors))}</p>"
        f'<div class="remarks"><ol>{effects}</ol><ul>{remarks}</ul></div></div>'
    )
