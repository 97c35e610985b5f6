"""What a scenario is: a pure function of (photo, settings, seed) that states what it keeps."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.categories.base import Category

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


class Scenario:
    """Base of all scenarios; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for people."""
    needs_donor: ClassVar[bool] = False
    """Whether `render` takes a photograph of another place."""
    paints: ClassVar[bool] = False
    """Whether `render` takes a world that `painter` makes: `prompt` says which."""
    painter: Any = None
    """A setting of those that paint: a `xray.backgrounds.painter.Painter`."""
    presets: ClassVar[Presets] = {}
    """Named sets of settings: `ximagenet12` is the published code's, empty where the defaults already are."""

    @property
    def keeps(self) -> Region | None:
        """The region whose pixels stay exactly as they are; checked on every image before it is encoded."""
        raise NotImplementedError

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """The photo as this scenario shows it.

        Args:
            photo: the photograph and its mask; never written to.
            seed: decides everything random.
            donor: RGB photograph of another place, any size, if `needs_donor`; the painted world, of the photo's
                size, if it `paints`.
        """
        raise NotImplementedError

    def prompt(self, category: Category, draw: int, variant: int) -> Prompt | None:
        """What to paint around an object, if it `paints`; decided in the plan.

        Args:
            category: of the object.
            draw: a hash of (run seed, photograph, scenario).
            variant: 0 …: the variants of one photograph get different prompts, as far as there are enough.
        """
        return None
