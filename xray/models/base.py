"""What a classifier is: a name that can be loaded, and then owns its preprocessing."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from xray.errors import XrayError

if TYPE_CHECKING:
    import torch

CLASSES = 1000
"""ImageNet-1k's: every classifier has an output for each."""

Pixels = NDArray[np.uint8]


class Loaded(Protocol):
    """A classifier with its weights on a device."""

    @property
    def weights_sha256(self) -> str:
        """Over names, types, shapes and values of all weights."""
        ...

    @property
    def preprocessing(self) -> str:
        """For people: size, crop, interpolation, mean and standard deviation."""
        ...

    @property
    def preprocessing_key(self) -> Hashable:
        """Equal for two models only if `preprocess` is the same function: then it is done once for both."""
        ...

    def preprocess(self, image_HWC: Pixels) -> torch.Tensor:
        """An RGB image of any size as the model's input, shape (3, h, w), float32, on the CPU."""
        ...

    def predict(self, images_NCHW: torch.Tensor) -> NDArray[np.float32]:
        """Probabilities over ImageNet-1k's classes, shape (N, 1000)."""
        ...


class Classifier:
    """Base of the model families; a subclass is a `@settings` dataclass with a `name`, the part before the colon."""

    name: ClassVar[str]
    summary: ClassVar[str]

    @classmethod
    def parse(cls, rest: str) -> Classifier:
        """The classifier that `family:rest` means."""
        raise NotImplementedError

    def check(self) -> None:
        """Refuse what cannot be loaded for a reason that shows without weights; for the driver, before workers start.

        Raises:
            XrayError: no such architecture, or a file of weights that is not there.
        """

    def load(self, device: str) -> Loaded:
        """Bring the weights to a device (`cpu`, `cuda`, `cuda:1`), in evaluation mode.

        Raises:
            XrayError: no such model, or its weights are not to be had; says how to get them. Never random weights.
        """
        raise NotImplementedError

    @staticmethod
    def choices() -> Sequence[str]:
        """Names for `xray list models`, as far as they can be listed offline."""
        return ()


def unknown_architecture(family: str, name: str, choices: Sequence[str]) -> XrayError:
    """An error that names the nearest of many architectures.

    >>> str(unknown_architecture("timm", "resnet5", ["resnet50", "vgg16"]))
    "unknown timm model 'resnet5'; did you mean 'resnet50'?"
    """
    near = difflib.get_close_matches(name, choices, n=4)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"none of {len(choices)} names is like it"
    return XrayError(f"unknown {family} model {name!r}; {hint}")
