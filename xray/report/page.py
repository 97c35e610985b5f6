"""The report: one self-contained HTML file without scripts, which loads nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from markupsafe import Markup

from xray.core.text import printable
from xray.report import (
    accuracy,
    caveats,
    contact_sheet,
    edits,
    header,
    inpainting,
    masks,
    provenance,
    reasons,
    training,
)
from xray.report.data import ReportData, gather
from xray.report.environment import environment

if TYPE_CHECKING:
    import jinja2

    from xray.runs.folder import RunFolder


class Section(Protocol):
    """A section of the page: a module with the template `templates/<module>.html.j2`."""

    def render(self, data: ReportData) -> Mapping[str, Any] | None:
        """Return the context of the section's template; None leaves the section out."""


SECTIONS: Mapping[str, Section] = {
    "header": header,
    "contact_sheet": contact_sheet,
    "caveats": caveats,
    "accuracy": accuracy,
    "edits": edits,
    "training": training,
    "inpainting": inpainting,
    "masks": masks,
    "reasons": reasons,
    "provenance": provenance,
}
"""The sections by template, in the order of the page."""

_HEADING = re.compile(r'<section id="([^"]+)">\s*<h2>([^<]+)</h2>')


def build_report(run: RunFolder) -> str:
    """Return the report of a run as an HTML page; works at every stage of the run."""
    data = gather(run)
    templates = environment()
    title = printable(str(data.recipe["name"]), 80)
    return templates.get_template("page.html.j2").render(title=title, sections=_sections(templates, data))


def write_report(run: RunFolder) -> str:
    """Write `report.html` into the run, and return its URI."""
    return run.store.write_file("report.html", build_report(run).encode())


def _sections(templates: jinja2.Environment, data: ReportData) -> Iterator[Markup]:
    """Yield the header, which lists the contents and the caveats, and the other sections."""
    contexts = {name: section.render(data) for name, section in SECTIONS.items()}
    top = {**(contexts.pop("header") or {}), **(contexts["caveats"] or {"caveats": []})}

    def html(name: str, context: Mapping[str, Any]) -> Markup:
        return Markup(templates.get_template(f"{name}.html.j2").render(context))

    sections = [html(name, context) for name, context in contexts.items() if context is not None]
    contents = [heading for section in sections for heading in _HEADING.findall(section)]
    yield html("header", {**top, "contents": contents})
    yield from sections
