"""The base class of scenarios: a pure function of (photo, settings, seed) that declares the region it keeps."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xray.core.types import Photo, Picture, Pixels, Presets, Prompt, Region
from xray.sources.categories.base import Category

Role = Literal["reference", "control", "test"]


class Scenario:
    """The base class of all scenarios; a subclass is a `@settings` dataclass with a `name`.

    A subclass sets the class variables below that differ from their defaults, and implements `keeps` (as a class
    variable, or as a property where it depends on settings; likewise `needs_mask`) and `render`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for `xray list scenarios`."""
    role: ClassVar[Role] = "test"
    """`reference`: drops in accuracy are measured from it. `control`: it removes the object, so a drop in accuracy is
    correct; controls are left out of statistics and of training. `test`: every other scenario."""
    phrase: ClassVar[str] = "the scenario is “{name}”"
    """A clause that the report writes after "when". Braces refer to the scenario's settings and its name in the recipe,
    as in "the object is covered ({fill})"; `{region}` becomes "the object", "the background" or "the whole image"."""
    needs_donor: ClassVar[bool] = False
    """True if `render` takes a photograph of another place."""
    inpaints: ClassVar[bool] = False
    """True if `render` takes an image that `painter` generates for `prompt`."""
    painter: Any = None
    """The `xray.backgrounds.Inpainter` of a scenario that inpaints; one of its settings."""
    presets: ClassVar[Presets] = {}
    """Named sets of settings: `ximagenet12` is the published code's, empty where the defaults already are."""

    @property
    def needs_mask(self) -> bool:
        """False if `render` looks at the photograph alone: photographs without a mask are then rendered, too.

        Their `Photo.mask` marks nothing, and their images have no mask.
        """
        return True

    @property
    def keeps(self) -> Region | None:
        """The region whose pixels stay exactly as they are, or None; checked on every image before it is encoded."""
        raise NotImplementedError

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the photo as this scenario shows it.

        Args:
            photo: the photograph and its mask; never written to.
            seed: decides everything random, 0 … 2^63 - 1.
            donor: RGB, uint8, shape (H, W, 3). If `needs_donor`: a photograph of another place, of any size. If
                `inpaints`: the inpainted image, of the photo's size. Otherwise ignored.

        Raises:
            Rejected: this photo cannot be rendered; other photos are not affected.
        """
        raise NotImplementedError

    def prompt(self, category: Category, draw: int, variant: int) -> Prompt | None:
        """Return what to inpaint around an object; None if the scenario does not inpaint. Called while planning.

        Args:
            category: the object's category.
            draw: a hash of (run seed, photograph, scenario).
            variant: 0, 1, …; the variants of a photograph get different prompts until all prompts are used.
        """
        return None
