"""Pinned weights: a catalogue, a local or shared folder, and the fingerprints of what is loaded."""

from __future__ import annotations

from xray.models.weights.catalog import CATALOG, CatalogEntry
from xray.models.weights.fingerprint import (
    check_pinned,
    checked_fingerprint,
    fingerprint,
    pinned,
    refuse_pickles,
    variant_of,
)
from xray.models.weights.folder import locate, weights_folder
from xray.models.weights.pull import Pulled, pull
from xray.models.weights.resolve import Resolved, resolve
from xray.models.weights.verify import verify

__all__ = [
    "CATALOG",
    "CatalogEntry",
    "Pulled",
    "Resolved",
    "check_pinned",
    "checked_fingerprint",
    "fingerprint",
    "locate",
    "pinned",
    "pull",
    "refuse_pickles",
    "resolve",
    "variant_of",
    "verify",
    "weights_folder",
]
