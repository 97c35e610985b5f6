"""Masks from boxes on a CPU: GrabCut."""

from __future__ import annotations

from typing import Annotated, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.base import Hint, Refined, Refiner
from xray.masks.quality import agreement, box_of
from xray.sources.base import Box

_COLOURS = 5
"""Gaussians in each of GrabCut's two colour models: the fewest pixels that it can learn one from."""


@settings
class GrabCut(Refiner):
    """GrabCut from the boxes, else from the box around the given mask: all outside of them is background for certain.

    Source: Rother, Kolmogorov and Blake, "GrabCut", SIGGRAPH 2004, as OpenCV has it.

    Args:
        iterations: rounds of learning the two colour models and cutting.
        margin: by which share of its sides a box grows at each end first, 0–1; for boxes that are tight.
    """

    name: ClassVar[str] = "grabcut"
    summary: ClassVar[str] = "GrabCut from a box, on a CPU"

    iterations: Annotated[int, Field(ge=1, le=50)] = 5
    margin: Annotated[float, Field(ge=0, le=1)] = 0.0

    def _pixels(self, box: Box, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of the box, grown and cut to the image."""
        x0, y0, x1, y1 = np.clip(box, -1e6, 1e6).tolist()
        grow_x, grow_y = self.margin * (x1 - x0), self.margin * (y1 - y0)
        left, right = np.clip(np.rint([x0 - grow_x, x1 + grow_x]), 0, width).astype(int).tolist()
        top, bottom = np.clip(np.rint([y0 - grow_y, y1 + grow_y]), 0, height).astype(int).tolist()
        return slice(top, bottom), slice(left, right)

    def refine(self, decoded: Decoded, hint: Hint, seed: int) -> Refined:
        """See `Refiner.refine`; the same seed gives the same mask.

        Raises:
            Rejected: missing_box: there is neither a box nor a given mask, or it leaves no object or no background.
        """
        labels = self._labels(hint, *decoded.image.shape[:2])
        cv2.setRNGSeed(seed % 2**31)
        bgr = cv2.cvtColor(decoded.image, cv2.COLOR_RGB2BGR)
        outside, within = np.zeros((2, 1, 65), np.float64)
        unused = (0, 0, 0, 0)  # the boxes are in the labels
        cv2.grabCut(bgr, labels, unused, outside, within, self.iterations, cv2.GC_INIT_WITH_MASK)
        mask = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
        return Refined(mask, "grabcut", agreement=None if hint.mask is None else agreement(mask, hint.mask))

    def _labels(self, hint: Hint, height: int, width: int) -> NDArray[np.uint8]:
        """Where the object may be, and where it is not, as OpenCV wants it; shape (H, W)."""
        around = None if hint.mask is None else box_of(hint.mask)
        boxes = hint.boxes or (() if around is None else (around,))
        if not boxes:
            raise Rejected("missing_box")
        if not np.isfinite(boxes).all():
            raise Rejected("missing_box", f"a box is not finite: {boxes}")
        labels = np.full((height, width), cv2.GC_BGD, np.uint8)
        for box in boxes:
            labels[self._pixels(box, height, width)] = cv2.GC_PR_FGD
        inside = int(np.count_nonzero(labels))
        if min(inside, labels.size - inside) < _COLOURS:
            raise Rejected("missing_box", f"boxes {boxes} leave {inside} of {width}×{height} pixels inside")
        return labels
