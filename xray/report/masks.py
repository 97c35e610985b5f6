"""Masks as they are: photographs with the outline of their object, from the smallest to the largest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xray.report.evidence import Evidence
from xray.report.thumbnails import outlined
from xray.schema import OK

_SIDE = 280
_SHOWN = 8


@dataclass(frozen=True)
class Outline:
    """A photograph with its mask's outline; `area` is the mask's share of it, 0 … 1."""

    image_id: str
    picture: str
    origin: str
    area: float
    parts: int | None
    predicted_iou: float | None


def outlines(evidence: Evidence) -> list[Outline]:
    """Up to eight accepted masks at even ranks of area, drawn on the first scenario that shows the photograph whole."""
    whole = evidence.reference or next(iter(evidence.scenarios))
    made = evidence.images[(evidence.images["scenario"] == whole) & (evidence.images["status"] == OK)]
    masks = evidence.masks[evidence.masks["image_id"].isin(made["image_id"])].sort_values(["area", "image_id"])
    ranks = np.unique(np.linspace(0, len(masks) - 1, min(_SHOWN, len(masks))).round().astype(int))
    picked = masks.iloc[ranks].to_dict("records")
    rows = evidence.run.images(whole, [row["image_id"] for row in picked]).table.to_pylist() if picked else []
    images = {row["image_id"]: row for row in rows if row["status"] == OK}
    return [
        Outline(
            row["image_id"],
            outlined(images[row["image_id"]]["image"]["bytes"], images[row["image_id"]]["mask"]["bytes"], _SIDE),
            row["origin"],
            float(row["area"]),
            None if np.isnan(row["parts"]) else int(row["parts"]),
            None if np.isnan(row["predicted_iou"]) else float(row["predicted_iou"]),
        )
        for row in picked
    ]
