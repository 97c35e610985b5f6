"""Masks from boxes on a CPU: GrabCut."""

from __future__ import annotations

from typing import Annotated, ClassVar

import cv2
import numpy as np
from pydantic import Field

from xray.codec import Decoded
from xray.errors import Rejected
from xray.masks.base import Mask, Refined, Refiner
from xray.plugins import settings
from xray.sources.base import Box

_COLOURS = 5
"""Gaussians in each of GrabCut's two colour models: the fewest pixels that it can learn one from."""


def box_of(mask: Mask) -> Box | None:
    """The smallest box around a mask, shape (H, W): x0, y0, x1, y1, ends exclusive; None if it is empty.

    >>> box_of(np.pad(np.ones((2, 3), bool), 1))
    (1.0, 1.0, 4.0, 3.0)
    """
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


@settings
class GrabCut(Refiner):
    """GrabCut from the box, else from the box around the given mask: all outside of it is background for certain.

    Source: Rother, Kolmogorov and Blake, "GrabCut", SIGGRAPH 2004, as OpenCV has it.

    Args:
        iterations: rounds of learning the two colour models and cutting.
        margin: by which share of its sides the box grows at each end first, 0–1; for boxes that are tight.
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

    def refine(self, decoded: Decoded, given: Mask | None, box: Box | None, seed: int) -> Refined:
        """See `Refiner.refine`; the same seed gives the same mask.

        Raises:
            Rejected: missing_box: there is neither a box nor a given mask, or it leaves no object or no background.
        """
        start = box if box is not None else None if given is None else box_of(given)
        if start is None:
            raise Rejected("missing_box")
        if not np.isfinite(start).all():
            raise Rejected("missing_box", f"box {start} is not finite")
        height, width = decoded.image.shape[:2]
        labels = np.full((height, width), cv2.GC_BGD, np.uint8)
        labels[self._pixels(start, height, width)] = cv2.GC_PR_FGD
        inside = int(np.count_nonzero(labels))
        if min(inside, labels.size - inside) < _COLOURS:
            raise Rejected("missing_box", f"box {start} leaves {inside} of {width}×{height} pixels inside")
        cv2.setRNGSeed(seed % 2**31)
        bgr = cv2.cvtColor(decoded.image, cv2.COLOR_RGB2BGR)
        outside, within = np.zeros((2, 1, 65), np.float64)
        unused = (0, 0, 0, 0)  # the box is in the labels
        cv2.grabCut(bgr, labels, unused, outside, within, self.iterations, cv2.GC_INIT_WITH_MASK)
        return Refined((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), "grabcut")
