"""Masks as they are given."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.alpha import alpha_mask
from xray.masks.base import Hint, Refined, Refiner


@settings
class Given(Refiner):
    """The annotated mask, unchanged; its origin is `alpha` where it is the image's own opacity, else `given`."""

    name: ClassVar[str] = "given"
    summary: ClassVar[str] = "the annotated masks, unchanged"

    def refine(self, decoded: Decoded, hint: Hint, seed: int) -> Refined:
        """See `Refiner.refine`.

        Raises:
            Rejected: missing_mask.
        """
        if hint.mask is None:
            raise Rejected("missing_mask")
        opacity = alpha_mask(decoded)
        own = opacity is not None and np.array_equal(hint.mask, opacity)
        return Refined(hint.mask, "alpha" if own else "given")
