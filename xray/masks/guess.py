"""Masks without any annotation or weights: GrabCut from a centred box. They are guesses, and called so."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.base import Hint, RefinedMask, Refiner
from xray.masks.grabcut import GrabCut
from xray.sources.base import Box


@settings
class Guess(Refiner):
    """GrabCut from a box in the middle of the photograph; annotations are not used.

    It assumes that the object is in the middle and touches no border. Nothing checks that the mask shows the object: a
    guess gives a first impression, not numbers to publish. The origin of such masks is `guess`, and every report with
    them begins with that caveat.

    Args:
        box: share of each side of the photograph that the box covers, 0–1.
        iterations: rounds of fitting the two colour models and cutting.

    >>> import numpy as np
    >>> image = np.zeros((40, 60, 3), np.uint8)
    >>> image[10:30, 20:40] = 200
    >>> guess = Guess().refine(Decoded(image, None, ()), Hint(), seed=0)
    >>> guess.origin, int(guess.mask.sum())
    ('guess', 400)
    """

    name: ClassVar[str] = "guess"
    summary: ClassVar[str] = "a guess: GrabCut from a centred box, without annotations or weights"
    needs_hint: ClassVar[bool] = False
    caveat: ClassVar[str] = (
        "the masks are guesses (GrabCut from a box in the middle of each photograph, without any annotation), so every "
        "number that depends on them is one too; look at masks.html, which `xray mask RUN` writes, before you use it"
    )

    box: Annotated[float, Field(gt=0, lt=1)] = 0.8
    iterations: Annotated[int, Field(ge=1, le=50)] = 5

    def refine(self, decoded: Decoded, hint: Hint, seed: int) -> RefinedMask:
        """See `Refiner.refine`; missing_box: the photograph has too few pixels."""
        box = _centred_box(self.box, *decoded.image.shape[:2])
        refined = GrabCut(iterations=self.iterations).refine(decoded, Hint(boxes=(box,)), seed)
        return replace(refined, origin=self.name)


def _centred_box(share: float, height: int, width: int) -> Box:
    """Return the box in the middle that covers a share of each side.

    >>> _centred_box(0.5, 40, 80)
    (20.0, 10.0, 60.0, 30.0)
    """
    x, y = (1 - share) / 2 * width, (1 - share) / 2 * height
    return x, y, width - x, height - y
