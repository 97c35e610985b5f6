"""Small members of the papers' families, for CPUs and tests: 64 pixels, always trained from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from xray.core.errors import ConfigError, unknown
from xray.core.plugins import settings
from xray.models.base import Task
from xray.models.family import Family
from xray.models.head import MIN_SIDE
from xray.models.loaded import Preprocessing
from xray.models.reduced.classifiers import CLASSIFIERS
from xray.models.reduced.segmenters import SEGMENTERS, build_reduced_segmenter

if TYPE_CHECKING:
    import torch

SIDE = 64
"""Default side of the input in pixels."""


@settings
class Reduced(Family):
    """A small classifier of one of the papers' families.

    Args:
        architecture: such as `resnet`.
    """

    name: ClassVar[str] = "reduced"
    summary: ClassVar[str] = "small networks to train on a CPU: reduced:resnet, reduced:vit, …, reduced:fpn, …"

    architecture: str

    @classmethod
    def parse(cls, rest: str) -> Reduced:
        """Parse one of `choices`."""
        if rest in SEGMENTERS:
            return ReducedSegmenter(architecture=rest)
        if rest not in CLASSIFIERS:
            raise unknown("reduced model", rest, cls.choices())
        return cls(architecture=rest)

    def _sides(self) -> tuple[int, int | None, int]:
        """Multiples of 32, for ViT of its patch of 8."""
        return SIDE, 8 if self.architecture == "vit" else 32, MIN_SIDE

    def _check_available(self) -> None:
        self._published()

    def _published(self) -> tuple[torch.nn.Module, Preprocessing, int]:
        raise ConfigError(f"{self.title} has no published weights: it is only trained from scratch")

    def _build(self, classes: int, side: int) -> torch.nn.Module:
        return CLASSIFIERS[self.architecture](classes, side)

    @staticmethod
    def choices() -> Sequence[str]:
        """Return all architectures."""
        return (*CLASSIFIERS, *SEGMENTERS)


@settings
class ReducedSegmenter(Reduced):
    """A small segmenter of one of the papers' families.

    Args:
        architecture: such as `fpn`.
    """

    task: ClassVar[Task] = "segmentation"

    def _build(self, classes: int, side: int) -> torch.nn.Module:
        return build_reduced_segmenter(self.architecture, classes, side)
