"""Batches as normalised tensors on a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Tensors = tuple["torch.Tensor", "torch.Tensor", "torch.Tensor | None"]
"""Network input (N, 3, side, side) or logits; labels (N,); masks (N, side, side) or None."""


@dataclass(frozen=True)
class ToTensors:
    """The conversion of a batch to normalised tensors on a device.

    Args:
        device: where the network is.
        scale: 255 · std, shape (1, 3, 1, 1).
        shift: mean / std, shape (1, 3, 1, 1).
    """

    device: torch.device
    scale: torch.Tensor
    shift: torch.Tensor

    @classmethod
    def build(cls, mean: Sequence[float], std: Sequence[float], device: torch.device) -> Self:
        """Create the conversion for a network whose input is normalised by `mean` and `std` of pixels in 0–1."""
        import torch

        mean_C, std_C = torch.tensor(mean, device=device), torch.tensor(std, device=device)
        return cls(device, (255 * std_C).view(1, 3, 1, 1), (mean_C / std_C).view(1, 3, 1, 1))

    def __call__(
        self, images_NHWC: NDArray[np.uint8], masks_NHW: NDArray[np.uint8] | None, label_N: NDArray[np.int64]
    ) -> Tensors:
        """Convert N images, their masks and labels."""
        import torch

        pixels_NCHW = torch.from_numpy(images_NHWC).to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        input_NCHW = pixels_NCHW.float() / self.scale - self.shift
        masks = None if masks_NHW is None else torch.from_numpy(masks_NHW).to(self.device)
        return input_NCHW, torch.from_numpy(label_N).to(self.device), masks
