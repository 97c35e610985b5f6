"""What a model makes of the background: what it recognizes from it alone, and what another background costs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xray.core.text import counted, printable
from xray.pipeline.edits import without_object
from xray.report.data import ReportData
from xray.report.tables import records, row_series
from xray.report.text import interval, percent, percentage_points

Row = Mapping[Hashable, Any]
_PLACED = ("size", "position", "direction", "flip")


@dataclass(frozen=True)
class Background:
    """What is known of one model and backgrounds.

    Args:
        series: name of the model.
        original: its row of accuracies on the reference.
        alone: its row of accuracies on photographs without the object, `scenario` is which; None: there are none.
        shuffled: accuracy of its answers there, dealt to the photographs at random; NaN: not known.
        elsewhere: its row of drops beyond the control, where the object is on another background; without a control in
            the recipe of drops; None: there is no such scenario.
    """

    series: str
    original: Row
    alone: Row | None
    shuffled: float
    elsewhere: Row | None

    @classmethod
    def of(cls, data: ReportData, series: str) -> Background | None:
        """Look up a model; None if it has no accuracy on the reference."""
        table = data.scores.accuracy
        rows = {row["scenario"]: row for row in records(table[table["series"] == series])}
        if data.scores.reference not in rows:
            return None
        alone = next((rows[name] for name in hidden_scenarios(data) if name in rows), None)
        shuffled = float("nan") if alone is None else data.scores.shuffled(series, alone["scenario"])
        return cls(series, rows[data.scores.reference], alone, shuffled, _elsewhere(data, series))

    @property
    def extra(self) -> float:
        """The points that another background costs, minus what the editing costs where that is known."""
        assert self.elsewhere is not None
        return float(self.elsewhere["beyond_control" if "control" in self.elsewhere else "drop"])


def hidden_scenarios(data: ReportData) -> list[str]:
    """Return the scenarios with the background alone, first those that fill the object's area from around it."""
    removed = [name for name in without_object(data.recipe) if name in data.controls]
    return [*removed, *(name for name in data.controls if name not in removed)]


def elsewhere_scenarios(data: ReportData) -> list[str]:
    """Return the scenarios with the unchanged object on photographs of other places."""
    return [name for name, entry in data.recipe["scenarios"].items() if _is_elsewhere(entry)]


def _is_elsewhere(entry: Mapping[str, Any]) -> bool:
    if entry["kind"] == "random_background":
        return True
    world = (entry.get("world") or {}).get("kind")
    return entry["kind"] == "edit" and world == "donor" and not any(entry.get(name) for name in _PLACED)


def _elsewhere(data: ReportData, series: str) -> Row | None:
    edits, drops = data.scores.edits, data.scores.drops
    for scenario in elsewhere_scenarios(data):
        if edits is not None and len(edits.beyond_controls):
            table = edits.beyond_controls
            names = pd.Series([row_series(row) for row in records(table)], table.index, dtype="str")
            found = table[(names == series) & (table["scenario"] == scenario)]
            if len(found):
                return found.iloc[0].to_dict()
        if drops is not None:
            found = drops[(drops["series"] == series) & (drops["scenario"] == scenario)].dropna(subset=["drop"])
            if len(found):
                return found.iloc[0].to_dict()
    return None


def sentence(data: ReportData, found: Background) -> str:
    """Say in one sentence what the background alone gives away, and what another background costs; empty: neither.

    It has the numbers with their intervals, and calls a loss one only where the interval is above 0.
    """
    parts = [*_alone(data, found), *_cost(found, after=found.alone is not None)]
    text = "; ".join(parts)
    return f"{text}." if text else ""


def _alone(data: ReportData, found: Background) -> list[str]:
    row = found.alone
    if row is None:
        return []
    who, removed = printable(found.series), row["scenario"] in without_object(data.recipe)
    bounds = interval(row["ci_low"], row["ci_high"])
    shown = "Shown only the background" if removed else "With the object covered"
    still = "is still right" if row["accuracy"] > 0 else "is right"
    chance = "" if pd.isna(found.shuffled) else f" (its answers in random order: {percent(found.shuffled)})"
    return [
        f"{shown}, {who} {still} on {percent(row['accuracy'])} {bounds} of "
        f"{counted(int(row['n_images']), 'photograph')}{chance}"
    ]


def _cost(found: Background, after: bool) -> list[str]:
    row = found.elsewhere
    if row is None or pd.isna(row["ci_low"]):
        return []
    who = "it" if after else printable(found.series)
    than = " more than pasting does" if "control" in row else ""
    amount = percentage_points(abs(found.extra))
    points = f"{amount} {'point' if amount == '1' else 'points'}"
    bounds = interval(row["ci_low"], row["ci_high"])
    if row["ci_low"] > 0:
        text = f"another background costs {who} {points} {bounds}{than}"
    else:
        sign = "" if found.extra >= 0 else "−"
        text = f"another background is not shown to cost {who} accuracy{than}: {sign}{points} {bounds}"
    return [text if after else text[0].upper() + text[1:]]
