"""The photograph's own background, with its object removed."""

from __future__ import annotations

from typing import ClassVar

from xray.core.plugins import settings
from xray.core.types import Photo, Pixels
from xray.scenarios.worlds.base import Surroundings, World


@settings
class Removed(World):
    """The photograph itself without its object, as the recipe's `remover` fills it."""

    name: ClassVar[str] = "removed"
    summary: ClassVar[str] = "the photograph's own background, its object removed"
    phrase: ClassVar[str] = "its own background"
    needs_removed: ClassVar[bool] = True

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Surroundings:
        """Return a copy of `photo.removed`."""
        assert photo.removed is not None, "the photograph without its object was not made"
        return Surroundings(photo.removed.copy(order="C"))
