"""Classifiers loaded onto a device, with their preprocessing."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import ConfigError, ResourceError
from xray.models.base import Labels, Pixels
from xray.models.weights.checkpoint import weights_sha256

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Preprocessing:
    """The conversion of an image to a network's input.

    Args:
        apply: from an RGB image (H, W, 3), uint8, to a tensor (3, h, w), float32.
        text: a description for people.
        key: equal for equal functions.
    """

    apply: Callable[[Pixels], torch.Tensor]
    text: str
    key: Hashable

    @classmethod
    def of_pil(cls, transform: Callable[[Any], Any], text: str, key: Hashable) -> Preprocessing:
        """Wrap a transform of PIL images."""
        from PIL import Image

        return cls(lambda image_HWC: transform(Image.fromarray(image_HWC)), text, key)


@dataclass(frozen=True)
class LoadedNetwork:
    """A torch network on a device; see `xray.models.base.Loaded`."""

    module: torch.nn.Module
    device: torch.device
    weights_sha256: str
    preprocessing: str
    preprocessing_key: Hashable
    _preprocess: Callable[[Pixels], torch.Tensor]
    order: NDArray[np.intp] | None = None
    """Index of the output that has each class, if outputs are in another order than ImageNet-1k's."""
    labels: Labels | None = None
    """Labels of the outputs; None: ImageNet-1k's classes."""

    def preprocess(self, image_HWC: Pixels) -> torch.Tensor:
        """Convert an RGB image of any size to the network's input, shape (3, h, w), float32, on the CPU."""
        return self._preprocess(image_HWC)

    def predict(self, images_NCHW: torch.Tensor) -> NDArray[np.float32]:
        """Return probabilities over ImageNet-1k's classes, shape (N, 1000), or over `labels`, shape (N, K)."""
        import torch

        with torch.inference_mode():
            output = self.module(images_NCHW.to(self.device))
            logits_NK = output if isinstance(output, torch.Tensor) else output.logits
            probability_NK = logits_NK.float().softmax(dim=-1).cpu().numpy()
        return probability_NK if self.order is None else probability_NK[:, self.order]


def load_on(
    device: str, module: torch.nn.Module, preprocessing: Preprocessing, labels: Labels | None = None
) -> LoadedNetwork:
    """Move a network to a device, in evaluation mode.

    Args:
        device: `cpu`, `cuda` or `cuda:1`.
        module: the network.
        preprocessing: of its inputs.
        labels: of the outputs, if they are not ImageNet-1k's classes.

    Raises:
        XrayError: there is no such device.
    """
    target = _device(device)
    module.eval().requires_grad_(False)
    sha256 = weights_sha256(module)
    return LoadedNetwork(
        module.to(target), target, sha256, preprocessing.text, preprocessing.key, preprocessing.apply, labels=labels
    )


def _device(name: str) -> torch.device:
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"unknown device {name!r}: cpu, cuda or cuda:<number>") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ResourceError(f"no device {name!r}: torch finds {torch.cuda.device_count()} CUDA devices")
    return device
