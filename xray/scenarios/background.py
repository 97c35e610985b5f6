"""The object in another place."""

from __future__ import annotations

from typing import ClassVar, Literal

import cv2

from xray.core.compositing import cover, restore, stretch
from xray.core.errors import Rejected
from xray.core.plugins import settings
from xray.core.types import Photo, Picture, Pixels, Presets, Region
from xray.scenarios.base import Scenario


@settings
class RandomBackground(Scenario):
    """The object over a real photograph of a different place.

    Args:
        compose: `alpha` puts the object's own pixels over the donor, which is cut to the photo's size. `additive`,
            as the published code: the object on black is stretched to the donor's size and added, saturating; size,
            aspect and colours of the object change, and the donor shines through it.
    """

    name: ClassVar[str] = "random_background"
    summary: ClassVar[str] = "object over a photograph of another place"
    needs_donor: ClassVar[bool] = True
    presets: ClassVar[Presets] = {"ximagenet12": {"compose": "additive"}}

    compose: Literal["alpha", "additive"] = "alpha"

    @property
    def keeps(self) -> Region | None:
        """The object; nothing where the object is added."""
        return "object" if self.compose == "alpha" else None

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """The object before the donor; of the donor's size if additive. The donor's window is recorded as drawn.

        Raises:
            Rejected: `no_donor`.
        """
        if donor is None:
            raise Rejected("no_donor", "random_background needs a photograph of another place")
        if self.compose == "additive":
            image, mask = stretch(photo, width=donor.shape[1], height=donor.shape[0])
            return Picture(cv2.add(donor, image), mask)  # type: ignore[arg-type]
        height, width = photo.mask.shape
        place, window = cover(donor, width, height, seed)
        return Picture(restore(place, photo, self.keeps), photo.mask, {"donor_window": list(window)})
