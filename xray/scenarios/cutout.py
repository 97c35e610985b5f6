"""The object without its background, and the background without its object."""

from __future__ import annotations

from typing import ClassVar, Literal

import cv2

from xray.core.compositing import Fill, fill_rest
from xray.core.plugins import settings
from xray.core.types import Photo, Picture, Pixels, Presets, Region
from xray.scenarios.base import Scenario


@settings
class Segmented(Scenario):
    """The object alone.

    Args:
        fill: what takes the background's place. `mean` is the mean colour of the object, `noise` uniform bytes.
    """

    name: ClassVar[str] = "segmented"
    summary: ClassVar[str] = "object on black"
    presets: ClassVar[Presets] = {"ximagenet12": {}}

    fill: Fill = "black"

    @property
    def keeps(self) -> Region:
        """The object."""
        return "object"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """The object on the filling."""
        return Picture(fill_rest(photo, "object", self.fill, seed), photo.mask)


@settings
class Transparent(Scenario):
    """The object as an RGBA image, opaque on the object and transparent elsewhere.

    Args:
        under_alpha: the RGB of transparent pixels: `black`, or `kept`, which leaves the background in the file for
            every reader that ignores alpha, as the published code does.
    """

    name: ClassVar[str] = "transparent"
    summary: ClassVar[str] = "object on a transparent background, nothing left under it"
    presets: ClassVar[Presets] = {"ximagenet12": {"under_alpha": "kept"}}

    under_alpha: Literal["black", "kept"] = "black"

    @property
    def keeps(self) -> Region:
        """The object."""
        return "object"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """RGBA, alpha 255 on the object and 0 elsewhere."""
        rgb = photo.image if self.under_alpha == "kept" else fill_rest(photo, "object", "black", seed)
        return Picture(cv2.merge([*cv2.split(rgb), photo.inside]), photo.mask)  # type: ignore[arg-type]


@settings
class NoObject(Scenario):
    """The background alone: what it gives away about the object. A control.

    The silhouette stays visible, and the picture's mask marks it: where the object was.

    Args:
        fill: what takes the object's place. `mean` is the mean colour of the background, `noise` uniform bytes.
    """

    name: ClassVar[str] = "no_object"
    summary: ClassVar[str] = "object blacked out, background as it is"

    fill: Literal["black", "mean", "noise"] = "black"

    @property
    def keeps(self) -> Region:
        """The background."""
        return "background"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """The photo with its object filled."""
        return Picture(fill_rest(photo, "background", self.fill, seed), photo.mask)
