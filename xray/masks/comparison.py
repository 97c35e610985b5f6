"""Agreement of a mask with the true one: IoU of the regions, F measure of the outlines."""

from __future__ import annotations

import math

import cv2
import numpy as np

from xray.masks.base import Mask

TOLERANCE = 0.008
"""Distance between outlines that counts as none, as a share of the image's diagonal."""
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def boundary_f(mask: Mask, true: Mask, tolerance: float = TOLERANCE) -> float:
    """Compute the F measure of a mask's outline, 0–1; both masks of shape (H, W).

        F = 2 P R / (P + R)

    P: share of the mask's outline that is near the true outline; R: share of the true outline that is near the mask's.
    Near is a distance of at most ⌈tolerance × diagonal⌉ pixels. The outline is the pixels of a mask with one of their
    four neighbours beside it; where a mask ends at the image's border there is no outline. Two masks without outlines
    agree if they are equal.

    Sources: Csurka et al., What is a good evaluation measure for semantic segmentation?, BMVC 2013; with this
    tolerance Perazzi et al., A benchmark dataset and evaluation methodology for video object segmentation, CVPR 2016.

    >>> square = np.zeros((60, 80), bool)  # a diagonal of 100 pixels: the tolerance is one pixel
    >>> square[10:30, 10:30] = True
    >>> boundary_f(np.roll(square, 1, axis=1), square), boundary_f(np.roll(square, 40, axis=1), square)
    (1.0, 0.0)
    """
    outline, true_outline = _outline(mask), _outline(true)
    if not outline.any() or not true_outline.any():
        return float(np.array_equal(mask, true))
    near = math.ceil(round(tolerance * math.hypot(*mask.shape), 9))
    precision, recall = _share_near(outline, true_outline, near), _share_near(true_outline, outline, near)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _outline(mask: Mask) -> Mask:
    inner = cv2.erode(mask.astype(np.uint8), _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    outline: Mask = mask & (inner == 0)
    return outline


def _share_near(outline: Mask, other: Mask, near: int) -> float:
    distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float((distance[outline] <= near + 1e-3).mean())
