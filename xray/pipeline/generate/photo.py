"""Photographs with their masks: the first step of all work on a shard."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from xray.core import schema
from xray.core.errors import Rejected
from xray.core.files import read_bytes
from xray.core.images import Decoded, Limits, decode
from xray.core.uri import base_name
from xray.masks import Annotations, Hint, Mask, MaskStatistics, RefinedMask, decode_mask, encode_mask
from xray.scenarios import Photo

Row = dict[str, Any]


@dataclass(frozen=True)
class MaskedPhoto:
    """A photograph with its final mask (also as PNG) and reason codes of conversions, ready to be rendered."""

    photo: Photo
    encoded_mask: bytes
    origin: str
    notes: tuple[str, ...]


def read_photo(source: Row, limits: Limits) -> Decoded:
    """Read and decode a photograph, from its row of SOURCE.

    Raises:
        Rejected: the file cannot be read or used, or has changed since it was planned.
    """
    if source["status"] == schema.REJECTED:
        raise Rejected(source["reason"])
    data = read_unchanged(source["uri"], source["sha256"], "source_changed")
    return decode(data, limits, name=base_name(source["uri"]))


def read_unchanged(uri: str, sha256: str | None, reason: str) -> bytes:
    """Read a file; raise `Rejected` with a reason if it has changed since it was planned."""
    data = read_bytes(uri)
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise Rejected(reason, uri)
    return data


def mask_seed(source: Row) -> int:
    """The seed of everything random in a photograph's mask, from the hash of its file."""
    return int(source["sha256"][:15] or "0", 16)


def hint_of(source: Row, decoded: Decoded, annotations: Annotations) -> tuple[Hint, tuple[str, ...]]:
    """Read where the object is, and return reason codes of conversions.

    Raises:
        Rejected: an annotated mask cannot be read or does not fit.
    """
    mask: Mask | None = None
    notes: tuple[str, ...] = ()
    boxes = tuple(tuple(box) for box in source["boxes"])
    points = tuple((x, y, bool(inside)) for x, y, inside in source["points"])
    if source["mask_uri"] is not None or (not boxes and not points and decoded.alpha is not None):
        try:
            mask, notes = annotations.read(_read_mask(source["mask_uri"], source["mask_sha256"]), decoded)
        except Rejected as verdict:
            if verdict.reason != "missing_mask" or not (boxes or points):
                raise
    return Hint(mask, boxes, points), notes


def _read_mask(uri: str | None, sha256: str | None) -> bytes | None:
    if uri is None:
        return None
    try:
        return read_unchanged(uri, sha256, "mask_changed")
    except Rejected as verdict:
        if verdict.reason == "missing_file":
            raise Rejected("missing_mask", str(verdict)) from verdict
        raise


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
        "status": schema.OK,
        "reason": " ".join((*notes, *refined.notes)),
    }


def row_without_mask(source: Row, verdict: Rejected) -> Row:
    """The row of MASKS for a photograph without a usable mask."""
    return {**dict.fromkeys(schema.MASKS.names), "image_id": source["image_id"], "origin": "", **outcome_of(verdict)}


def outcome_of(verdict: Rejected) -> Row:
    """The columns of a row that cannot be made."""
    return {"status": schema.status_of(verdict.reason), "reason": verdict.reason}


def masked_photo(decoded: Decoded, row: Row, mask: Mask | None = None) -> MaskedPhoto:
    """Combine a decoded photograph with its mask, from its row of MASKS unless the mask is decoded already.

    Raises:
        Rejected: there is no mask.
    """
    if row["status"] != schema.OK:
        raise Rejected(row["reason"])
    data = row["mask"]["bytes"]
    photo = Photo(decoded.image, decode_mask(data) if mask is None else mask)
    return MaskedPhoto(photo, data, row["origin"], (*decoded.notes, *row["reason"].split()))


def rows_by_image(masks: pa.Table | None) -> dict[str, Row]:
    """Rows of MASKS by `image_id`."""
    return {} if masks is None else {row["image_id"]: row for row in masks.to_pylist()}
