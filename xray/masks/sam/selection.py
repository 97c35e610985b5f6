"""Selection among the masks that SAM proposes for an object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xray.masks.base import Mask
from xray.masks.quality import iou

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class SelectedMask:
    """The mask of one object, shape (H, W), with SAM's own estimate and the stability score, 0–1."""

    mask: Mask
    predicted_iou: float
    stability: float


def stability_score(logits_HW: Logits, offset: float = 1.0) -> float:
    """Compute the IoU of the masks at the thresholds `offset` and `-offset`, 0–1; 0 if both are empty.

    Source: Kirillov et al., "Segment Anything", 2023, appendix B. `calculate_stability_score` of segment_anything is
    the same around the threshold 0, but NaN for empty masks.

    >>> stability_score(np.array([[2.0, 0.5, -0.5, -2.0]], np.float32))
    0.3333333333333333
    """
    loose = np.count_nonzero(logits_HW > -offset)
    return float(np.count_nonzero(logits_HW > offset) / loose) if loose else 0.0


def select(logits_CHW: Logits, predicted_C: Sequence[float], coarse: Mask | None) -> SelectedMask:
    """Select the best proposal by predicted IoU, plus the IoU with the coarse mask if there is one.

    An empty mask is selected only if all are empty; the first wins ties.

    Args:
        logits_CHW: above 0 on the object.
        predicted_C: predicted IoU of each proposal; clipped to 0–1, NaN counts as 0.
        coarse: coarse mask of the object, shape (H, W).
    """
    estimates = np.nan_to_num(predicted_C).clip(0, 1).tolist()
    masks = [logits_HW > 0 for logits_HW in logits_CHW]
    scores = [
        -1.0 if not mask.any() else estimate + (0.0 if coarse is None else iou(mask, coarse))
        for mask, estimate in zip(masks, estimates, strict=True)
    ]
    best = int(np.argmax(scores))
    return SelectedMask(masks[best], estimates[best], stability_score(logits_CHW[best]))


def unite(objects: Sequence[SelectedMask]) -> SelectedMask:
    """Unite all objects of an image; predicted IoU and stability are means, weighted by the objects' areas."""
    mask = np.logical_or.reduce([one.mask for one in objects])
    areas = [int(np.count_nonzero(one.mask)) for one in objects]
    if not sum(areas):
        return SelectedMask(mask, 0.0, 0.0)
    predicted = np.average([one.predicted_iou for one in objects], weights=areas)
    return SelectedMask(mask, float(predicted), float(np.average([one.stability for one in objects], weights=areas)))
