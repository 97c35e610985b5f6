"""A torch network on a device, with its preprocessing: what every family loads."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import XrayError
from xray.models.base import CLASSES, Pixels
from xray.models.weights.checkpoint import weights_sha256

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes a network's input.

    Args:
        apply: RGB image (H, W, 3) to float32 tensor (3, h, w).
        text: for people.
        key: equal for equal functions.
    """

    apply: Callable[[Pixels], torch.Tensor]
    text: str
    key: Hashable


@dataclass(frozen=True)
class Network:
    """A loaded classifier; see `xray.models.base.Loaded`."""

    module: torch.nn.Module
    device: torch.device
    weights_sha256: str
    _preprocessing: Preprocessing

    @property
    def preprocessing(self) -> str:
        """For people."""
        return self._preprocessing.text

    @property
    def preprocessing_key(self) -> Hashable:
        """Equal for two networks exactly when their preprocessing is the same."""
        return self._preprocessing.key

    def preprocess(self, image_HWC: Pixels) -> torch.Tensor:
        """An RGB image of any size as the network's input, shape (3, h, w), float32, on the CPU."""
        return self._preprocessing.apply(image_HWC)

    def predict(self, images_NCHW: torch.Tensor) -> NDArray[np.float32]:
        """Probabilities over ImageNet-1k's classes, shape (N, 1000)."""
        import torch

        with torch.inference_mode():
            output = self.module(images_NCHW.to(self.device))
            logits_NK = output if isinstance(output, torch.Tensor) else output.logits
            return logits_NK.float().softmax(dim=-1).cpu().numpy()


def _device(name: str) -> torch.device:
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise XrayError(f"unknown device {name!r}: cpu, cuda or cuda:<number>") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise XrayError(f"no device {name!r}: torch sees {torch.cuda.device_count()} CUDA devices here")
    return device


def place(module: torch.nn.Module, preprocessing: Preprocessing, device: str, model: str, classes: int) -> Network:
    """A network in evaluation mode on a device.

    Raises:
        XrayError: it has other classes than ImageNet-1k, or there is no such device.
    """
    if classes != CLASSES:
        raise XrayError(f"{model!r} has {classes} classes, not ImageNet-1k's {CLASSES}")
    target = _device(device)
    module.eval().requires_grad_(False)
    return Network(module.to(target), target, weights_sha256(module), preprocessing)
