"""Photographs with their masks: the first step of all work on a shard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from xray.core import schema
from xray.core.errors import DamagedError, Rejected
from xray.core.images import Decoded
from xray.core.patches import Patch, apply_patch, removed_patch
from xray.core.types import Pixels
from xray.masks import Mask, MaskStatistics, RefinedMask, decode_mask, encode_mask
from xray.scenarios import Photo, Scenario

Row = dict[str, Any]


@dataclass(frozen=True)
class MaskedPhoto:
    """A photograph with its final mask (also as PNG) and reason codes of conversions, ready to be rendered.

    Without a mask, `photo.mask` marks nothing, `encoded_mask` is None, and `refusal` is the reason; `unremoved` is the
    reason why `photo.removed` is None although scenarios of the shard look at it.
    """

    photo: Photo
    encoded_mask: bytes | None
    origin: str | None
    notes: tuple[str, ...]
    refusal: Rejected | None = None
    unremoved: Rejected | None = None

    def check_usable(self, scenario: Scenario) -> None:
        """Raise `Rejected` if the scenario needs a mask, or the photograph without its object, and there is none."""
        if self.refusal is not None and scenario.needs_mask:
            raise self.refusal
        if self.unremoved is not None and scenario.needs_removed:
            raise self.unremoved


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


def removed_row(source: Row, image: Pixels, removed: Pixels, remover: str) -> Row:
    """The row of REMOVED for a photograph (RGB, shape (H, W, 3)) and the same without its object."""
    patch = removed_patch(image, removed)
    return {
        "image_id": source["image_id"],
        "patch": {"bytes": patch.encode(), "path": f"{source['image_id']}.png"},
        "x": patch.x,
        "y": patch.y,
        "remover": remover,
        "area": patch.replaced / (image.shape[0] * image.shape[1]),
        "status": schema.OK,
        "reason": "",
    }


def row_without_removed(source: Row, remover: str, verdict: Rejected) -> Row:
    """The row of REMOVED for a photograph whose object could not be removed."""
    return {
        **dict.fromkeys(schema.REMOVED.names),
        "image_id": source["image_id"],
        "x": 0,
        "y": 0,
        "remover": remover,
        **schema.outcome_of(verdict),
    }


def without_object(image: Pixels, row: Row) -> Pixels:
    """Return a photograph without its object, from its row of REMOVED.

    Raises:
        Rejected: the row's own reason.
        DamagedError: the row is not as it was written.
    """
    if row["status"] != schema.OK:
        raise Rejected(row["reason"], row["detail"] or "")
    try:
        return apply_patch(image, Patch.decode(row["patch"]["bytes"], row["x"], row["y"]))
    except DamagedError as error:
        raise _damaged(row, "removed", error) from error


def masked_photo(
    decoded: Decoded,
    row: Row,
    mask: Mask | None = None,
    removed: Row | None = None,
    remove: Callable[[Pixels, Row], Pixels] = without_object,
) -> MaskedPhoto:
    """Combine a decoded photograph with its mask, from its row of MASKS unless the mask is decoded already.

    `removed`: its row of REMOVED, if a scenario looks at it; `remove` makes the photograph without its object of it.

    Raises:
        Rejected: a file could not be read; once it can, everything of this photograph is made again.
    """
    masked = _masked(decoded, row, mask)
    if removed is None:
        return masked
    try:
        pixels = remove(decoded.image, removed)
    except Rejected as verdict:
        return replace(masked, unremoved=verdict)
    return replace(masked, photo=replace(masked.photo, removed=pixels))


def _masked(decoded: Decoded, row: Row, mask: Mask | None) -> MaskedPhoto:
    if row["status"] != schema.OK:
        refusal = Rejected(row["reason"], row.get("detail") or "")
        if row["status"] == schema.FAILED:
            raise refusal
        return photo_without_mask(decoded, refusal)
    data = row["mask"]["bytes"]
    if mask is None:
        try:
            mask = decode_mask(data)
        except Rejected as verdict:
            raise _damaged(row, "masks", verdict) from verdict
    photo = Photo(decoded.image, mask)
    return MaskedPhoto(photo, data, row["origin"], (*decoded.notes, *row["reason"].split()))


def _damaged(row: Row, table: str, error: Exception) -> DamagedError:
    """The error of a row that the run itself has written; it says nothing about the photograph."""
    return DamagedError(
        f"{table}/: the row of {row['image_id']!r} is damaged ({error}); `xray verify RUN` lists all damage"
    )


def photo_without_mask(decoded: Decoded, refusal: Rejected | None = None) -> MaskedPhoto:
    """Return a photograph for scenarios that need no mask; `refusal`: why it has none."""
    nothing = np.zeros(decoded.image.shape[:2], bool)
    return MaskedPhoto(Photo(decoded.image, nothing), None, None, decoded.notes, refusal)


def rows_by_image(table: pa.Table | None) -> dict[str, Row]:
    """Rows of MASKS or REMOVED by `image_id`."""
    return {} if table is None else {row["image_id"]: row for row in table.to_pylist()}
