"""Text and HTML output of regressions, for terminals and notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from xray.core.text import printable
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.interpretation import interpret
from xray.statistics.regression.least_squares import LinearFit
from xray.statistics.regression.tables_text import digits, prism_table

_STYLE = (
    ".xray-regression{overflow-x:auto}"
    ".xray-regression table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    ".xray-regression th,.xray-regression td{padding:.15em .8em;text-align:right;white-space:nowrap}"
    ".xray-regression th{border-bottom:1px solid}"
    ".xray-regression th:first-child,.xray-regression td:first-child{text-align:left}"
    ".xray-regression .notes{max-width:60em}"
)
_GOODNESS = {"R²": "r_squared", "adjusted R²": "adjusted_r_squared", "Sy.x": "sy_x", "RMSE": "rmse", "AICc": "aicc"}


def heading(regression: LinearFit) -> str:
    """Return the formula and the reference levels."""
    return f"{printable(regression.response)} ~ {_predictors(regression.fit)}"


def goodness_line(regression: LinearFit) -> str:
    """Return the goodness of fit in one line."""
    goodness = regression.goodness
    numbers = ", ".join(f"{name} {digits(goodness[key])}" for name, key in _GOODNESS.items())
    n, parameters, df = (goodness[name] for name in ("n", "parameters", "df"))
    return f"n {n:,}, {parameters:,} parameters, {df:,} degrees of freedom, {numbers}"


def text(regression: LinearFit) -> str:
    """Return heading, table, goodness of fit, interpretation and notes as text."""
    fit = regression.robust_fit
    facts = f"{goodness_line(regression)}; errors: {fit.errors}"
    return _joined([heading(regression), _aligned(fit), facts, str(interpret(regression))], regression.notes)


def fit_text(fit: Fit, facts: str, notes: Iterable[str]) -> str:
    """Return any other fit as text: its table, some facts, and notes."""
    return _joined([_predictors(fit), _aligned(fit), f"{facts}; errors: {fit.errors}"], notes)


def html(regression: LinearFit) -> str:
    """Return the same as `text` as HTML, with all names escaped."""
    fit, sentences = regression.robust_fit, interpret(regression)
    table = prism_table(fit).map(printable).to_html(index=False, border=0)
    effects = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences.effects)
    notes = "".join(f"<li>{escape(printable(note))}</li>" for note in (*sentences.caveats, *regression.notes))
    return (
        f'<div class="xray-regression"><style>{_STYLE}</style><p><b>{escape(heading(regression))}</b></p>{table}'
        f"<p>{escape(goodness_line(regression))}; errors: {escape(printable(fit.errors))}</p>"
        f'<div class="notes"><ol>{effects}</ol><ul>{notes}</ul></div></div>'
    )


def _joined(parts: list[str], notes: Iterable[str]) -> str:
    return "\n\n".join(filter(None, [*parts, "\n".join(f"note: {printable(note)}" for note in notes)]))


def _predictors(fit: Fit) -> str:
    terms = " + ".join(printable(":".join(term)) for term in fit.design.terms)
    references = ", ".join(f"{printable(f.name)} {printable(f.reference)}" for f in fit.design.factors)
    return f"{terms} ({printable(fit.method)}), compared with {references}"


def _aligned(fit: Fit) -> str:
    table = prism_table(fit).map(printable)
    rows = [list(table), *table.to_numpy().tolist()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows)
    return "\n".join("  ".join(line) for line in lines)
