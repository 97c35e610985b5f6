"""Masks: where the object is. Annotation formats, refiners, and quality gates."""

from __future__ import annotations

from xray.masks.base import Annotations, Hint, Mask, RefinedMask, Refiner, RefinerInput
from xray.masks.mask_files import decode_mask, encode_mask
from xray.masks.quality import Gates, MaskStatistics, check_gates, iou, measure, select_mask

__all__ = [
    "Annotations",
    "Gates",
    "Hint",
    "Mask",
    "MaskStatistics",
    "RefinedMask",
    "Refiner",
    "RefinerInput",
    "check_gates",
    "decode_mask",
    "encode_mask",
    "iou",
    "measure",
    "select_mask",
]
