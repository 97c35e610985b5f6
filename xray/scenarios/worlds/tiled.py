"""The photograph's own background, tiled over the object's bounding box."""

from __future__ import annotations

from typing import ClassVar

from xray.backgrounds.removal.tile import Tile
from xray.core.plugins import settings
from xray.core.types import Photo, Pixels
from xray.scenarios.worlds.base import Surroundings, World


@settings
class Tiled(World):
    """The largest strip of background beside the object's box, tiled over the box: only_bg_t of ImageNet-9."""

    name: ClassVar[str] = "tiled"
    summary: ClassVar[str] = "the photograph's own background, tiled over the object's box"
    phrase: ClassVar[str] = "its own background, tiled"

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Surroundings:
        """Return the tiled photograph.

        Raises:
            Rejected: background_too_small.
        """
        return Surroundings(Tile().remove(photo, seed))
