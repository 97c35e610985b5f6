"""The environment of the HTML templates."""

from __future__ import annotations

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
    templates.filters |= {"percent": percent, "printable": printable}
    return templates
