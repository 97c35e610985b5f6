"""Weights of models: a folder, local or shared, of files that are pinned and known by their hash."""

from __future__ import annotations

from xray.models.weights.catalog import KNOWN, Known
from xray.models.weights.fingerprint import check_pinned, fingerprint, pinned, refuse_pickles, variant_of
from xray.models.weights.folder import locate, weights_folder
from xray.models.weights.pull import Pulled, pull
from xray.models.weights.resolve import Offer, offered
from xray.models.weights.verify import verify

__all__ = [
    "KNOWN",
    "Known",
    "Offer",
    "Pulled",
    "check_pinned",
    "fingerprint",
    "locate",
    "offered",
    "pinned",
    "pull",
    "refuse_pickles",
    "variant_of",
    "verify",
    "weights_folder",
]
