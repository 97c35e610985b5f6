"""Which of the masks that SAM offers for an object is taken, and how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xray.masks.base import Mask
from xray.masks.quality import iou

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Chosen:
    """The mask of one object.

    Args:
        mask: True on the object, shape (H, W).
        predicted_iou: SAM's own estimate, 0–1.
        stability: stability score, 0–1.
    """

    mask: Mask
    predicted_iou: float
    stability: float


def stability(logits_HW: Logits, offset: float = 1.0) -> float:
    """The IoU of the masks that stricter and laxer thresholds give, 0–1; 0 where even the laxer one is empty.

    Source: Kirillov et al., "Segment Anything", 2023, appendix B; as `calculate_stability_score` of segment_anything
    around the threshold 0, which is not a number for empty masks.

    >>> stability(np.array([[2.0, 0.5, -0.5, -2.0]], np.float32))
    0.3333333333333333
    """
    lax = np.count_nonzero(logits_HW > -offset)
    return float(np.count_nonzero(logits_HW > offset) / lax) if lax else 0.0


def share(value: float) -> float:
    """An estimate of a share as one, 0–1: networks overshoot, and broken ones say that it is not a number.

    >>> share(1.02), share(float("nan"))
    (1.0, 0.0)
    """
    return min(max(value, 0.0), 1.0) if value == value else 0.0


def choose(logits_CHW: Logits, predicted_C: Sequence[float], coarse: Mask | None) -> Chosen:
    """The best of the masks offered: by predicted IoU, plus the IoU with the coarse mask where there is one.

    A mask of no pixels is taken only where all are; ties go to the first.

    Args:
        logits_CHW: above 0 on the object.
        predicted_C: SAM's estimate of the IoU of each with the object.
        coarse: where the object roughly is, shape (H, W).
    """
    estimates = [share(float(value)) for value in predicted_C]
    masks = [logits_HW > 0 for logits_HW in logits_CHW]
    merits = [
        -1.0 if not mask.any() else estimate + (0.0 if coarse is None else iou(mask, coarse))
        for mask, estimate in zip(masks, estimates, strict=True)
    ]
    best = int(np.argmax(merits))
    return Chosen(masks[best], estimates[best], stability(logits_CHW[best]))


def unite(objects: Sequence[Chosen]) -> Chosen:
    """All objects of an image as one; the measures are means, weighted by the objects' areas."""
    mask = np.logical_or.reduce([one.mask for one in objects])
    areas = [int(np.count_nonzero(one.mask)) for one in objects]
    if not sum(areas):
        return Chosen(mask, 0.0, 0.0)
    predicted = np.average([one.predicted_iou for one in objects], weights=areas)
    return Chosen(mask, float(predicted), float(np.average([one.stability for one in objects], weights=areas)))
