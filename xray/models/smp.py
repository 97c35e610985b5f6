"""Segmenters of segmentation-models-pytorch, to be trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from xray.core.errors import ConfigError, unknown
from xray.core.plugins import settings
from xray.models.base import Colour, Task
from xray.models.family import Family
from xray.models.head import MIN_SIDE
from xray.models.smp_network import (
    ARCHITECTURES,
    build_segmenter,
    check_encoder,
    check_encoder_weights,
    encoder_normalisation,
)
from xray.models.weights.checkpoint import weights_unavailable

if TYPE_CHECKING:
    import torch

SIDE = 224
"""Default side of the input in pixels; the papers trained at it."""


@settings
class Smp(Family):
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
    def title(self) -> str:
        """See `Family.title`."""
        return f"smp:{self.architecture}-{self.encoder}"

    def check(self) -> None:
        """See `Classifier.check`."""
        check_encoder(self.architecture, self.encoder)
        super().check()

    def _check_available(self) -> None:
        check_encoder_weights(self.encoder, self.title)

    def _sides(self) -> tuple[int, int | None, int]:
        self.check()
        return SIDE, 32, MIN_SIDE

    def _build(self, classes: int, side: int, published: bool = False) -> torch.nn.Module:
        return build_segmenter(self.architecture, self.encoder, classes, side, published)

    def _pretrained(self, classes: int, side: int) -> tuple[torch.nn.Module, str]:
        """Published weights are the encoder's only; a file holds the whole network."""
        if self.weights is not None:
            return super()._pretrained(classes, side)
        try:
            module = self._build(classes, side, published=True)
        except OSError as error:
            raise weights_unavailable(self.title, error) from error
        return module, "the encoder's published weights, the decoder from scratch"

    def _normalisation(self, pretrained: bool) -> tuple[Colour, Colour]:
        return encoder_normalisation(self.encoder)

    @staticmethod
    def choices() -> Sequence[str]:
        """Return the architectures; most of them accept any encoder."""
        return tuple(f"{architecture}-…" for architecture in ARCHITECTURES)
