"""Segmenters of segmentation-models-pytorch, to be trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from xray.core.errors import ConfigError, unknown
from xray.core.plugins import settings
from xray.models.base import Classifier, Loaded, Task, Trainable
from xray.models.head import check_classes, resolve_side, with_weights
from xray.models.smp_network import ARCHITECTURES, build_segmenter, check_encoder, encoder_normalisation
from xray.models.weights.checkpoint import check_exists, read_weights, weights_unavailable

if TYPE_CHECKING:
    import torch

SIDE = 224
"""Default side of the input in pixels; the papers trained at it."""


@settings
class Smp(Classifier):
    """A segmenter: a decoder on an encoder.

    Args:
        architecture: such as `upernet`.
        encoder: of the library, such as `resnet50` or `mit_b2`, or `tu-` and the name of a timm model.
        weights: path or URI of a checkpoint of the whole network.
    """

    name: ClassVar[str] = "smp"
    summary: ClassVar[str] = "segmenters to be trained: smp:upernet-resnet50, smp:dpt-tu-vit_base_patch16_224"
    task: ClassVar[Task] = "segmentation"

    architecture: str
    encoder: str
    weights: str | None = None

    @classmethod
    def parse(cls, rest: str) -> Self:
        """Parse `architecture-encoder` or `architecture-encoder@weights`."""
        model, _, weights = rest.partition("@")
        architecture, _, encoder = model.partition("-")
        if architecture not in ARCHITECTURES:
            raise unknown("smp architecture", architecture, ARCHITECTURES)
        if not encoder:
            raise ConfigError(f"model 'smp:{rest}' names no encoder: write smp:{architecture}-resnet50, or another")
        return cls(architecture=architecture, encoder=encoder, weights=weights or None)

    @property
    def _title(self) -> str:
        return f"smp:{self.architecture}-{self.encoder}"

    def check(self) -> None:
        """See `Classifier.check`."""
        check_encoder(self.architecture, self.encoder)
        if self.weights is not None:
            check_exists(self.weights)

    def load(self, device: str) -> Loaded:
        """Refuse: there are no published weights of whole segmenters for one's own classes."""
        raise ConfigError(f"{self._title} is a segmenter: segmenters are trained, not loaded")

    def side(self, requested: int | None = None) -> int:
        """See `Classifier.side`; multiples of 32."""
        self.check()
        return resolve_side(self._title, SIDE, requested, 32)

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """See `Classifier.trainable`; published weights are the encoder's only, a file holds the whole network."""
        check_classes(classes, self._title)
        chosen = self.side(side)

        def build(count: int, published: bool = False) -> torch.nn.Module:
            return build_segmenter(self.architecture, self.encoder, count, chosen, published)

        if not pretrained:
            module, origin = build(classes), "from scratch"
        elif self.weights is not None:
            module, origin = with_weights(build, classes, read_weights(self.weights), self._title)
        else:
            try:
                module = build(classes, published=True)
            except OSError as error:
                raise weights_unavailable(self._title, error) from error
            origin = "the encoder's published weights, the decoder from scratch"
        mean, std = encoder_normalisation(self.encoder)
        return Trainable(module, self.task, chosen, mean, std, f"{self._title}, {origin}")

    @staticmethod
    def choices() -> Sequence[str]:
        """Return the architectures; most of them accept any encoder."""
        return tuple(f"{architecture}-…" for architecture in ARCHITECTURES)
