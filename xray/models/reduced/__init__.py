"""Small members of the papers' families, for CPUs and tests: 64 pixels, always trained from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from xray.core.errors import ConfigError, unknown
from xray.core.plugins import settings
from xray.models.base import IMAGENET_MEAN, IMAGENET_STD, Classifier, Loaded, Task, Trainable
from xray.models.head import check_classes, resolve_side
from xray.models.reduced.classifiers import CLASSIFIERS
from xray.models.reduced.segmenters import SEGMENTERS, build_reduced_segmenter

if TYPE_CHECKING:
    import torch

SIDE = 64
"""Default side of the input in pixels."""


@settings
class Reduced(Classifier):
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

    def load(self, device: str) -> Loaded:
        """Refuse: there are no weights."""
        raise ConfigError(f"reduced:{self.architecture} has no weights: it is trained, not loaded")

    def side(self, requested: int | None = None) -> int:
        """See `Classifier.side`; multiples of 32, for ViT of its patch of 8."""
        multiple = 8 if self.architecture == "vit" else 32
        return resolve_side(f"reduced:{self.architecture}", SIDE, requested, multiple)

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """See `Classifier.trainable`; only from scratch."""
        title, chosen = f"reduced:{self.architecture}", self.side(side)
        check_classes(classes, title)
        if pretrained:
            raise ConfigError(f"{title} has no pretrained weights: it is only trained from scratch")
        module = self._build(classes, chosen)
        return Trainable(module, self.task, chosen, IMAGENET_MEAN, IMAGENET_STD, f"{title}, from scratch")

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

    def load(self, device: str) -> Loaded:
        """Refuse: there are no weights."""
        raise ConfigError(f"reduced:{self.architecture} is a segmenter: segmenters are trained, not loaded")

    def _build(self, classes: int, side: int) -> torch.nn.Module:
        return build_reduced_segmenter(self.architecture, classes, side)
