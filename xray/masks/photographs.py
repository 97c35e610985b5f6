"""Read a photograph and what its annotation says about the object, from a row of SOURCE."""

from __future__ import annotations

import hashlib
from typing import Any

from xray.core import schema
from xray.core.errors import Rejected, rejecting
from xray.core.files import read_bytes
from xray.core.images import Decoded, Limits, decode
from xray.core.uri import base_name
from xray.masks.base import Annotations, Hint, Mask
from xray.masks.fitting import read_mask

Row = dict[str, Any]


def read_photo(source: Row, limits: Limits) -> Decoded:
    """Read and decode a photograph, from its row of SOURCE.

    Raises:
        Rejected: the file cannot be read or used, or has changed since it was planned.
    """
    if source["status"] == schema.REJECTED:
        raise Rejected(source["reason"], source.get("detail") or "")
    data = read_unchanged(source["uri"], source["sha256"], "source_changed", limits)
    return decode(data, limits, name=base_name(source["uri"]))


def read_unchanged(uri: str, sha256: str | None, reason: str, limits: Limits) -> bytes:
    """Read a file; raise `Rejected` with a reason if it has changed since it was planned."""
    data = read_bytes(uri, limits.max_bytes)
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise Rejected(reason, uri)
    return data


def mask_seed(source: Row) -> int:
    """The seed of everything random in a photograph's mask, from the hash of its file."""
    return int(source["sha256"][:15] or "0", 16)


def hint_of(source: Row, decoded: Decoded, annotations: Annotations, limits: Limits) -> tuple[Hint, tuple[str, ...]]:
    """Read where the object is, and return reason codes of conversions.

    Raises:
        Rejected: an annotated mask cannot be read or does not fit.
    """
    mask: Mask | None = None
    notes: tuple[str, ...] = ()
    boxes = tuple(tuple(box) for box in source["boxes"])
    points = tuple((x, y, bool(inside)) for x, y, inside in source["points"])
    phrases = annotations.phrases_of(source["category"])
    if source["mask_uri"] is not None or (not boxes and not points and decoded.alpha is not None):
        try:
            data = _read_mask(source["mask_uri"], source["mask_sha256"], limits)
            with rejecting("corrupt_mask"):
                mask, notes = read_mask(annotations, data, decoded)
        except Rejected as verdict:
            if verdict.reason != "missing_mask" or not (boxes or points or phrases):
                raise
    return Hint(mask, boxes, points, _looked_in(annotations), phrases), notes


def _looked_in(annotations: Annotations) -> str:
    place = getattr(annotations, "root", None) or getattr(annotations, "file", None)
    return f"no annotation of it in {place}" if place else f"no annotation of kind {annotations.name}"


def _read_mask(uri: str | None, sha256: str | None, limits: Limits) -> bytes | None:
    if uri is None:
        return None
    try:
        return read_unchanged(uri, sha256, "mask_changed", limits)
    except Rejected as verdict:
        if verdict.reason == "missing_file":
            raise Rejected("missing_mask", str(verdict)) from verdict
        raise
