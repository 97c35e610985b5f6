"""The base of the families of libraries, which differ in the sources of their networks, weights and sides."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from xray.core.errors import ConfigError
from xray.models.base import IMAGENET_MEAN, IMAGENET_STD, Classifier, Colour, Labels, Trainable, check_classes
from xray.models.features import FeatureNetwork, last_layer
from xray.models.head import resolve_side, with_weights
from xray.models.loaded import LoadedNetwork, Preprocessing, load_on
from xray.models.weights.availability import check_header
from xray.models.weights.checkpoint import Weights, check_exists, read_weights

if TYPE_CHECKING:
    import torch

_ONE_NETWORK = threading.Lock()
"""Checks load one network at a time: several may not fit in memory."""


class Family(Classifier):
    """A family that builds its networks for any number of classes: they are loaded and trained in the same way."""

    architecture: str
    weights: str | None = None
    """Path or URI of a file of weights that replaces the published ones."""

    @property
    def title(self) -> str:
        """The model string without a file of weights, for messages."""
        return f"{self.name}:{self.architecture}"

    def check(self) -> None:
        """See `Classifier.check`."""
        if self.weights is not None:
            check_exists(self.weights)
            check_header(self.weights)

    def check_evaluation(self) -> Labels | None:
        """See `Classifier.check_evaluation`."""
        if self.task == "segmentation":
            raise ConfigError(f"{self.title} is a segmenter: segmenters are trained, not loaded")
        self.check()
        if self.weights is None:
            return self._check_published()
        self._check_own_weights()
        return None

    def check_pretrained(self) -> None:
        """See `Classifier.check_pretrained`."""
        self.check()
        if self.weights is None:
            self._check_available()

    def _check_own_weights(self) -> None:
        """Refuse a file of weights that does not load into the network, or has other classes than ImageNet-1k's."""
        import torch

        with _ONE_NETWORK, torch.random.fork_rng(devices=[]):
            _, _, classes = self._published()
        check_classes(classes, self.title)

    def _check_published(self) -> Labels | None:
        """Refuse published weights that cannot be had here; return the labels of other classes than ImageNet-1k's."""
        self._check_available()
        return None

    def _check_available(self) -> None:
        """Refuse published weights that cannot be had here."""

    def _labels(self, module: torch.nn.Module) -> Labels | None:
        """Return the labels of a loaded network's outputs if its classes are not ImageNet-1k's."""
        return None

    def load(self, device: str) -> LoadedNetwork:
        """See `Classifier.load`."""
        if self.task == "segmentation":
            raise ConfigError(f"{self.title} is a segmenter: segmenters are trained, not loaded")
        module, preprocessing, classes = self._published()
        labels = self._labels(module)
        if labels is None:
            check_classes(classes, self.title)
        return load_on(device, module, preprocessing, labels)

    def check_features(self) -> None:
        """See `Classifier.check_features`."""
        if self.task == "segmentation":
            raise ConfigError(f"{self.title} is a segmenter: it gives no features of an image")
        self.check_pretrained()
        if self.weights is not None:
            self._check_own_weights()
        self._last_layer()

    def features(self, device: str) -> FeatureNetwork:
        """See `Classifier.features`; what the network's own classes mean plays no part."""
        if self.task == "segmentation":
            raise ConfigError(f"{self.title} is a segmenter: it gives no features of an image")
        module, preprocessing, _ = self._published()
        return FeatureNetwork(load_on(device, module, preprocessing), self._last_layer())

    def _last_layer(self) -> str:
        side = self.side()
        return last_layer(lambda classes: self._build(classes, side), self.title)

    def side(self, requested: int | None = None) -> int:
        """See `Classifier.side`."""
        own, multiple, smallest = self._sides()
        return resolve_side(self.title, own, requested, multiple, smallest)

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """See `Classifier.trainable`."""
        if classes < 2:
            raise ConfigError(f"{self.title} cannot be trained for {classes} classes: 2 or more")
        chosen = self.side(side)
        if pretrained:
            module, origin = self._pretrained(classes, chosen)
        else:
            module, origin = self._build(classes, chosen), "from scratch"
        mean, std = self._normalisation(pretrained)
        return Trainable(module, self.task, chosen, mean, std, f"{self.title}, {origin}")

    def _sides(self) -> tuple[int, int | None, int]:
        """Return the architecture's own side, and `multiple` and `smallest` of `resolve_side` for others."""
        raise NotImplementedError

    def _build(self, classes: int, side: int) -> torch.nn.Module:
        """Build a network with random weights."""
        raise NotImplementedError

    def _published(self) -> tuple[torch.nn.Module, Preprocessing, int]:
        """Return the network with known weights, its preprocessing and its number of classes."""
        raise NotImplementedError

    def _published_weights(self, side: int) -> Weights:
        """Return the weights that training starts from, if there is no file of them."""
        return self._published()[0].state_dict()

    def _pretrained(self, classes: int, side: int) -> tuple[torch.nn.Module, str]:
        """Build a network with known weights; return it and their origin, for people."""
        weights = self._published_weights(side) if self.weights is None else read_weights(self.weights)
        return with_weights(lambda count: self._build(count, side), classes, weights, self.title)

    def _normalisation(self, pretrained: bool) -> tuple[Colour, Colour]:
        """Return mean and standard deviation of the input, see `Trainable`."""
        return IMAGENET_MEAN, IMAGENET_STD
