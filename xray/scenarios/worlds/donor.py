"""Another photograph, by default without its own object."""

from __future__ import annotations

from typing import ClassVar, Literal

from xray.core.complexity import complexity
from xray.core.compositing import crop_to_size
from xray.core.errors import Rejected
from xray.core.plugins import settings
from xray.core.types import DonorRule, Photo, Pixels
from xray.scenarios.worlds.base import Surroundings, World


@settings
class Donor(World):
    """A photograph of the recipe's `backgrounds`, cropped and scaled to the photograph's size.

    With the run's own photographs as backgrounds and `category: same`, `any` and `next` these are the mixed-same,
    mixed-rand and mixed-next of ImageNet-9 (Xiao et al. 2021, Noise or Signal, ICLR); there "next" is the next class.

    Args:
        category: of the donor's object: `any`, the photograph's own (`same`), another (`other`), or the next one in
            sorted order (`next`).
        object: `removed`: the donor without its own object, where its mask is known; `whole`: as it is.
        exclude_self: never the photograph itself.
        complexity: only donors among the least complex tenth (`low`), the middle fifth (`median`) or the most complex
            tenth (`high`), by `xray.core.complexity`; None: all.
    """

    name: ClassVar[str] = "donor"
    summary: ClassVar[str] = "another photograph, its object removed"

    category: Literal["any", "same", "other", "next"] = "any"
    object: Literal["removed", "whole"] = "removed"
    exclude_self: bool = True
    complexity: Literal["low", "median", "high"] | None = None

    @property
    def phrase(self) -> str:  # type: ignore[override]
        """The world in the report, with all settings filled in."""
        kind = {None: "the", "low": "a simple", "median": "a medium", "high": "a complex"}[self.complexity]
        whose = {
            "any": "",
            "same": " of its category",
            "other": " of another category",
            "next": " of the next category",
        }
        with_object = " with its own object" if self.object == "whole" else ""
        return f"{kind} background of another photograph{whose[self.category]}{with_object}"

    @property
    def donor_rule(self) -> DonorRule:
        """The rule of these settings."""
        return DonorRule(self.category, self.object == "removed", self.exclude_self, self.complexity)

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Surroundings:
        """Return the donor, cropped to the photograph's aspect ratio and scaled. Records `donor_window`.

        Of donors that are chosen by their complexity, that of what is shown of them is recorded too: they are chosen
        as whole photographs, with their objects.

        Raises:
            Rejected: no_donor.
        """
        if donor is None:
            raise Rejected("no_donor", "there is no photograph to put the object on")
        height, width = photo.mask.shape
        image, window = crop_to_size(donor, width, height, seed)
        measured = {} if self.complexity is None else {"complexity": complexity(image)}
        return Surroundings(image, {"donor_window": list(window), **measured})
