"""What the usual centre crop of classifiers leaves in view of objects that were moved."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from xray.core.errors import Rejected
from xray.core.schema import OK
from xray.core.types import Mask
from xray.masks import decode_mask
from xray.report.data import ReportData

CROP = 0.875
"""Side of the square that ImageNet models usually see, as a share of the photograph's shorter side."""
_MOST_PHOTOGRAPHS = 100


def seen_by_cell(data: ReportData, cells: pd.DataFrame) -> pd.DataFrame:
    """Return the mean share of the object that is in the centre crop, by the cell that the object was moved to.

    Args:
        data: of the report.
        cells: of one position map; `scenario`, `row` and `column`.

    Returns:
        One row per cell with `row`, `column` and `seen` (0 … 1), over the first 100 photographs, by id, that have an
        image in every cell; empty if none has.
    """
    places = cells.drop_duplicates("scenario")[["scenario", "row", "column"]]
    shown = pc.field("scenario").isin(places["scenario"].tolist()) & (pc.field("status") == OK)
    images = data.run.table("images", ["image_id", "scenario"], shown).to_pandas().drop_duplicates()
    per_photograph = images.groupby("image_id")["scenario"].size()
    complete = per_photograph.index[per_photograph == len(places)].sort_values()[:_MOST_PHOTOGRAPHS].tolist()
    if not complete:
        return places.assign(seen=np.nan)[:0]
    of_complete = pc.field("image_id").isin(complete)
    shards = set(data.run.table("plan", ["shard"], of_complete).column("shard").to_pylist())
    masks = data.run.table("images", ["scenario", "mask"], shown & of_complete, shards=shards).to_pandas()
    masks = masks.assign(seen=[_seen(mask) for mask in masks["mask"]])
    return places.merge(masks.groupby("scenario", as_index=False)["seen"].mean(), on="scenario")


def seen_share(mask: Mask, crop: float = CROP) -> float:
    """Return the share of an object's pixels inside the central square, 0 … 1; NaN without an object.

    Args:
        mask: the object, shape (H, W).
        crop: side of the square / shorter side of the photograph, above 0 and at most 1.

    >>> mask = np.zeros((100, 200), bool)
    >>> mask[40:60, 40:80] = True  # the square is 88 pixels wide, from column 56
    >>> seen_share(mask)
    0.6
    """
    height, width = mask.shape
    side = round(crop * min(height, width))
    top, left = (height - side) // 2, (width - side) // 2
    pixels = int(np.count_nonzero(mask))
    return int(np.count_nonzero(mask[top : top + side, left : left + side])) / pixels if pixels else np.nan


def _seen(mask: dict[str, bytes] | None) -> float:
    try:
        return seen_share(decode_mask(mask["bytes"])) if mask else np.nan
    except Rejected:
        return np.nan
