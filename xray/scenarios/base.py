"""The base class of scenarios: a pure function of (photo, settings, seed) that declares the region it keeps."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xray.core.types import DonorRule, Photo, Picture, Pixels, Presets, Prompt, Region
from xray.sources.categories.base import Category

Role = Literal["reference", "control", "editing", "adversarial", "test"]


class Scenario:
    """The base class of all scenarios; a subclass is a `@settings` dataclass with a `name`.

    A subclass sets the class variables below that differ from their defaults, and implements `keeps` (as a class
    variable, or as a property where it depends on settings; likewise the other properties) and `render`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for `xray list scenarios`."""
    phrase: ClassVar[str] = "the scenario is “{name}”"
    """A clause that the report writes after "when". Braces refer to the scenario's settings and its name in the recipe,
    as in "the object is covered ({fill})"; `{region}` becomes "the object", "the background" or "the whole image"."""
    by_default: ClassVar[bool] = True
    """True if a recipe without `scenarios` has this one."""
    needs_donor: ClassVar[bool] = False
    """True if `render` takes a photograph of another place."""
    painter: Any = None
    """The `xray.backgrounds.Inpainter` of a scenario that inpaints; one of its settings."""
    presets: ClassVar[Presets] = {}
    """Named sets of settings: `ximagenet12` is the published code's, empty where the defaults already are."""

    @property
    def role(self) -> Role:
        """What drops in this scenario mean; one of these.

        - `reference`: drops in accuracy are measured from it.
        - `control`: the object is not there, so that a drop is correct.
        - `editing`: the object is there, and nothing has changed but what editing itself changes, such as interpolation
          or a filled background; drops of edits are also measured from it.
        - `adversarial`: the background was made to mislead a model.
        - `test`: every other scenario. Only these, and the reference, enter S_robust, regressions and training.
        """
        return "test"

    @property
    def inpaints(self) -> bool:
        """True if `render` takes an image that `painter` generates for `prompt`."""
        return False

    @property
    def donor_rule(self) -> DonorRule | None:
        """Which photograph `render` takes as `donor`; None if it takes none."""
        return DonorRule("other", removed=False) if self.needs_donor else None

    @property
    def needs_removed(self) -> bool:
        """True if `render` looks at `photo.removed`, the photograph without its object."""
        return False

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
            donor: RGB, uint8, shape (H, W, 3). With a `donor_rule`: the donor, of any size, already without its object
                if the rule says so. If `inpaints`: the inpainted image, of the photo's size. Otherwise ignored.

        Raises:
            Rejected: this photo cannot be rendered; other photos are not affected.
        """
        raise NotImplementedError

    def place(self, photo: Photo, seed: int) -> Photo:
        """Return the photo with its object where `render` shows it; inpainters paint around it there.

        Raises:
            Rejected: the object cannot be placed there.
        """
        return photo

    def prompt(self, category: Category, draw: int, variant: int) -> Prompt | None:
        """Return what to inpaint around an object; None if the scenario does not inpaint. Called while planning.

        Args:
            category: the object's category.
            draw: a hash of (run seed, photograph, scenario).
            variant: 0, 1, …; the variants of a photograph get different prompts until all prompts are used.
        """
        return None
