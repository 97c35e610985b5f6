"""Photographs with their masks: the first step of all work on a shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from xray.core import schema
from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.masks import Mask, MaskStatistics, RefinedMask, decode_mask, encode_mask
from xray.scenarios import Photo, Scenario

Row = dict[str, Any]


@dataclass(frozen=True)
class MaskedPhoto:
    """A photograph with its final mask (also as PNG) and reason codes of conversions, ready to be rendered.

    Without a mask, `photo.mask` marks nothing, `encoded_mask` is None, and `refusal` is the reason.
    """

    photo: Photo
    encoded_mask: bytes | None
    origin: str | None
    notes: tuple[str, ...]
    refusal: Rejected | None = None

    def check_usable(self, scenario: Scenario) -> None:
        """Raise `Rejected` if the scenario needs a mask, and there is none."""
        if self.refusal is not None and scenario.needs_mask:
            raise self.refusal


def mask_row(source: Row, refined: RefinedMask, statistics: MaskStatistics, notes: tuple[str, ...] = ()) -> Row:
    """The row of MASKS for an accepted mask; `notes`: reason codes of conversions."""
    return {
        "image_id": source["image_id"],
        "mask": {"bytes": encode_mask(refined.mask), "path": f"{source['image_id']}.png"},
        "origin": refined.origin,
        "predicted_iou": refined.predicted_iou,
        "stability": refined.stability,
        "area": statistics.area,
        "parts": statistics.parts,
        "holes": statistics.holes,
        "agreement": refined.agreement,
        "detection": refined.detection,
        "status": schema.OK,
        "reason": " ".join((*notes, *refined.notes)),
    }


def row_without_mask(source: Row, verdict: Rejected) -> Row:
    """The row of MASKS for a photograph without a usable mask."""
    return {
        **dict.fromkeys(schema.MASKS.names),
        "image_id": source["image_id"],
        "origin": "",
        **schema.outcome_of(verdict),
    }


def masked_photo(decoded: Decoded, row: Row, mask: Mask | None = None) -> MaskedPhoto:
    """Combine a decoded photograph with its mask, from its row of MASKS unless the mask is decoded already.

    Raises:
        Rejected: a file could not be read; once it can, everything of this photograph is made again.
    """
    if row["status"] != schema.OK:
        refusal = Rejected(row["reason"], row.get("detail") or "")
        if row["status"] == schema.FAILED:
            raise refusal
        return photo_without_mask(decoded, refusal)
    data = row["mask"]["bytes"]
    photo = Photo(decoded.image, decode_mask(data) if mask is None else mask)
    return MaskedPhoto(photo, data, row["origin"], (*decoded.notes, *row["reason"].split()))


def photo_without_mask(decoded: Decoded, refusal: Rejected | None = None) -> MaskedPhoto:
    """Return a photograph for scenarios that need no mask; `refusal`: why it has none."""
    nothing = np.zeros(decoded.image.shape[:2], bool)
    return MaskedPhoto(Photo(decoded.image, nothing), None, None, decoded.notes, refusal)


def rows_by_image(masks: pa.Table | None) -> dict[str, Row]:
    """Rows of MASKS by `image_id`."""
    return {} if masks is None else {row["image_id"]: row for row in masks.to_pylist()}
