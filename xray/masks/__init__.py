"""Masks: where the object is, from annotations of many formats, refined where asked for, and measured."""

from __future__ import annotations

from xray.masks.base import Annotations, Hint, Mask, Refined, Refiner, Unrefined
from xray.masks.encoding import decode_mask, encode_mask
from xray.masks.quality import Gates, Quality, accept, check, iou, measure

__all__ = [
    "Annotations",
    "Gates",
    "Hint",
    "Mask",
    "Quality",
    "Refined",
    "Refiner",
    "Unrefined",
    "accept",
    "check",
    "decode_mask",
    "encode_mask",
    "iou",
    "measure",
]
