"""The first screen of the page: the finding, the figure that shows it, the models, and a line of caveats."""

from __future__ import annotations

from typing import Any

from xray.core.text import counted
from xray.report.background import Background, sentence
from xray.report.data import ReportData
from xray.report.evidence import evidence
from xray.report.headline import best_series, headline
from xray.report.ranking import models


def render(data: ReportData) -> dict[str, Any]:
    """Return the context of `header.html.j2`."""
    found = _background(data)
    about = sentence(data, found) if found else ""
    title, details = headline(data, control=not about)
    return {
        "run_name": str(data.recipe["name"]),
        "headline": about or title,
        "details": [title, *details] if about else details,
        "evidence": evidence(data, found) if found else None,
        "models": models(data),
        "counts": _counts(data),
    }


def _background(data: ReportData) -> Background | None:
    series = best_series(data)
    if series is None or series in data.scores.at_chance:
        return None
    return Background.of(data, series)


def _counts(data: ReportData) -> str:
    photographs = f"{data.photos.usable:,} of {counted(len(data.photos.source), 'photograph')} usable"
    images = f"{data.images.n_ok:,} of {data.images.n_planned:,} planned images in {len(data.scenarios)} scenarios"
    return f"{photographs}; {images}; {counted(len(data.scores.series), 'model')} evaluated"
