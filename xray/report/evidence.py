"""The figure of the first screen: one photograph in the scenarios of the headline, and each model's accuracy there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from xray.report.background import Background, hidden_scenarios
from xray.report.contact_sheet import first_images, select
from xray.report.data import ReportData
from xray.report.headline import ranked_drops
from xray.report.text import interval, percent, phrase
from xray.report.thumbnails import thumbnail

_SIDE = 420
_MODELS = 4
"""Models in the figure; the table below it has all."""


def evidence(data: ReportData, found: Background) -> Mapping[str, Any] | None:
    """Return the tiles, and why their photograph was chosen; None without images."""
    scenarios, choices = _scenarios(data, found), select(data)
    if len(scenarios) < 2 or not choices:
        return None
    choice = choices[len(choices) // 2]
    images = first_images(data, scenarios, [choice.image_id])
    tiles = []
    for scenario in scenarios:
        row = images.get((choice.image_id, scenario))
        picture = thumbnail(row["image"]["bytes"], _SIDE) if row and row["image"] else None
        text = phrase(scenario, data.recipe["scenarios"][scenario])
        control = found.elsewhere is not None and scenario == found.elsewhere.get("control")
        text = f"control: {text}" if control else text
        tiles.append({"scenario": scenario, "phrase": text, "picture": picture, "bars": _bars(data, scenario)})
    left_out = max(0, len(_series(data)) - _MODELS)
    return {"tiles": tiles, "image_id": choice.image_id, "why": choice.why, "left_out": left_out}


def _scenarios(data: ReportData, found: Background) -> list[str]:
    """Return the reference, the background alone, another background and its control, or the largest loss."""
    names: list[Any] = [data.scores.reference, found.alone and found.alone["scenario"]]
    if found.elsewhere is not None:
        names += [found.elsewhere["scenario"], found.elsewhere.get("control")]
    drops = ranked_drops(data, found.series)
    names += [] if drops.empty else [str(drops["scenario"].iloc[0])]
    names += hidden_scenarios(data)[:1]
    return [name for name in dict.fromkeys(names) if name][:4]


def _series(data: ReportData) -> list[str]:
    """Return the models that are above chance, the most accurate on the reference first."""
    table = data.scores.accuracy
    table = table[(table["scenario"] == data.scores.reference) & ~table["series"].isin(list(data.scores.at_chance))]
    return list(table.sort_values(["accuracy", "series"], ascending=[False, True])["series"])


def _bars(data: ReportData, scenario: str) -> Sequence[Mapping[str, Any]]:
    """Return each model's accuracy in a scenario, as text and as positions in percent."""
    table = data.scores.accuracy
    rows = table[table["scenario"] == scenario].set_index("series")
    bars = []
    for series in _series(data)[:_MODELS]:
        if series not in rows.index:
            continue
        row: Any = rows.loc[series]
        chance = data.scores.shuffled(series, scenario)
        bars.append(
            {
                "series": series,
                "text": percent(row["accuracy"]),
                "interval": interval(row["ci_low"], row["ci_high"]),
                "width": round(100 * row["accuracy"], 1),
                "low": round(100 * row["ci_low"], 1),
                "span": round(100 * (row["ci_high"] - row["ci_low"]), 1),
                "chance": None if pd.isna(chance) else round(100 * chance, 1),
            }
        )
    return bars
