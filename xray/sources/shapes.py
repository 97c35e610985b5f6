"""Images drawn by code: bright objects in front of landscapes, with exact masks; works offline."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xray.core.cache import cache_folder, fill_once, settings_hash
from xray.core.plugins import settings
from xray.core.types import Pixels
from xray.sources.base import Candidate, Source
from xray.sources.categories.base import Category
from xray.sources.drawn_objects import DRAWINGS, DRAWN8
from xray.sources.landscapes import PLACES, landscape
from xray.sources.scenes import Scene, read_scenes, write_scenes
from xray.sources.sketch import Sketch

_VERSION = 1  # part of the cache key
_SUPERSAMPLING = 3
_AIRBORNE = ("balloon", "sailing boat")  # cast no shadow on the ground

Floats = NDArray[np.float32]


@settings
class Shapes(Source):
    """Objects drawn in front of landscapes, once, into the cache (see `xray.core.cache`).

    Args:
        per_category: number of images per category.
        size: height and width in pixels.
        seed: determines landscapes, colours and positions.
        cache: folder of the images; by default the user's cache.
    """

    name: ClassVar[str] = "shapes"
    summary: ClassVar[str] = "objects drawn by code in front of drawn landscapes; works offline"
    caveat: ClassVar[str] = "drawn by code, not photographs: accuracies on them mean nothing"

    per_category: Annotated[int, Field(ge=1, le=10_000)] = 8
    size: tuple[Annotated[int, Field(ge=48, le=4096)], Annotated[int, Field(ge=48, le=4096)]] = (240, 320)
    seed: int = 0
    cache: Path | None = None

    def categories(self) -> Sequence[Category]:
        """Return the categories of the objects that can be drawn."""
        return DRAWN8

    def candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        """Yield the drawings of these categories."""
        return read_scenes("drawings", list(DRAWINGS), categories, self._folder, "Apache-2.0 (drawn by xray)")

    def _folder(self) -> Path:
        cache_key = {"drawing": _VERSION, "n": self.per_category, "size": self.size, "seed": self.seed}
        folder = (self.cache or cache_folder()) / "shapes" / settings_hash(cache_key)
        return fill_once(folder, lambda partial: write_scenes(self._scenes(), partial))

    def _scenes(self) -> Iterator[Scene]:
        for category in DRAWINGS:
            places = random.Random(f"{self.seed}/{category}").sample(sorted(PLACES), len(PLACES))
            for number in range(self.per_category):
                place = places[number % len(places)]
                image, mask = draw_scene(category, place, f"{self.seed}/{category}/{number}", self.size)
                yield Scene(f"{number:04d}", category, place, image, mask)


def draw_scene(category: str, place: str, seed: str, size: tuple[int, int]) -> tuple[Pixels, NDArray[np.bool_]]:
    """Draw an object of `DRAWINGS` in front of a landscape of `PLACES`; `size` is height and width in pixels.

    Returns:
        The image, RGB of shape (height, width, 3), and the object's mask, shape (height, width).
    """
    height, width = size
    chance = random.Random(seed)
    background = landscape(place, chance.getrandbits(32), size).astype(np.float32) / 255
    side = round(min(size) * chance.uniform(0.72, 0.86))
    drawing = draw_object(category, side, chance)
    left = round((width - side) / 2 * (1 + 0.3 * chance.uniform(-1, 1)))
    top = round((height - side) * chance.uniform(0.4, 0.8))
    if category not in _AIRBORNE:
        background = background * (1 - _shadow(size, (left + side / 2, top + side * 0.97), side)[:, :, None])
    window = np.s_[top : top + side, left : left + side]
    alpha, mask = drawing[:, :, 3:], np.zeros(size, np.bool_)
    background[window] = background[window] * (1 - alpha) + drawing[:, :, :3]
    mask[window] = alpha[:, :, 0] >= 0.5
    return np.rint(background.clip(0, 1) * 255).astype(np.uint8), mask


def draw_object(category: str, side: int, chance: random.Random) -> Floats:
    """Draw a single object, slightly tilted: premultiplied RGBA 0–1, shape (side, side, 4)."""
    sketch = Sketch(side * _SUPERSAMPLING)
    DRAWINGS[category][1](sketch, chance)
    rgba = np.dstack([sketch.rgb * sketch.alpha[:, :, None], sketch.alpha])
    middle = (len(rgba) / 2, len(rgba) / 2)
    rotation = cv2.getRotationMatrix2D(middle, chance.uniform(-9, 9), 0.94)
    rotated = cv2.warpAffine(rgba, rotation, rgba.shape[:2], flags=cv2.INTER_LINEAR)
    return cv2.resize(rotated, (side, side), interpolation=cv2.INTER_AREA).clip(0, 1)


def _shadow(size: tuple[int, int], foot: tuple[float, float], side: int) -> Floats:
    """Return a soft dark ellipse on the ground, 0–1."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    reach = np.hypot((columns - foot[0]) / (0.42 * side), (rows - foot[1]) / (0.07 * side))
    return (0.45 * np.exp(-(reach**2) * 1.6)).astype(np.float32)
