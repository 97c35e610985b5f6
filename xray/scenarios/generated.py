"""The object in a background that a diffusion model generates around it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from xray.backgrounds.inpainting.base import Inpainter
from xray.backgrounds.inpainting.prompts import Places, Wording, choose_prompt
from xray.backgrounds.inpainting.stable_diffusion import StableDiffusion
from xray.core.compositing import restore
from xray.core.plugins import field_of, settings
from xray.core.types import Photo, Picture, Pixels, Presets, Prompt, Region
from xray.scenarios.base import Role, Scenario
from xray.sources.categories.base import Category


@settings
class GeneratedBackground(Scenario):
    """The object in an inpainted background, its own pixels put back exactly.

    Args:
        painter: the inpainter.
        prompts: `ours`, or `fig14`, the published ones; see docs/prompts.md. A category's own prompts in the recipe
            replace ours.
        places: places typical of the category, atypical ones, or both in turn.
    """

    name: ClassVar[str] = "generated_background"
    summary: ClassVar[str] = "object on a background that a diffusion model generates"
    keeps: ClassVar[Region] = "object"
    by_default: ClassVar[bool] = False
    inpaints: ClassVar[bool] = True
    presets: ClassVar[Presets] = {"ximagenet12": {"prompts": "fig14"}}

    painter: Annotated[Inpainter, *field_of("painter", Inpainter)] = StableDiffusion()
    prompts: Wording = "ours"
    places: Places = "both"

    @property
    def phrase(self) -> str:  # type: ignore[override]
        """A clause in words, with how the painter was guided."""
        return f"the object is on {self.painter.phrase}"

    @property
    def role(self) -> Role:
        """`adversarial` if the painter misleads a model on purpose, otherwise `test`."""
        return "adversarial" if self.painter.adversarial else "test"

    @property
    def needs_removed(self) -> bool:
        """Whether the painter looks at the photograph without its object."""
        return self.painter.needs_removed

    def prompt(self, category: Category, draw: int, variant: int) -> Prompt:
        """Return the prompt of one variant; see `xray.backgrounds.inpainting.prompts.choose_prompt`.

        Raises:
            ConfigError: there are no such prompts for the category.
        """
        return choose_prompt(category, draw, variant, self.prompts, self.places)

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the object over the inpainted image `donor`, which has the photo's size."""
        assert donor is not None, "generated_background needs the image that its inpainter generated"
        assert donor.shape == photo.image.shape, f"inpainted image of {donor.shape}, photo of {photo.image.shape}"
        return Picture(restore(donor.copy(order="C"), photo, self.keeps), photo.mask)
