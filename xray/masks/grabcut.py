"""Masks from boxes by GrabCut, on a CPU."""

from __future__ import annotations

from typing import Annotated, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.base import Hint, RefinedMask, Refiner
from xray.masks.quality import agreement, box_of
from xray.sources.base import Box

_MIN_PIXELS = 5
"""Minimum number of pixels in each region: GrabCut fits 5 Gaussians to each of its two colour models."""


@settings
class GrabCut(Refiner):
    """GrabCut from the boxes, else from the box around the given mask; pixels outside are certain background.

    Source: Rother, Kolmogorov and Blake, "GrabCut", SIGGRAPH 2004; OpenCV's implementation.

    Args:
        iterations: rounds of fitting the two colour models and cutting.
        margin: share of its side by which a box grows at each end, 0–1; for tight boxes.
    """

    name: ClassVar[str] = "grabcut"
    summary: ClassVar[str] = "GrabCut from a box, on a CPU"

    iterations: Annotated[int, Field(ge=1, le=50)] = 5
    margin: Annotated[float, Field(ge=0, le=1)] = 0.0

    def _pixels(self, box: Box, height: int, width: int) -> tuple[slice, slice]:
        """Return rows and columns of the box, grown by the margin and clipped to the image."""
        x0, y0, x1, y1 = np.clip(box, -1e6, 1e6).tolist()
        grow_x, grow_y = self.margin * (x1 - x0), self.margin * (y1 - y0)
        left, right = np.clip(np.rint([x0 - grow_x, x1 + grow_x]), 0, width).astype(int).tolist()
        top, bottom = np.clip(np.rint([y0 - grow_y, y1 + grow_y]), 0, height).astype(int).tolist()
        return slice(top, bottom), slice(left, right)

    def refine(self, decoded: Decoded, hint: Hint, seed: int) -> RefinedMask:
        """See `Refiner.refine`; missing_box: neither a box nor a given mask, or no object or background left."""
        labels = self._labels(hint, *decoded.image.shape[:2])
        cv2.setRNGSeed(seed % 2**31)
        bgr = cv2.cvtColor(decoded.image, cv2.COLOR_RGB2BGR)
        outside, within = np.zeros((2, 1, 65), np.float64)
        unused = (0, 0, 0, 0)  # `labels` holds the boxes
        cv2.grabCut(bgr, labels, unused, outside, within, self.iterations, cv2.GC_INIT_WITH_MASK)
        mask = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
        return RefinedMask(mask, "grabcut", agreement=None if hint.mask is None else agreement(mask, hint.mask))

    def _labels(self, hint: Hint, height: int, width: int) -> NDArray[np.uint8]:
        """Return OpenCV's labels, shape (H, W): probable foreground in the boxes, background outside."""
        around = None if hint.mask is None else box_of(hint.mask)
        boxes = hint.boxes or (() if around is None else (around,))
        if not boxes:
            raise Rejected("missing_box", hint.looked_in)
        if not np.isfinite(boxes).all():
            raise Rejected("missing_box", f"a box is not finite: {boxes}")
        labels = np.full((height, width), cv2.GC_BGD, np.uint8)
        for box in boxes:
            labels[self._pixels(box, height, width)] = cv2.GC_PR_FGD
        inside = int(np.count_nonzero(labels))
        if min(inside, labels.size - inside) < _MIN_PIXELS:
            raise Rejected("missing_box", f"boxes {boxes} leave {inside} of {width}×{height} pixels inside")
        return labels
