"""A photograph and its object, ready to be rendered: what every kind of work on a shard begins with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from xray.core import schema
from xray.core.errors import Rejected
from xray.core.files import read_bytes
from xray.core.images import Decoded, Limits, decode
from xray.core.uri import name_of
from xray.masks import Annotations, Hint, Mask, Quality, Refined, decode_mask, encode_mask
from xray.scenarios import Photo

Row = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """A photograph ready to be rendered.

    Args:
        photo: its pixels and final mask.
        encoded_mask: the mask as PNG.
        origin: of the mask.
        notes: reason codes of conversions that were made.
    """

    photo: Photo
    encoded_mask: bytes
    origin: str
    notes: tuple[str, ...]


def photograph(source: Row, limits: Limits) -> Decoded:
    """Read and decode a photograph.

    Args:
        source: its row of SOURCE.
        limits: what to refuse.

    Raises:
        Rejected: it cannot be read or used, or is not the one that was planned.
    """
    if source["status"] == schema.REJECTED:
        raise Rejected(source["reason"])
    data = read_bytes(source["uri"])
    if source["sha256"] and hashlib.sha256(data).hexdigest() != source["sha256"]:
        raise Rejected("source_changed", source["uri"])
    return decode(data, limits, name=name_of(source["uri"]))


def seed_of(source: Row) -> int:
    """What decides all that is random in a photograph's mask."""
    return int(source["sha256"][:15] or "0", 16)


def hint_of(source: Row, decoded: Decoded, annotations: Annotations) -> tuple[Hint, tuple[str, ...]]:
    """What the source tells of where the object is, and reason codes of conversions that were made.

    Raises:
        Rejected: an annotated mask that cannot be read or does not fit.
    """
    mask: Mask | None = None
    notes: tuple[str, ...] = ()
    boxes = tuple(tuple(box) for box in source["boxes"])
    points = tuple((x, y, bool(inside)) for x, y, inside in source["points"])
    if source["mask_uri"] is not None or (not boxes and not points and decoded.alpha is not None):
        try:
            mask, notes = annotations.read(_mask_bytes(source["mask_uri"], source["mask_sha256"]), decoded)
        except Rejected as verdict:
            if verdict.reason != "missing_mask" or not (boxes or points):
                raise
    return Hint(mask, boxes, points), notes


def _mask_bytes(uri: str | None, sha256: str | None) -> bytes | None:
    if uri is None:
        return None
    try:
        data = read_bytes(uri)
    except Rejected as verdict:
        if verdict.reason == "missing_file":
            raise Rejected("missing_mask", str(verdict)) from verdict
        raise
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise Rejected("mask_changed", uri)
    return data


def mask_row(source: Row, refined: Refined, quality: Quality, notes: tuple[str, ...] = ()) -> Row:
    """The row of MASKS for an accepted mask.

    Args:
        source: the photograph's row of SOURCE.
        refined: the mask, see `xray.masks.accept`.
        quality: what it looks like.
        notes: reason codes of conversions that were made.
    """
    return {
        "image_id": source["image_id"],
        "mask": {"bytes": encode_mask(refined.mask), "path": f"{source['image_id']}.png"},
        "origin": refined.origin,
        "predicted_iou": refined.predicted_iou,
        "stability": refined.stability,
        "area": quality.area,
        "parts": quality.parts,
        "holes": quality.holes,
        "agreement": refined.agreement,
        "status": schema.OK,
        "reason": " ".join((*notes, *refined.notes)),
    }


def without_mask(source: Row, verdict: Rejected) -> Row:
    """The row of MASKS for a photograph whose mask cannot be had."""
    row: Row = dict.fromkeys(schema.MASKS.names)
    told = {"status": schema.status_of(verdict.reason), "reason": verdict.reason}
    return row | {"image_id": source["image_id"], "origin": "", **told}


def subject(decoded: Decoded, row: Row, mask: Mask | None = None) -> Subject:
    """A decoded photograph with its mask.

    Args:
        decoded: the photograph.
        row: its row of MASKS.
        mask: the mask in it, where it is at hand.

    Raises:
        Rejected: there is no mask.
    """
    if row["status"] != schema.OK:
        raise Rejected(row["reason"])
    data = row["mask"]["bytes"]
    photo = Photo(decoded.image, decode_mask(data) if mask is None else mask)
    return Subject(photo, data, row["origin"], (*decoded.notes, *row["reason"].split()))


def by_image(masks: pa.Table | None) -> dict[str, Row]:
    """Rows of MASKS by their photograph."""
    return {} if masks is None else {row["image_id"]: row for row in masks.to_pylist()}
