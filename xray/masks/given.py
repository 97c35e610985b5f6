"""Masks as they are given."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from xray.codec import Decoded
from xray.errors import Rejected
from xray.masks.alpha import alpha_mask
from xray.masks.base import Mask, Refined, Refiner
from xray.plugins import settings
from xray.sources.base import Box


@settings
class Given(Refiner):
    """The annotated mask, unchanged; its origin is `alpha` where it is the image's own opacity, else `given`."""

    name: ClassVar[str] = "given"
    summary: ClassVar[str] = "the annotated masks, unchanged"

    def refine(self, decoded: Decoded, given: Mask | None, box: Box | None, seed: int) -> Refined:
        """See `Refiner.refine`.

        Raises:
            Rejected: missing_mask.
        """
        if given is None:
            raise Rejected("missing_mask")
        opacity = alpha_mask(decoded)
        return Refined(given, "alpha" if opacity is not None and np.array_equal(given, opacity) else "given")
