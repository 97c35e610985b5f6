"""The environment of the HTML templates."""

from __future__ import annotations

import re

import jinja2

from xray.core.text import printable
from xray.report.text import percent


def environment() -> jinja2.Environment:
    """Return an environment in which text is escaped, and names that are not defined are errors."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("xray", "report/templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"percent": percent, "printable": printable, "sentence": _sentence, "unbroken": _unbroken}
    return templates


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _unbroken(text: str) -> str:
    """Keep numbers and their signs, and the bounds of an interval, on one line."""
    return re.sub(r"(?<=\d) (?=%|points?\b|\[)|(?<=,) (?=[−\d]+\])", "\u00a0", text)
