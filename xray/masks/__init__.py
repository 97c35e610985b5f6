"""Masks: where the object is, from annotations of many formats, refined where asked for, and measured."""

from __future__ import annotations

from xray.masks.base import Annotations, Mask, Refined, Refiner
from xray.masks.encoding import decode_mask, encode_mask
from xray.masks.quality import Gates, Quality, check, measure

__all__ = [
    "Annotations",
    "Gates",
    "Mask",
    "Quality",
    "Refined",
    "Refiner",
    "check",
    "decode_mask",
    "encode_mask",
    "measure",
]
