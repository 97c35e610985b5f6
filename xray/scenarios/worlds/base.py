"""The base class of worlds: images of the photograph's size that an object is put on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from xray.core.types import DonorRule, Photo, Pixels, Prompt
from xray.sources.categories.base import Category


@dataclass(frozen=True)
class Surroundings:
    """What a world puts around an object.

    Args:
        image: RGB, uint8, C-contiguous, of the photograph's size; a copy that the caller may write to.
        sampled: the values that the seed decided, as plain JSON values.
    """

    image: Pixels
    sampled: Mapping[str, Any] = field(default_factory=dict)


class World:
    """The base class of worlds; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for `xray list worlds`."""
    phrase: ClassVar[str]
    """The world in the report, after "on", as in "another photograph without its object"; braces refer to settings."""
    painter: Any = None
    """The `xray.backgrounds.Inpainter` of a world that is inpainted; one of its settings."""

    @property
    def inpaints(self) -> bool:
        """True if `render` takes an image that `painter` generates for `prompt`."""
        return False

    @property
    def donor_rule(self) -> DonorRule | None:
        """Which photograph `render` takes as `donor`; None if it takes none."""
        return None

    @property
    def needs_removed(self) -> bool:
        """True if `render` looks at `photo.removed`."""
        return False

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Surroundings:
        """Return the world.

        Args:
            photo: the photograph as it was taken, with its mask.
            seed: decides everything random, 0 … 2^63 - 1.
            donor: see `xray.scenarios.Scenario.render`.

        Raises:
            Rejected: there is no such world of this photograph.
        """
        raise NotImplementedError

    def prompt(self, category: Category, draw: int, variant: int) -> Prompt | None:
        """Return what to inpaint; see `xray.scenarios.Scenario.prompt`."""
        return None
