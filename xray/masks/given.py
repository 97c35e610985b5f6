"""Annotated masks, unchanged."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.base import Hint, RefinedMask, Refiner
from xray.masks.formats.from_source import alpha_mask


@settings
class Given(Refiner):
    """A refiner that keeps the annotated mask; origin `alpha` if it equals the alpha channel, else `given`."""

    name: ClassVar[str] = "given"
    summary: ClassVar[str] = "the annotated masks, unchanged"

    def refine(self, decoded: Decoded, hint: Hint, seed: int) -> RefinedMask:
        """See `Refiner.refine`."""
        if hint.mask is None:
            raise Rejected("missing_mask", hint.looked_in)
        alpha = alpha_mask(decoded)
        is_alpha = alpha is not None and np.array_equal(hint.mask, alpha)
        return RefinedMask(hint.mask, "alpha" if is_alpha else "given")
