"""Removal by PatchMatch: texture copied from the rest of the photograph, without weights."""

from __future__ import annotations

import threading
from typing import Annotated, ClassVar

import cv2
import numpy as np
from pydantic import Field

from xray.backgrounds.removal.base import Remover
from xray.backgrounds.removal.hole import fill_hole, object_hole
from xray.core.errors import Rejected, ResourceError, extra
from xray.core.plugins import settings
from xray.core.types import Mask, Photo, Pixels

_SEEDED = threading.Lock()
"""The library has one random generator for the whole process."""


@settings
class PatchMatch(Remover):
    """Patches from elsewhere in the photograph, found by PatchMatch, from coarse to fine.

    A photograph whose longer side exceeds `side` is filled at that size, and the filling is enlarged: there it is
    softer than the photograph. The same photograph and seed give the same bytes in every process.

    Source: Barnes et al., "PatchMatch", SIGGRAPH 2009; the library PyPatchMatch.

    Args:
        dilate: pixels by which the area of the object is enlarged, 0–100, so that its soft rim goes too.
        side: longer side, 64–4096 pixels, above which the photograph is filled at a smaller size; time grows with its
            square.
        patch: radius of the compared patches in pixels, 1–15; larger ones follow larger structures and take longer.
    """

    name: ClassVar[str] = "patchmatch"
    summary: ClassVar[str] = "texture of the background by PatchMatch, on a CPU; the best without weights"
    libraries: ClassVar[tuple[str, ...]] = ("pypatchmatch",)

    dilate: Annotated[int, Field(ge=0, le=100)] = 5
    side: Annotated[int, Field(ge=64, le=4096)] = 512
    patch: Annotated[int, Field(ge=1, le=15)] = 3

    def check(self) -> list[str]:
        """See `Remover.check`."""
        with extra("removal"):
            import patchmatch
        if not patchmatch.patchmatch_available:
            raise ResourceError(
                "PyPatchMatch is installed without its library: pip install --force-reinstall --no-deps "
                "--no-cache-dir pypatchmatch, or use `remover: telea`"
            )
        return []

    def remove(self, photo: Photo, seed: int) -> Pixels:
        """See `Remover.remove`.

        Raises:
            Rejected: mask_empty, background_too_small, removal_failed.
        """
        hole = object_hole(photo, self.dilate)
        height, width = hole.shape
        scale = min(1.0, self.side / max(height, width))
        if scale == 1.0:
            return fill_hole(photo, hole, self._fill(photo.image, hole, seed))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(photo.image, size, interpolation=cv2.INTER_AREA)
        # A small pixel that shows any of the object is filled: nothing of the object is copied.
        share = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        filled = self._fill(image, share > 0, seed)  # type: ignore[arg-type]
        enlarged = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC)
        return fill_hole(photo, hole, enlarged)  # type: ignore[arg-type]

    def _fill(self, image: Pixels, hole: Mask, seed: int) -> Pixels:
        """Return an image, shape (H, W, 3), with its hole filled."""
        self.check()
        import patchmatch

        side = 2 * self.patch + 1
        if not cv2.erode((~hole).view(np.uint8), np.ones((side, side), np.uint8)).any():
            raise Rejected("background_too_small", f"no {side}×{side} pixels without the object to copy from")
        with _SEEDED:
            patchmatch.set_random_seed(seed % 2**32)
            try:
                filled: Pixels = patchmatch.inpaint(image, hole, patch_size=self.patch)
            except RuntimeError as error:
                raise Rejected("removal_failed", str(error)) from error
        return filled
