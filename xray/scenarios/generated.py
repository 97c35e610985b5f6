"""The object in a world that a diffusion model paints around it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated, ClassVar, TypeVar

from xray.backgrounds.inpainting.base import Painter, build_painter
from xray.backgrounds.inpainting.prompts import Places, Wording, prompts_of
from xray.backgrounds.inpainting.stable_diffusion import Sdxl
from xray.core.compositing import draw_below, restore
from xray.core.plugins import field_of, settings
from xray.core.types import Photo, Picture, Pixels, Presets, Prompt, Region
from xray.scenarios.base import Scenario
from xray.sources.categories.base import Category

T = TypeVar("T")


@settings
class GeneratedBackground(Scenario):
    """The object in a painted world, its own pixels put back exactly.

    Args:
        painter: who paints the world.
        prompts: `ours`, or `fig14`, the published ones; see docs/prompts.md. Prompts that the recipe gives a
            category take the place of ours.
        places: typical ones for the category, atypical ones, or both in turn.
    """

    name: ClassVar[str] = "generated_background"
    summary: ClassVar[str] = "object in a world that a diffusion model paints around it"
    paints: ClassVar[bool] = True
    presets: ClassVar[Presets] = {"ximagenet12": {"prompts": "fig14"}}

    painter: Annotated[Painter, *field_of("painter", Painter, build_painter)] = Sdxl()
    prompts: Wording = "ours"
    places: Places = "both"

    @property
    def keeps(self) -> Region:
        """The object."""
        return "object"

    def prompt(self, category: Category, draw: int, variant: int) -> Prompt:
        """The prompt of one variant.

        `draw` decides one order of the lines, shared by both places, and the place that comes first; then the variants
        take the places in turn. So variants 2k and 2k + 1 of a photograph are the typical and the atypical world of one
        line, with the same light and depth of field, and none comes twice before all have come.

        Raises:
            XrayError: there are no such prompts for the category.
        """
        by_place: dict[str, list[Prompt]] = {}
        for prompt in prompts_of(category, self.prompts, self.places):
            by_place.setdefault(prompt.place, []).append(prompt)
        chance = random.Random(draw)
        lines: list[tuple[Prompt, ...]] = shuffled(list(zip(*by_place.values(), strict=True)), chance)
        places = shuffled(range(len(by_place)), chance)
        turn, place = divmod(variant, len(places))
        return lines[turn % len(lines)][places[place]]

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """The object in the painted world `donor`, which has the photo's size."""
        assert donor is not None, "generated_background was rendered without the world that its painter made"
        assert donor.shape == photo.image.shape, f"a painted world of {donor.shape} for a photo of {photo.image.shape}"
        return Picture(restore(donor.copy(order="C"), photo, self.keeps), photo.mask)


def shuffled(items: Sequence[T], chance: random.Random) -> list[T]:
    """The items in an order that is the same in every version of Python (Fisher and Yates).

    >>> shuffled("abcdef", random.Random(1))
    ['b', 'c', 'f', 'd', 'e', 'a']
    """
    mixed = list(items)
    for last in range(len(mixed) - 1, 0, -1):
        other = draw_below(chance, last + 1)
        mixed[last], mixed[other] = mixed[other], mixed[last]
    return mixed
