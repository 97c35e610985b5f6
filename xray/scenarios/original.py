"""The photograph itself: the reference of all comparisons."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from xray.core.plugins import settings
from xray.core.types import Photo, Picture, Pixels, Presets, Region
from xray.scenarios.base import Role, Scenario


@settings
class Original(Scenario):
    """The photograph as it is; drops in accuracy are measured from it."""

    name: ClassVar[str] = "original"
    summary: ClassVar[str] = "the photograph as it is"
    role: ClassVar[Role] = "reference"
    phrase: ClassVar[str] = "the photograph is as it was taken"
    needs_mask: ClassVar[bool] = False
    keeps: ClassVar[Region] = "image"
    presets: ClassVar[Presets] = {"ximagenet12": {}}

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the photograph; makes no copy."""
        return Picture(np.ascontiguousarray(photo.image), photo.mask)
