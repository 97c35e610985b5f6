"""A plain colour, or noise."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from xray.core.compositing import noise
from xray.core.plugins import settings
from xray.core.types import Photo, Pixels
from xray.scenarios.worlds.base import Surroundings, World

Level = Annotated[int, Field(ge=0, le=255)]


@settings
class Colour(World):
    """One colour everywhere.

    Args:
        colour: `black`, `white`, `grey` (128), `mean` (the mean colour of the background), or [red, green, blue], each
            0–255.
    """

    name: ClassVar[str] = "colour"
    summary: ClassVar[str] = "one plain colour"
    phrase: ClassVar[str] = "a plain background ({colour})"

    colour: Literal["black", "white", "grey", "mean"] | tuple[Level, Level, Level] = "grey"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Surroundings:
        """Return the colour."""
        if self.colour == "mean":
            background = photo.image[~photo.mask]
            values = np.rint(background.mean(axis=0)) if len(background) else np.zeros(3)
        else:
            named = {"black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128)}
            values = np.array(named[self.colour] if isinstance(self.colour, str) else self.colour)
        return Surroundings(np.full(photo.image.shape, values.astype(np.uint8), np.uint8))


@settings
class Noise(World):
    """Uniformly random pixels."""

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = "uniformly random pixels"
    phrase: ClassVar[str] = "noise"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Surroundings:
        """Return noise, which the seed decides."""
        return Surroundings(noise(photo.image.shape, seed).copy())
