"""What a scenario is: a pure function of (photo, settings, seed) that states what it keeps."""

from __future__ import annotations

from typing import Any, ClassVar

from xray.core.types import Photo, Picture, Pixels, Presets, Prompt, Region
from xray.sources.categories.base import Category


class Scenario:
    """Base of all scenarios; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for people."""
    needs_donor: ClassVar[bool] = False
    """Whether `render` takes a photograph of another place."""
    paints: ClassVar[bool] = False
    """Whether `render` takes a world that `painter` makes: `prompt` says which."""
    painter: Any = None
    """A setting of those that paint: a `xray.backgrounds.inpainting.base.Painter`."""
    presets: ClassVar[Presets] = {}
    """Named sets of settings: `ximagenet12` is the published code's, empty where the defaults already are."""

    @property
    def keeps(self) -> Region | None:
        """The region whose pixels stay exactly as they are; checked on every image before it is encoded."""
        raise NotImplementedError

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """The photo as this scenario shows it.

        Args:
            photo: the photograph and its mask; never written to.
            seed: decides everything random.
            donor: RGB photograph of another place, any size, if `needs_donor`; the painted world, of the photo's
                size, if it `paints`.
        """
        raise NotImplementedError

    def prompt(self, category: Category, draw: int, variant: int) -> Prompt | None:
        """What to paint around an object, if it `paints`; decided in the plan.

        Args:
            category: of the object.
            draw: a hash of (run seed, photograph, scenario).
            variant: 0 …: the variants of one photograph get different prompts, as far as there are enough.
        """
        return None
