"""The object without its background, and the background without its object."""

from __future__ import annotations

from typing import ClassVar, Literal

import cv2
import numpy as np

from xray.core.compositing import Fill, box_of, fill_rest
from xray.core.plugins import settings
from xray.core.types import Photo, Picture, Pixels, Presets, Region
from xray.scenarios.base import Role, Scenario


@settings
class Segmented(Scenario):
    """The object alone.

    Args:
        fill: replaces the background. `mean` is the mean colour of the object, `noise` uniformly random bytes.
    """

    name: ClassVar[str] = "segmented"
    summary: ClassVar[str] = "object on black"
    phrase: ClassVar[str] = "only the object is left, on {fill}"
    keeps: ClassVar[Region] = "object"
    presets: ClassVar[Presets] = {"ximagenet12": {}}

    fill: Fill = "black"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the object on the fill."""
        return Picture(fill_rest(photo, "object", self.fill, seed), photo.mask)


@settings
class Transparent(Scenario):
    """The object as an RGBA image, opaque on the object and transparent elsewhere.

    Args:
        under_alpha: RGB of the transparent pixels: `black`, or `kept`, as the published code does: the background stays
            in the file, visible to every reader that ignores alpha.
    """

    name: ClassVar[str] = "transparent"
    summary: ClassVar[str] = "object on a transparent background, nothing left under it"
    phrase: ClassVar[str] = "the background is transparent"
    keeps: ClassVar[Region] = "object"
    presets: ClassVar[Presets] = {"ximagenet12": {"under_alpha": "kept"}}

    under_alpha: Literal["black", "kept"] = "black"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return RGBA: alpha is 255 on the object and 0 elsewhere."""
        rgb = photo.image if self.under_alpha == "kept" else fill_rest(photo, "object", "black", seed)
        return Picture(cv2.merge([*cv2.split(rgb), photo.inside]), photo.mask)  # type: ignore[arg-type]


@settings
class NoObject(Scenario):
    """The background alone, a control: how much it reveals about the object.

    Unless the object is removed, its silhouette stays visible. The picture's mask marks where the object was.

    Args:
        fill: replaces the object. `mean` is the mean colour of the background, `noise` uniformly random bytes;
            `removed`: what the recipe's `remover` fills its area with, so that no silhouette is left.
        region: what is filled: the object (`mask`), or the whole `box` around it; the `removed` follow the remover.
    """

    name: ClassVar[str] = "no_object"
    summary: ClassVar[str] = "object blacked out, background as it is"
    role: ClassVar[Role] = "control"
    presets: ClassVar[Presets] = {}

    fill: Literal["black", "mean", "noise", "removed"] = "black"
    region: Literal["mask", "box"] = "mask"

    @property
    def phrase(self) -> str:  # type: ignore[override]
        """A clause that says whether the object is covered or removed."""
        return "the object is removed" if self.fill == "removed" else "the object is covered ({fill})"

    @property
    def needs_removed(self) -> bool:
        """Whether the object is removed rather than covered."""
        return self.fill == "removed"

    @property
    def keeps(self) -> Region | None:
        """The background if the object alone is covered; removers and boxes also replace pixels around it."""
        return None if self.fill == "removed" or self.region == "box" else "background"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the photo with its object filled."""
        if self.fill == "removed":
            assert photo.removed is not None, "the photograph without its object was not made"
            return Picture(np.ascontiguousarray(photo.removed), photo.mask)
        covered = photo if self.region == "mask" else Photo(photo.image, box_of(photo.mask))
        return Picture(fill_rest(covered, "background", self.fill, seed), photo.mask)
