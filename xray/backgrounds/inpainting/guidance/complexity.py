"""A guide to backgrounds with more or less detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from xray.backgrounds.inpainting.guidance.base import Guide, GuideTarget
from xray.core.complexity import SIDE
from xray.core.plugins import settings, settings_of
from xray.core.types import Photo, Pixels

if TYPE_CHECKING:
    import torch


@settings
class Complexity(Guide):
    """More or less detail, as ImageNet-E measures it: see `xray.core.complexity`.

    Args:
        strength: above 0 more complex, below 0 plainer, from -1 to 1. It is the share of the image's own magnitude by
            which every step moves it, so its effect grows with the number of steps: compare images by their measured
            complexity, which is recorded, and not by this number. It is no multiple of the published ±20.
        region: whose complexity: of the `background`, with the object's area filled as if it were removed, or of the
            whole `image`, object included, as published; there a large object outweighs its background.
        decoder: folder of an AutoencoderTiny for the same latents, which the gradient goes through instead of the
            model's own decoder: faster, and less exact. The image itself is decoded by the model's own.
    """

    name: ClassVar[str] = "complexity"
    summary: ClassVar[str] = "backgrounds with more (or, below 0, less) detail"

    strength: Annotated[float, Field(ge=-1, le=1)]
    region: Literal["background", "image"] = "background"
    decoder: str | None = None

    @property
    def phrase(self) -> str:
        """See `Guide.phrase`."""
        direction = "with more detail" if self.strength > 0 else "with less detail" if self.strength < 0 else "as it is"
        return f"{direction} (complexity, strength {self.strength:g})"

    @property
    def needs_removed(self) -> bool:
        """Whether it looks at the photograph without its object."""
        return self.region == "background"

    def shown(self, photo: Photo) -> Pixels:
        """See `Guide.shown`."""
        if self.region == "image":
            return photo.image
        assert photo.removed is not None, "the complexity of a background needs the photograph without its object"
        return photo.removed

    def load(self, device: str) -> LoadedComplexity:
        """See `Guide.load`."""
        return LoadedComplexity(self)


@dataclass(frozen=True)
class LoadedComplexity:
    """See `LoadedGuide`."""

    settings: Complexity

    @property
    def facts(self) -> Mapping[str, Any]:
        """The settings."""
        return {"kind": Complexity.name, **settings_of(self.settings)}

    def score(self, images: Sequence[torch.Tensor], targets: Sequence[GuideTarget]) -> torch.Tensor:
        """Return each image's `xray.core.complexity`."""
        import torch
        from torch.nn.functional import interpolate

        squeezed = [interpolate(image[None], (SIDE, SIDE), mode="area") for image in images]
        magnitude: torch.Tensor = torch.fft.fft2(torch.cat(squeezed)).abs()
        return magnitude.mean(dim=(1, 2, 3))

    def measure(self, images: Sequence[Pixels], targets: Sequence[GuideTarget]) -> list[dict[str, Any]]:
        """Return nothing: complexity is recorded with every guide."""
        return [{} for _ in images]
