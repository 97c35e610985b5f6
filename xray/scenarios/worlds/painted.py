"""A background that a diffusion model paints around the placed object."""

from __future__ import annotations

from typing import Annotated, ClassVar

from xray.backgrounds.inpainting.base import Inpainter
from xray.backgrounds.inpainting.prompts import Places, Wording, choose_prompt
from xray.backgrounds.inpainting.stable_diffusion import StableDiffusion
from xray.core.plugins import field_of, settings
from xray.core.types import Photo, Pixels, Prompt
from xray.scenarios.worlds.base import Surroundings, World
from xray.sources.categories.base import Category


@settings
class Painted(World):
    """An inpainted background, as of `generated_background`, around the object where it has been placed.

    Args:
        painter: the inpainter.
        prompts: `ours`, or `fig14`; see `generated_background`.
        places: places typical of the category, atypical ones, or both in turn.
    """

    name: ClassVar[str] = "painted"
    summary: ClassVar[str] = "a background that a diffusion model paints around the placed object"
    inpaints: ClassVar[bool] = True
    # Whatever the painter sees around the placed object is the background without the object at its old position.
    needs_removed: ClassVar[bool] = True

    painter: Annotated[Inpainter, *field_of("painter", Inpainter)] = StableDiffusion()
    prompts: Wording = "ours"
    places: Places = "both"

    @property
    def phrase(self) -> str:  # type: ignore[override]
        """The world in the report, with how the painter was guided."""
        return self.painter.phrase

    def prompt(self, category: Category, draw: int, variant: int) -> Prompt:
        """See `xray.backgrounds.inpainting.prompts.choose_prompt`."""
        return choose_prompt(category, draw, variant, self.prompts, self.places)

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Surroundings:
        """Return a copy of the inpainted image `donor`, which has the photo's size."""
        assert donor is not None, "a painted world needs the image that its inpainter generated"
        assert donor.shape == photo.image.shape, f"inpainted image of {donor.shape}, photo of {photo.image.shape}"
        return Surroundings(donor.copy(order="C"))
