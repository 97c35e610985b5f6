"""The value types that scenarios, masks and backgrounds exchange: photographs, pictures and prompts."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""An image, uint8 0–255: RGB, shape (H, W, 3); RGBA, shape (H, W, 4); or one channel, shape (H, W)."""

Mask = NDArray[np.bool_]
"""True on the object; shape (H, W)."""

Region = Literal["object", "background", "image"]
"""A part of a photograph: the object's pixels, all others, or both."""

Presets = Mapping[str, Mapping[str, Any]]
"""Settings by name, by the name of the preset."""


@dataclass(frozen=True)
class Photo:
    """A photograph and the mask of its object.

    Args:
        image: RGB, uint8, shape (H, W, 3).
        mask: True on the object, shape (H, W).
        removed: the photograph without its object, RGB, uint8, shape (H, W, 3); None where no scenario needs it.
    """

    image: Pixels
    mask: Mask
    removed: Pixels | None = None

    @functools.cached_property
    def inside(self) -> Pixels:
        """The mask for OpenCV: 255 on the object, 0 elsewhere; uint8, shape (H, W)."""
        return self.mask.view(np.uint8) * np.uint8(255)

    @functools.cached_property
    def outside(self) -> Pixels:
        """255 on the background, 0 on the object; uint8, shape (H, W)."""
        return cv2.bitwise_not(self.inside)  # type: ignore[return-value]

    @functools.cached_property
    def hsv(self) -> Pixels:
        """The image in OpenCV's 8-bit HSV, shape (H, W, 3): hue 0–179, saturation and value 0–255.

        Shared by scenarios: copy it before writing.
        """
        return cv2.cvtColor(self.image, cv2.COLOR_RGB2HSV)  # type: ignore[return-value]

    def region(self, name: Region) -> Pixels:
        """Return 255 in the region, 0 elsewhere; uint8, shape (H, W)."""
        if name == "image":
            return np.full_like(self.inside, 255)
        return self.inside if name == "object" else self.outside


@dataclass(frozen=True)
class DonorRule:
    """Which photograph serves as the background of another, and whether its own object is in view.

    Args:
        category: `any`, the object's own (`same`), any other than it (`other`), or the one after it in sorted order
            (`next`; after the last the first).
        removed: without the donor's own object, where its mask is known; otherwise as it is.
        exclude_self: never the photograph itself.
        complexity: only donors among the least complex tenth (`low`), the middle fifth (`median`) or the most complex
            tenth (`high`) of the pool, or of its part of the photograph's fold, but at least two; None: all. It is
            measured on photographs as they are: with their objects, which `removed` donors do not show.
    """

    category: Literal["any", "same", "other", "next"] = "any"
    removed: bool = True
    exclude_self: bool = True
    complexity: Literal["low", "median", "high"] | None = None


@dataclass(frozen=True)
class Prompt:
    """A description of the background to inpaint.

    Args:
        text: the diffusion model's prompt.
        place: typical | atypical | any: how the place relates to the object's category.
    """

    text: str
    place: str


@dataclass(frozen=True)
class Picture:
    """The result of a scenario.

    Args:
        image: RGB or RGBA, uint8, C-contiguous, shape (H', W', 3) or (H', W', 4).
        mask: True on the object, shape (H', W').
        sampled: the values that the seed decided, such as a hue or a position, as plain JSON values.
        notes: reason codes to be recorded, such as `already_there`.
        measured: what was measured in the image, such as a share of pixels, as plain JSON values.
        placed: the photograph after its object was moved, for checks of what the scenario keeps; only its mask and the
            pixels under it count. None: the object has not moved.
    """

    image: Pixels
    mask: Mask
    sampled: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    placed: Photo | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
