"""Features of pretrained classifiers: what their last layer, which is linear, sees of an image."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import ConfigError
from xray.models.base import Pixels
from xray.models.head import head_axes, skeleton
from xray.models.loaded import LoadedNetwork

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class FeatureNetwork:
    """A pretrained classifier that returns features in place of probabilities; see `xray.models.base.Loaded`.

    Args:
        network: the classifier, on a device.
        layer: the name of its last layer.
    """

    network: LoadedNetwork
    layer: str

    @property
    def weights_sha256(self) -> str:
        """See `Loaded.weights_sha256`."""
        return self.network.weights_sha256

    @property
    def preprocessing(self) -> str:
        """See `Loaded.preprocessing`."""
        return self.network.preprocessing

    @property
    def preprocessing_key(self) -> Hashable:
        """See `Loaded.preprocessing_key`."""
        return self.network.preprocessing_key

    def preprocess(self, image_HWC: Pixels) -> torch.Tensor:
        """See `Loaded.preprocess`."""
        return self.network.preprocess(image_HWC)

    def predict(self, images_NCHW: torch.Tensor) -> NDArray[np.float32]:
        """Return the features of N images, the input of the last layer, shape (N, D)."""
        import torch

        inputs: list[torch.Tensor] = []

        def keep(layer: torch.nn.Module, arguments: tuple[Any, ...]) -> None:
            inputs.append(arguments[0])

        hook = self.network.module.get_submodule(self.layer).register_forward_pre_hook(keep)
        try:
            with torch.inference_mode():
                self.network.module(images_NCHW.to(self.network.device))
        finally:
            hook.remove()
        return inputs[-1].float().reshape(len(images_NCHW), -1).cpu().numpy()


def last_layer(build: Callable[[int], torch.nn.Module], title: str) -> str:
    """Return the name of the linear layer whose outputs are the classes of a network.

    Args:
        build: the network for a number of classes.
        title: the model, for messages.

    Raises:
        ConfigError: the classes depend on several layers, or on one that is not linear.
    """
    import torch

    names = {name.rpartition(".")[0] for name in head_axes(build, 2)}
    module = skeleton(build, 2)
    layers = {name: module.get_submodule(name) for name in sorted(names)}
    if len(layers) == 1 and all(isinstance(layer, torch.nn.Linear) for layer in layers.values()):
        return next(iter(layers))
    described = ", ".join(f"{name} ({type(layer).__name__})" for name, layer in layers.items())
    raise ConfigError(f"{title} gives no features: its classes do not come from one linear layer, but from {described}")
