"""The base class of detectors, which find the objects that a phrase names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from xray.core.types import Pixels


@dataclass(frozen=True)
class Detections:
    """The objects that a detector found for a phrase.

    Args:
        boxes_N4: x0, y0, x1, y1 in upright pixels of the photograph, exclusive ends; may extend beyond it.
        scores_N: confidence of each, 0–1.
        masks_NHW: True on each object, if the detector gives masks.
    """

    boxes_N4: NDArray[np.float32]
    scores_N: NDArray[np.float32]
    masks_NHW: NDArray[np.bool_] | None = None

    def select(self, indices: Sequence[int] | NDArray[np.int64]) -> Detections:
        """Return some of the objects, in the order of their indices."""
        chosen = np.asarray(indices, np.int64)
        masks = None if self.masks_NHW is None else self.masks_NHW[chosen]
        return Detections(self.boxes_N4[chosen], self.scores_N[chosen], masks)


class LoadedDetector(Protocol):
    """A detector on a device; `prepare` and `finish` run on the CPU, also in other threads, `run` on the device."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts to record with every mask, as plain JSON values."""
        ...

    def prepare(self, image: Pixels, phrase: str) -> Any:
        """Convert a photograph, shape (H, W, 3), and a phrase to the network's input.

        Raises:
            ConfigError: the phrase is too long for the network.
        """
        ...

    def run(self, batch: Sequence[Any]) -> Sequence[Any]:
        """Run the network on 1 or more prepared inputs, and return its outputs in their order."""
        ...

    def finish(self, raw: Any, height: int, width: int, threshold: float) -> Detections:
        """Return the objects with a score above the threshold, in pixels of a photograph of this size."""
        ...


class Detector:
    """The base class of detectors; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    gives_masks: ClassVar[bool] = False
    """True if it also segments the objects, so that `refine: given` can use its masks."""

    def weights(self) -> Mapping[str, str]:
        """Return the weights that `load` reads, by role: names, files or folders. The plan stores their hashes."""
        return {}

    def load(self, device: str) -> LoadedDetector:
        """Load the weights onto a device; called once per actor.

        Raises:
            XrayError: the weights are missing, damaged or unsafe.
        """
        raise NotImplementedError
