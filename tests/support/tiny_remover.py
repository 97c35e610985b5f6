"""A remover with weights that tests name by its import path; see `support.tiny_pools` for its desk."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from support.drawn_photos import recipe_values
from support.tiny_pools import Desk, logged
from xray.backgrounds.removal.base import RemovalInput, Remover
from xray.core.plugins import settings
from xray.core.types import Photo, Pixels
from xray.models.weights import locate
from xray.scenarios import Picture, Scenario

EDIT = {"kind": "edit", "name": "pasted"}
"""The object back on its own background, from which it was removed."""


@settings
class Mean(Remover):
    """Fills the object with the mean colour of the background, times a weight."""

    name: ClassVar[str] = "mean"
    summary: ClassVar[str] = "a mean colour"
    accelerated: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("torch",)

    model: str
    desk: str

    def weights(self) -> Mapping[str, str]:
        return {"weight": self.model}

    def load(self, device: str) -> Averaging:
        return Averaging(int(locate(self.model).read_text()), Desk(self.desk, "remove"))


class Averaging:
    """The loaded network of `Mean`."""

    def __init__(self, weight: int, desk: Desk) -> None:
        import torch

        self.weight, self.desk = torch.tensor(weight / 10), desk
        self.facts: Mapping[str, Any] = {"weight": weight}

    def prepare(self, item: RemovalInput) -> RemovalInput:
        return item

    def run(self, batch: Sequence[RemovalInput]) -> list[Any]:
        import torch

        colours = []
        for item in batch:
            self.desk.work(item.seed)
            mean = torch.from_numpy(item.photo.image[~item.photo.mask]).float().mean(dim=0)
            colours.append((mean * self.weight).round().to(torch.uint8).numpy())
        return colours

    def finish(self, item: RemovalInput, raw: Any) -> Pixels:
        return np.where(item.photo.mask[:, :, None], raw, item.photo.image)


@settings
class Logging(Remover):
    """Paints the object grey, on CPUs, and logs every photograph at the desk."""

    name: ClassVar[str] = "logging"
    summary: ClassVar[str] = "paints grey"

    desk: str
    grey: int = 128

    def remove(self, photo: Photo, seed: int) -> Pixels:
        _desk(self.desk, "remove").work(seed)
        return np.where(photo.mask[:, :, None], np.uint8(self.grey), photo.image)


@settings
class Background(Scenario):
    """The photograph without its object; logs every image at the desk."""

    name: ClassVar[str] = "bare"
    summary: ClassVar[str] = "the photograph without its object"
    keeps: ClassVar[None] = None
    needs_removed: ClassVar[bool] = True  # type: ignore[assignment]

    desk: str

    def render(self, photo: Photo, seed: int, donor: Any = None) -> Picture:
        _desk(self.desk, "render").work(seed)
        assert photo.removed is not None
        return Picture(photo.removed, photo.mask)


@functools.cache
def _desk(folder: str, work: str) -> Desk:
    """Return the desk of this process, which counts what it has made."""
    return Desk(folder, work)


def removing_values(folder: Path, **changes: object) -> dict[str, Any]:
    """Return a recipe for the folder of `pooled_folder` that shows photographs and donors without their objects."""
    values: dict[str, Any] = {
        "remover": {"kind": "support.tiny_remover:Logging", "desk": str(folder / "desk")},
        "scenarios": ["original", EDIT, "random_background"],
        "images": {"format": "png"},
    }
    return recipe_values(folder, **{**values, **changes})


def removals(folder: Path) -> Counter[int]:
    """Count how often each photograph went through a remover, by its seed."""
    return Counter(seed for _, seed in logged(folder, "remove"))
