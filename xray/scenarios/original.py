"""The photograph itself."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from xray.core.plugins import settings
from xray.core.types import Photo, Picture, Pixels, Presets, Region
from xray.scenarios.base import Scenario


@settings
class Original(Scenario):
    """The photograph as it is: what all other scenarios are compared with."""

    name: ClassVar[str] = "original"
    summary: ClassVar[str] = "the photograph as it is"
    presets: ClassVar[Presets] = {"ximagenet12": {}}

    @property
    def keeps(self) -> Region:
        """All of it."""
        return "image"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """The photograph; no copy is made."""
        return Picture(np.ascontiguousarray(photo.image), photo.mask)
