"""The model contract: a family of classifiers, a loaded classifier, a network to train."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import ConfigError

if TYPE_CHECKING:
    import torch

CLASSES = 1000
"""The number of classes of ImageNet-1k: every loaded classifier has an output for each."""

Pixels = NDArray[np.uint8]

Labels = tuple[str, ...]
"""The labels of a classifier's outputs, in order."""

Task = Literal["classification", "segmentation"]

Colour = tuple[float, float, float]
"""One number for each of red, green and blue."""

IMAGENET_MEAN: Colour = (0.485, 0.456, 0.406)
IMAGENET_STD: Colour = (0.229, 0.224, 0.225)
"""Statistics of ImageNet's pixels in 0..1, for networks without a normalisation of their own."""


@dataclass(frozen=True)
class Trainable:
    """A network to train; its input is (N, 3, side, side), float32, normalised.

    Args:
        module: from the input to logits: (N, K) for classification, (N, K, side, side) for segmentation.
        task: classification or segmentation.
        side: of the input in pixels.
        mean: of red, green and blue in 0..1; the input is (pixels / 255 - mean) / std.
        std: likewise.
        origin: the source of its weights, and which of them were left out; for people.
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
        """SHA-256 over names, types, shapes and values of all weights."""
        ...

    @property
    def preprocessing(self) -> str:
        """A description for people: size, crop, interpolation, mean and standard deviation."""
        ...

    @property
    def preprocessing_key(self) -> Hashable:
        """A key that two models share only if `preprocess` is the same function; it then runs once for both."""
        ...

    def preprocess(self, image_HWC: Pixels) -> torch.Tensor:
        """Convert an RGB image of any size to the model's input, shape (3, h, w), float32, on the CPU."""
        ...

    def predict(self, images_NCHW: torch.Tensor) -> NDArray[np.float32]:
        """Return probabilities, shape (N, 1000) over ImageNet-1k's classes.

        A model of other classes has an attribute `labels`, the labels of its K outputs, and returns shape (N, K).
        """
        ...


class Classifier:
    """The base of model families: `@settings` dataclasses with a `name`, the part before the colon."""

    name: ClassVar[str]
    summary: ClassVar[str]
    task: ClassVar[Task] = "classification"

    @classmethod
    def parse(cls, rest: str) -> Classifier:
        """Return the classifier that `family:rest` names."""
        raise NotImplementedError

    def check(self) -> None:
        """Refuse, without loading weights, a model that cannot be loaded; the driver calls it before workers start.

        Raises:
            ConfigError: no such architecture, or a missing file of weights.
        """

    def check_evaluation(self) -> Labels | None:
        """Refuse, without loading weights, a model that cannot predict here; `xray plan` calls it.

        Returns:
            The labels of its outputs, in order; None: ImageNet-1k's classes, or not known before it is loaded.

        Raises:
            XrayError: as `check`; weights that cannot be had, or outputs whose classes are not known.
        """
        self.check()
        return None

    def check_pretrained(self) -> None:
        """Refuse, without loading weights, a training that starts from weights which cannot be had here.

        Raises:
            XrayError: as `check`; weights that cannot be had.
        """
        self.check()

    def check_features(self) -> None:
        """Refuse, without loading published weights, a model that gives no features here.

        Raises:
            XrayError: as `check_pretrained`; or it has no `features`.
        """
        raise ConfigError(f"models of {type(self).__name__} give no features: it has no features()")

    def features(self, device: str) -> Loaded:
        """Load a classifier that returns features, shape (N, D), in place of probabilities; see `load`.

        Features are the input of the layer whose outputs are the classes, in evaluation mode: what a linear probe sees.

        Raises:
            ConfigError: as `load`; or the classes do not come from one linear layer.
        """
        raise ConfigError(f"models of {type(self).__name__} give no features: it has no features()")

    def load(self, device: str) -> Loaded:
        """Load the weights onto a device (`cpu`, `cuda`, `cuda:1`), in evaluation mode.

        Raises:
            ConfigError: no such model, or its weights are unavailable (says how to get them). Never random weights.
        """
        raise NotImplementedError

    def side(self, requested: int | None = None) -> int:
        """Return the side in pixels of the square input of a network to train, without building it.

        Args:
            requested: default: the architecture's own.

        Raises:
            ConfigError: the architecture does not accept it (names those it accepts), or its own is unavailable.
        """
        raise ConfigError(f"models of {type(self).__name__} cannot be trained: it has no side()")

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """Return a network to train.

        Args:
            classes: 2 or more.
            side: of the square input in pixels; default: the architecture's own.
            pretrained: with the family's published weights, or the file's (`@file`), and a new head of `classes`
                outputs; a file whose head already has `classes` outputs is used whole. Otherwise from scratch. New
                weights come from torch's global random state: the caller seeds it.

        Raises:
            ConfigError: no such model, its weights are unavailable or do not fit, or it does not accept the side.
        """
        raise ConfigError(f"models of {type(self).__name__} cannot be trained: it has no trainable()")

    @staticmethod
    def choices() -> Sequence[str]:
        """Return the names for `xray list models` that are known offline."""
        return ()


def check_classes(count: object, title: str) -> None:
    """Refuse a number of outputs other than ImageNet-1k's."""
    if count != CLASSES:
        raise ConfigError(
            f"{title!r} has {count} classes, not ImageNet-1k's {CLASSES}, and its configuration does not name them"
        )


def unknown_architecture(family: str, name: str, choices: Sequence[str]) -> ConfigError:
    """Return an error that names the nearest of many architectures.

    >>> str(unknown_architecture("timm", "resnet5", ["resnet50", "vgg16"]))
    "unknown timm model 'resnet5'; did you mean 'resnet50'?"
    """
    near = difflib.get_close_matches(name, choices, n=4)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"none of {len(choices)} names is similar"
    return ConfigError(f"unknown {family} model {name!r}; {hint}")
