"""Masks: examples from the smallest to the largest, measures by origin, and rejected masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from xray.core.schema import OK, REASONS
from xray.report.data import ReportData
from xray.report.tables import NONE, Table, records
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


class Rejection(NamedTuple):
    """Masks with the same consequence and reason: the code, its meaning and the number of photographs."""

    consequence: str
    code: str
    meaning: str
    n: int


@dataclass(frozen=True)
class Outline:
    """A photograph with the outline of its mask.

    Args:
        image_id: the photograph.
        picture: `data:` URI.
        origin: where the mask comes from.
        area: the mask's share of the image, 0–1.
        parts: number of connected parts; None if unknown.
        predicted_iou: the refiner's own estimate; None for masks without one.
    """

    image_id: str
    picture: str
    origin: str
    area: float
    parts: int | None
    predicted_iou: float | None


def render(data: ReportData) -> dict[str, Any]:
    """Return the context of `masks.html.j2`."""
    names = measured(data)
    return {
        "outlines": outlines(data),
        "measures": {_LABELS.get(name, name): _MEASURES[name] for name in names},
        "origins": _origins_table(origins(data), names),
        "rejections": Table.of(
            rejections(data),
            ("text consequence", lambda row: row.consequence),
            ("code reason", lambda row: row.code),
            ("prose meaning", lambda row: row.meaning),
            ("number photographs", lambda row: f"{row.n:,}"),
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


def rejections(data: ReportData) -> list[Rejection]:
    """Count refined masks that were worse than the given mask, and photographs without an accepted mask, by reason."""
    reasons = map(str.split, data.photos.masks["reason"])
    worse = [codes[codes.index(_KEPT) - 1] for codes in reasons if _KEPT in codes]
    rejected = data.photos.masks[data.photos.masks["status"] != OK]
    return _by_reason("the given mask was kept", worse) + _by_reason("no mask", rejected["reason"])


def _by_reason(consequence: str, codes: Iterable[str]) -> list[Rejection]:
    return [
        Rejection(consequence, code, REASONS.get(code, "no meaning is recorded for this code"), n)
        for code, n in sorted(Counter(codes).items(), key=lambda item: (-item[1], item[0]))
    ]


def outlines(data: ReportData) -> list[Outline]:
    """Return up to eight accepted masks at evenly spaced ranks of area, drawn on the reference's images."""
    scenario = data.scores.reference or next(iter(data.scenarios))
    images = data.images.rows
    images = images[(images["scenario"] == scenario) & (images["status"] == OK)]
    masks = data.photos.masks[data.photos.masks["image_id"].isin(images["image_id"])]
    masks = masks.sort_values(["area", "image_id"])
    ranks = np.unique(np.linspace(0, len(masks) - 1, min(_EXAMPLES, len(masks))).round().astype(int))
    examples = masks.iloc[ranks].to_dict("records")
    ids = [row["image_id"] for row in examples]
    rows = data.run.images(scenario, ids).table.to_pylist() if ids else []
    cells = {row["image_id"]: row for row in rows if row["status"] == OK}
    return [
        Outline(
            row["image_id"],
            outline_thumbnail(cells[row["image_id"]]["image"]["bytes"], cells[row["image_id"]]["mask"]["bytes"], _SIDE),
            row["origin"],
            float(row["area"]),
            None if np.isnan(row["parts"]) else int(row["parts"]),
            None if np.isnan(row["predicted_iou"]) else float(row["predicted_iou"]),
        )
        for row in examples
    ]
