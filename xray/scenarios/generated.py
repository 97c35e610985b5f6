"""The object in a background that a diffusion model generates around it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated, ClassVar, TypeVar

from xray.backgrounds.inpainting.base import Inpainter
from xray.backgrounds.inpainting.prompts import Places, Wording, prompts_for
from xray.backgrounds.inpainting.stable_diffusion import StableDiffusion
from xray.core.compositing import random_below, restore
from xray.core.plugins import field_of, settings
from xray.core.types import Photo, Picture, Pixels, Presets, Prompt, Region
from xray.scenarios.base import Scenario
from xray.sources.categories.base import Category

T = TypeVar("T")


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
    phrase: ClassVar[str] = "the object is on a generated background"
    keeps: ClassVar[Region] = "object"
    inpaints: ClassVar[bool] = True
    presets: ClassVar[Presets] = {"ximagenet12": {"prompts": "fig14"}}

    painter: Annotated[Inpainter, *field_of("painter", Inpainter)] = StableDiffusion()
    prompts: Wording = "ours"
    places: Places = "both"

    def prompt(self, category: Category, draw: int, variant: int) -> Prompt:
        """Return the prompt of one variant.

        `draw` decides one order of the lines, shared by both kinds of place, and which kind comes first; variants take
        the kinds in turn. So variants 2k and 2k + 1 of a photograph are the typical and the atypical place of one line,
        with the same light and depth of field, and no prompt repeats before all are used.

        Raises:
            ConfigError: there are no such prompts for the category.
        """
        by_place: dict[str, list[Prompt]] = {}
        for prompt in prompts_for(category, self.prompts, self.places):
            by_place.setdefault(prompt.place, []).append(prompt)
        rng = random.Random(draw)
        lines: list[tuple[Prompt, ...]] = shuffled(list(zip(*by_place.values(), strict=True)), rng)
        order = shuffled(range(len(by_place)), rng)
        line, turn = divmod(variant, len(order))
        return lines[line % len(lines)][order[turn]]

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the object over the inpainted image `donor`, which has the photo's size."""
        assert donor is not None, "generated_background needs the image that its inpainter generated"
        assert donor.shape == photo.image.shape, f"inpainted image of {donor.shape}, photo of {photo.image.shape}"
        return Picture(restore(donor.copy(order="C"), photo, self.keeps), photo.mask)


def shuffled(items: Sequence[T], rng: random.Random) -> list[T]:
    """Return the items in random order, the same in every version of Python (Fisher–Yates).

    >>> shuffled("abcdef", random.Random(1))
    ['b', 'c', 'f', 'd', 'e', 'a']
    """
    result = list(items)
    for last in range(len(result) - 1, 0, -1):
        other = random_below(rng, last + 1)
        result[last], result[other] = result[other], result[last]
    return result
