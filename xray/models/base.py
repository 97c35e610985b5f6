"""What a classifier is: a name that can be loaded, and then owns its preprocessing."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import XrayError

if TYPE_CHECKING:
    import torch

CLASSES = 1000
"""ImageNet-1k's: every classifier has an output for each."""

Pixels = NDArray[np.uint8]

Task = Literal["classification", "segmentation"]

Colour = tuple[float, float, float]
"""One number for each of red, green and blue."""

IMAGENET_MEAN: Colour = (0.485, 0.456, 0.406)
IMAGENET_STD: Colour = (0.229, 0.224, 0.225)
"""Of ImageNet's pixels in 0..1: for networks that have no normalisation of their own."""


@dataclass(frozen=True)
class Trainable:
    """A network to be trained; its input is (N, 3, side, side), float32, normalised.

    Args:
        module: classification: from the input to logits (N, K); segmentation: to logits (N, K, side, side).
        task: which of the two.
        side: of the input in pixels.
        mean: of red, green and blue in 0..1; the input is (pixels / 255 - mean) / std.
        std: likewise.
        origin: where its weights come from, and which of them were left out; for people.
    """

    module: torch.nn.Module
    task: Task
    side: int
    mean: Colour
    std: Colour
    origin: str = "from scratch"


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
    task: ClassVar[Task] = "classification"

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

    def side(self, wanted: int | None = None) -> int:
        """Side of the square input in pixels that a network to be trained gets; cheap, nothing is built.

        Args:
            wanted: by default the architecture's own.

        Raises:
            XrayError: the architecture does not take it (names what it takes), or its own is not to be had.
        """
        raise XrayError(f"models of {type(self).__name__} cannot be trained: it has no side()")

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """A network for so many classes, to be trained.

        Args:
            classes: 2 or more.
            side: of the square input in pixels; by default the architecture's own.
            pretrained: with the family's published weights, or the file's (`@file`), and a new head of `classes`
                outputs; a file whose head has as many already is taken whole. Otherwise from scratch. What is new is
                drawn from torch's global random state: the caller seeds it.

        Raises:
            XrayError: no such model, its weights are not to be had or do not fit, or it takes no such side.
        """
        raise XrayError(f"models of {type(self).__name__} cannot be trained: it has no trainable()")

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
