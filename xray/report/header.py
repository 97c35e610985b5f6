"""The header of the page: the headline, the caveats and the main numbers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from xray.core.text import printable
from xray.pipeline.realism import rates
from xray.report.caveats import caveats
from xray.report.data import ReportData
from xray.report.headline import best_series, headline, ranked_drops
from xray.report.text import interval, percent, percentage_points

Card = tuple[str, str, str]
"""A label, its number, and a note on the interval and sample size."""


def render(data: ReportData) -> dict[str, Any]:
    """Return the context of `header.html.j2`."""
    sentence, details = headline(data)
    return {
        "run_name": str(data.recipe["name"]),
        "headline": sentence,
        "details": details,
        "caveats": caveats(data),
        "cards": [*_counts(data), *_accuracies(data)],
    }


def _counts(data: ReportData) -> list[Card]:
    planned = f"of {data.images.n_planned:,} planned, in {len(data.scenarios)} scenarios"
    cards = [
        ("usable photographs", f"{data.photos.usable:,}", f"of {len(data.photos.source):,}"),
        ("generated images", f"{data.images.n_ok:,}", planned),
    ]
    return cards + [
        ("inpainted images kept", percent(row["rate"]), _note(row, f"n\u00a0=\u00a0{row['n']:,}"))
        for row in rates(data.inpainting.judgements.assign(all=""), ["all"]).to_dict("records")
        if row["n"]
    ]


def _accuracies(data: ReportData) -> list[Card]:
    series = best_series(data)
    if series is None:
        return []
    table = data.scores.accuracy
    rows = {row["scenario"]: row for row in table[table["series"] == series].to_dict("records")}
    cards = [_accuracy("accuracy on originals", rows[data.scores.reference], series)]
    drops = ranked_drops(data, series)
    if not drops.empty:
        worst = drops.iloc[0].to_dict()
        note = _note(worst, f"{worst['scenario']}, n\u00a0=\u00a0{worst['n_images']:,}")
        most = "most" if worst["drop"] == drops["drop"].max() else "largest loss that is shown"
        label = "points lost" if len(drops) == 1 else f"points lost, the {most} in {len(drops)} scenarios"
        cards.append((label, percentage_points(worst["drop"]), note))
    for name in [name for name in data.controls[:1] if name in rows]:
        ignorant = [f"{text}: {percent(share)}" for text, share in data.scores.ignorant(series, name).items()]
        cards.append(_accuracy("accuracy without object", rows[name], series, *ignorant))
    return cards


def _accuracy(label: str, row: Mapping[Hashable, Any], series: str, *more: str) -> Card:
    note = _note(row, f"{printable(series, 28)}, n\u00a0=\u00a0{row['n']:,}")
    return label, percent(row["accuracy"]), "; ".join([note, *more])


def _note(row: Mapping[Hashable, Any], text: str) -> str:
    return ", ".join(filter(None, (interval(row["ci_low"], row["ci_high"]), text)))
