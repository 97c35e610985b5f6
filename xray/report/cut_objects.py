"""Objects that the frame cuts: resized or turned, they show their cut edge; what edits cost without them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from xray.core.schema import OK
from xray.pipeline.score import compared
from xray.report.data import ReportData
from xray.report.tables import NONE, Table, records, row_series
from xray.report.text import interval, percentage_points
from xray.runs.factors import edit_controls
from xray.statistics.robustness.editing import drops_beyond_controls


def cut_objects(data: ReportData, beyond: pd.DataFrame) -> dict[str, Any] | None:
    """Return how many photographs have a cut object, of how many, and the edits' costs without them.

    Args:
        data: of the report.
        beyond: costs over all photographs, as `drops_beyond_controls` returns.

    Returns:
        `n`, `of` and the `table`; None if no object in an edit that shows cut edges is cut.
    """
    entries, reference = data.recipe["scenarios"], data.scores.reference
    controls = {name: other for name, other in edit_controls(data.recipe).items() if shows_cut_edges(entries[name])}
    if reference is None or not controls:
        return None
    cut = _cut(data, list(controls))
    if not cut.any():
        return None
    whole = data.scores.predictions[~data.scores.predictions["image_id"].isin(cut.index[cut])]
    without = drops_beyond_controls(data.scores.above_chance(compared(whole, reference)), controls)
    keys = ["model", "trained_on", "scenario"]
    table = without.merge(beyond, how="left", on=keys, suffixes=("", "_all"))
    return {"n": int(cut.sum()), "of": len(cut), "table": _table(table) if len(table) else None}


def shows_cut_edges(entry: Mapping[str, Any]) -> bool:
    """Return whether a scenario can move the edge where the frame cuts an object into the picture.

    >>> entry = {"kind": "edit", "size": {"rate": 0.1}, "direction": None, "position": None}
    >>> shows_cut_edges(entry), shows_cut_edges(entry | {"position": {"cut": "slide"}})
    (True, False)
    """
    if entry["kind"] != "edit":
        return False
    position = entry.get("position")
    if position:
        return position.get("cut") == "allow" or bool(entry.get("as_released"))
    return bool(entry.get("size") or entry.get("direction"))


def _cut(data: ReportData, scenarios: list[str]) -> pd.Series:
    """Return by photograph whether the frame cuts its object, of those with an image in one of some scenarios."""
    where = pc.field("scenario").isin(scenarios) & (pc.field("status") == OK)
    rows = data.run.table("images", ["image_id", "provenance"], where).to_pandas().drop_duplicates("image_id")
    return pd.Series([_is_cut(text) for text in rows["provenance"]], index=rows["image_id"], dtype=bool)


def _is_cut(provenance: str) -> bool:
    return bool(json.loads(provenance).get("drawn", {}).get("cut_sides"))


def _table(table: pd.DataFrame) -> Table:
    return Table.of(
        records(table),
        ("name model", row_series),
        ("name edit", lambda row: row["scenario"]),
        ("number beyond the control", lambda row: percentage_points(row["beyond_control_all"], 1)),
        ("number photographs", lambda row: f"{row['n_images_all']:,}"),
        ("number without cut objects", lambda row: percentage_points(row["beyond_control"], 1)),
        ("number 95 % interval", lambda row: interval(row["ci_low"], row["ci_high"], 1) or NONE),
        ("number photographs", lambda row: f"{row['n_images']:,}"),
    )
