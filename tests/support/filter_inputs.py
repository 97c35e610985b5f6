"""Small inpainted images for the filter, and a mask refiner without weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xray.backgrounds.filtering.judge import FilterInput
from xray.core.errors import Rejected
from xray.core.types import Photo
from xray.masks import RefinedMask, RefinerInput
from xray.sources.categories import Category

FOX = Category(name="red fox", indices=(277, 278))


def make_input(seed: int, *, background: int | None = None, **fields: Any) -> FilterInput:
    """A bright object in the upper left quarter; the inpainted background is other noise, or one colour."""
    rng = np.random.default_rng(seed)
    image, original = rng.integers(0, 200, (2, 48, 64, 3), dtype=np.uint8)
    if background is not None:
        image[:] = background
    mask = np.zeros((48, 64), bool)
    mask[8:24, 8:32] = True
    image[mask] = original[mask] = rng.integers(201, 256, (mask.sum(), 3), dtype=np.uint8)
    return FilterInput(Photo(original, mask), image, **{"category": FOX, "prompt": "in snow", **fields})


def unchanged(item: FilterInput) -> FilterInput:
    return dataclasses.replace(item, image=item.photo.image.copy())


class BrightPixels:
    """A mask refiner for which all bright pixels are the object."""

    facts: Mapping[str, Any] = {"refiner": "bright"}

    def __init__(self) -> None:
        self.inputs: list[RefinerInput] = []

    def prepare(self, item: RefinerInput) -> Any:
        self.inputs.append(item)
        if item.decoded.image.max() == 0:
            raise Rejected("no_object")
        return item.decoded.image

    def run(self, batch: Sequence[Any]) -> Sequence[Any]:
        return [image.min(axis=2) > 200 for image in batch]

    def finish(self, item: RefinerInput, raw: Any) -> RefinedMask:
        return RefinedMask(raw, "bright")
