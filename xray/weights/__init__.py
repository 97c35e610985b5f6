"""Weights of models: a folder, local or shared, of files that are pinned and known by their hash."""

from __future__ import annotations

from xray.weights.fingerprints import check_pinned, fingerprint, pinned, refuse_pickles, variant_of
from xray.weights.folder import locate, weights_folder
from xray.weights.known import KNOWN, Known
from xray.weights.offering import Offer, offered
from xray.weights.pulling import Pulled, pull
from xray.weights.verifying import verify

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
