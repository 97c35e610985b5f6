"""Refiners without weights in the interface of those with weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xray.masks.base import RefinedMask, Refiner, RefinerInput


class WithoutWeights:
    """A refiner without weights as a `DeviceModel`."""

    def __init__(self, refiner: Refiner) -> None:
        self.refiner = refiner
        self.facts: Mapping[str, Any] = {"kind": refiner.name}

    def prepare(self, item: RefinerInput) -> None:
        """Do nothing: `finish` does all."""
        return None

    def run(self, batch: Sequence[None]) -> Sequence[None]:
        """Return the batch."""
        return batch

    def finish(self, item: RefinerInput, raw: None) -> RefinedMask:
        """Refine the mask; see `Refiner.refine`."""
        return self.refiner.refine(item.decoded, item.hint, item.seed)
