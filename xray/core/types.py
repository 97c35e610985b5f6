"""xray.core.types."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


Mask = NDArray[np.bool_]


Region = Literal["object", "background", "image"]


Presets = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Photo:
    """A photograph and where its object is.

    Args:
        image: RGB, shape (H, W, 3).
        mask: True on the object, shape (H, W).
    """

    image: Pixels
    mask: Mask

    @functools.cached_property
    def inside(self) -> Pixels:
        """The mask for OpenCV: 255 on the object, 0 elsewhere."""
        return self.mask.view(np.uint8) * np.uint8(255)

    @functools.cached_property
    def outside(self) -> Pixels:
        """255 on the background, 0 on the object."""
        return cv2.bitwise_not(self.inside)  # type: ignore[return-value]

    @functools.cached_property
    def hsv(self) -> Pixels:
        """OpenCV's 8-bit HSV: hue 0–179, saturation and value 0–255. Shared by scenarios: copy before writing."""
        return cv2.cvtColor(self.image, cv2.COLOR_RGB2HSV)  # type: ignore[return-value]

    def region(self, name: Region) -> Pixels:
        """255 where the region is, 0 elsewhere."""
        if name == "image":
            return np.full_like(self.inside, 255)
        return self.inside if name == "object" else self.outside


@dataclass(frozen=True)
class Prompt:
    """What to paint.

    Args:
        text: for the model.
        place: typical | atypical | any: how the place suits the category.
    """

    text: str
    place: str


@dataclass(frozen=True)
class Picture:
    """What a scenario makes.

    Args:
        image: RGB or RGBA, shape (H', W', 3 or 4).
        mask: where the object is in it, shape (H', W').
        drawn: what the seed decided, as plain JSON values (a hue, a position, …).
    """

    image: Pixels
    mask: Mask
    drawn: Mapping[str, Any] = field(default_factory=dict)
