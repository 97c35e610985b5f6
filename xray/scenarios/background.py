"""The object over a photograph of another place."""

from __future__ import annotations

from typing import ClassVar, Literal

import cv2

from xray.core.compositing import crop_to_size, restore, stretch_object
from xray.core.errors import Rejected
from xray.core.plugins import settings
from xray.core.types import DonorRule, Photo, Picture, Pixels, Presets, Region
from xray.scenarios.base import Scenario


@settings
class RandomBackground(Scenario):
    """The object over a real photograph of another place, the donor.

    Args:
        donor: `removed` shows the donor without its own object, where it is a photograph of the run. `whole` shows it
            as it is: a wrong answer may then name the donor's object, which is no effect of the place.
        category: which donors: of `any` category, of the object's own (`same`), of any other (`other`), or of the one
            after it in sorted order (`next`). None: `any` if `removed`, `other` if `whole`. Donors that are never of
            the object's category tell a model that is trained on them which category it is not.
        compose: `alpha` puts the object's own pixels over the donor, which is cropped and scaled to the photo's size.
            `additive`, as the published code: the object on black is stretched to the donor's size and added,
            saturating; the object's size, aspect and colours change, and the donor shines through it.
    """

    name: ClassVar[str] = "random_background"
    summary: ClassVar[str] = "object over a photograph of another place"
    phrase: ClassVar[str] = "the object is on another background{donor}{compose}"
    presets: ClassVar[Presets] = {"ximagenet12": {"compose": "additive", "donor": "whole"}}

    donor: Literal["removed", "whole"] = "removed"
    category: Literal["any", "same", "other", "next"] | None = None
    compose: Literal["alpha", "additive"] = "alpha"

    @property
    def donor_rule(self) -> DonorRule:
        """The donor's category, and whether its own object is in view."""
        removed = self.donor == "removed"
        return DonorRule(self.category or ("any" if removed else "other"), removed)

    @property
    def keeps(self) -> Region | None:
        """The object if composed by alpha, otherwise nothing."""
        return "object" if self.compose == "alpha" else None

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the object over the donor, of the donor's size if additive. Records `donor_window`.

        Raises:
            Rejected: no_donor.
        """
        if donor is None:
            raise Rejected("no_donor", "random_background needs a photograph of another place")
        if self.compose == "additive":
            image, mask = stretch_object(photo, width=donor.shape[1], height=donor.shape[0])
            return Picture(cv2.add(donor, image), mask)  # type: ignore[arg-type]
        height, width = photo.mask.shape
        backdrop, window = crop_to_size(donor, width, height, seed)
        return Picture(restore(backdrop, photo, self.keeps), photo.mask, {"donor_window": list(window)})
