"""Masks: examples from the smallest to the largest, measures by origin, and rejected masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from xray.core.schema import OK
from xray.report.data import ReportData
from xray.report.tables import NONE, Table, meaning_of, records
from xray.report.thumbnails import outline_thumbnail

_SIDE = 280
_EXAMPLES = 8
_MEASURES = {
    "predicted_iou": "the refiner’s own estimate of the overlap between its mask and the true object, 0 to 1; it has "
    "not been verified",
    "stability": "overlap of the masks at a stricter and a looser threshold, 0 to 1; near 1 the outline does not "
    "depend on the threshold",
    "agreement": "IoU with the given mask; of given parts that fill their bounding box, only the overlap with the "
    "refined mask counts",
}
_LABELS = {"predicted_iou": "predicted IoU"}
_KEPT = "given_kept"


def render(data: ReportData) -> dict[str, Any]:
    """Return the context of `masks.html.j2`."""
    names = measured(data)
    return {
        "outlines": outlines(data),
        "measures": {_LABELS.get(name, name): _MEASURES[name] for name in names},
        "origins": _origins_table(origins(data), names),
        "rejections": Table.of(
            rejections(data),
            ("text consequence", lambda row: row["consequence"]),
            ("code reason", lambda row: row["code"]),
            ("prose meaning", lambda row: row["meaning"]),
            ("number photographs", lambda row: f"{row['n']:,}"),
        ),
    }


def measured(data: ReportData) -> list[str]:
    """Return the names of the measures that any mask of the run has."""
    return [name for name in _MEASURES if data.photos.masks[name].notna().any()]


def origins(data: ReportData) -> pd.DataFrame:
    """Return the number `n` of accepted masks and the median of each measure, by origin."""
    masks = data.photos.masks[data.photos.masks["status"] == OK]
    groups = masks.groupby("origin")
    return groups[list(_MEASURES)].median().assign(n=groups.size()).sort_index()


def _origins_table(frame: pd.DataFrame, names: list[str]) -> Table:
    def median(name: str) -> tuple[str, Callable[[Mapping[Hashable, Any]], str]]:
        return f"number {_LABELS.get(name, name)}", lambda row: NONE if pd.isna(row[name]) else f"{row[name]:.2f}"

    return Table.of(
        records(frame.reset_index()),
        ("text origin", lambda row: row["origin"]),
        ("number masks", lambda row: f"{row['n']:,}"),
        *map(median, names),
    )


def rejections(data: ReportData) -> list[Mapping[str, Any]]:
    """Count refined masks that were worse than the given mask, and photographs without an accepted mask, by reason."""
    reasons = map(str.split, data.photos.masks["reason"])
    worse = [codes[codes.index(_KEPT) - 1] for codes in reasons if _KEPT in codes]
    rejected = data.photos.masks[data.photos.masks["status"] != OK]
    return [
        {"consequence": consequence, "code": code, "meaning": meaning_of(code), "n": n}
        for consequence, codes in (("the given mask was kept", worse), ("no mask", rejected["reason"]))
        for code, n in sorted(Counter(codes).items(), key=lambda item: (-item[1], item[0]))
    ]


def outlines(data: ReportData) -> list[dict[Hashable, Any]]:
    """Return up to eight accepted masks at evenly spaced ranks of area, drawn on the reference's images.

    `predicted_iou` and `parts` are None for masks without one.
    """
    scenario = data.scores.reference or next(iter(data.scenarios))
    images = data.images.rows
    images = images[(images["scenario"] == scenario) & (images["status"] == OK)]
    masks = data.photos.masks[data.photos.masks["status"] == OK]
    masks = masks[masks["image_id"].isin(images["image_id"])].sort_values(["area", "image_id"])
    ranks = np.unique(np.linspace(0, len(masks) - 1, min(_EXAMPLES, len(masks))).round().astype(int))
    columns = ["image_id", "origin", "area", "parts", "predicted_iou"]
    examples = masks.iloc[ranks][columns].astype(object)
    rows = data.image_rows(scenario, examples["image_id"].tolist(), pc.field("status") == OK)
    cells = {row["image_id"]: row for row in rows}
    return [
        {**row, "picture": outline_thumbnail(cells[row["image_id"]], _SIDE)}
        for row in examples.where(examples.notna(), None).to_dict("records")
    ]
