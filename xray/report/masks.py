"""Masks: what became of them by who made them, and some as they are, from the smallest to the largest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from xray.core.schema import OK, REASONS
from xray.report.data import Evidence
from xray.report.thumbnails import outlined

_SIDE = 280
_SHOWN = 8
_MEASURES = {
    "predicted_iou": "the refiner’s own estimate of how far its mask and the true object overlap, 0 to 1: "
    "nobody has checked it",
    "stability": "overlap of the masks that a stricter and a laxer threshold give, 0 to 1: "
    "near 1 the outline does not hang on the threshold",
    "agreement": "IoU with the given mask; of parts that fill their bounding box, only what the refined mask has "
    "of them counts",
}
_KEPT = "given_kept"


@dataclass(frozen=True)
class Measure:
    """What was measured of masks, and what that means."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Fate:
    """What became of some masks: how many, and why as a code of `REASONS`."""

    what: str
    code: str
    meaning: str
    n: int


@dataclass(frozen=True)
class Outline:
    """A photograph with its mask's outline; `area` is the mask's share of it, 0 … 1.

    `predicted_iou` is the refiner's own estimate, if it made this mask and estimates.
    """

    image_id: str
    picture: str
    origin: str
    area: float
    parts: int | None
    predicted_iou: float | None


def measures(evidence: Evidence) -> list[Measure]:
    """The measures that any mask of the run has."""
    return [Measure(name, meaning) for name, meaning in _MEASURES.items() if evidence.masks[name].notna().any()]


def origins(evidence: Evidence) -> list[dict[Hashable, Any]]:
    """Accepted masks by origin: how many (`n`), and the median of each measure, NaN where there is none."""
    masks = evidence.masks[evidence.masks["status"] == OK]
    groups = masks.groupby("origin")
    table = groups[list(_MEASURES)].median().assign(n=groups.size())
    return table.sort_index().reset_index().to_dict("records")


def fates(evidence: Evidence) -> list[Fate]:
    """Given masks that were kept because the refined one was worse, and masks that were refused, by reason."""
    notes = map(str.split, evidence.masks["reason"])
    worse = [codes[codes.index(_KEPT) - 1] for codes in notes if _KEPT in codes]
    bad = evidence.masks[evidence.masks["status"] != OK]
    return _fates("the given mask was kept", worse) + _fates("no mask", bad["reason"])


def _fates(what: str, codes: Iterable[str]) -> list[Fate]:
    return [
        Fate(what, code, REASONS.get(code, "no meaning is recorded for this code"), n)
        for code, n in sorted(Counter(codes).items(), key=lambda item: (-item[1], item[0]))
    ]


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
