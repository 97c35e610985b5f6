"""Classifiers of torchvision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from xray.core.errors import MALFORMED, unknown
from xray.core.plugins import settings
from xray.models.base import CLASSES, Colour, unknown_architecture
from xray.models.family import Family
from xray.models.head import MIN_SIDE, with_weights
from xray.models.loaded import Preprocessing
from xray.models.weights.availability import check_url
from xray.models.weights.checkpoint import Weights, load_strictly, read_weights, weights_unavailable

if TYPE_CHECKING:
    import torch

_WITH_AUXILIARIES = ("googlenet", "inception_v3")
"""Networks with auxiliary classifiers, whose weights were trained in TensorFlow on pixels from -1 to 1."""
_HALF: Colour = (0.5, 0.5, 0.5)


def _rename_densenet(state: Weights) -> Weights:
    """Return DenseNet's published weights under its modules' names: `norm1` for the file's `norm.1`.

    >>> _rename_densenet({"features.denseblock1.denselayer2.conv.1.weight": 0})
    {'features.denseblock1.denselayer2.conv1.weight': 0}
    """
    return {
        re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(\d)", r"\1\2", name): tensor for name, tensor in state.items()
    }


def _interpolate_positions(state: Weights, side: int, patch: int) -> Weights:
    """Return a vision transformer's weights with the position embeddings interpolated to a side in pixels."""
    from torchvision.models.vision_transformer import interpolate_embeddings

    try:
        return interpolate_embeddings(side, patch, dict(state))  # type: ignore[no-any-return]
    except (KeyError, ValueError, IndexError):
        return state  # of another architecture: refused when all names are compared


@settings
class Torchvision(Family):
    """A classification model of torchvision.

    Args:
        architecture: such as `vgg16`.
        version: of torchvision's weights, such as `IMAGENET1K_V1`; it also sets the preprocessing.
        weights: path or URI of a checkpoint that replaces torchvision's own.
    """

    name: ClassVar[str] = "torchvision"
    summary: ClassVar[str] = "torchvision:vgg16, torchvision:resnet50.IMAGENET1K_V1, torchvision:vgg16@file.safetensors"

    architecture: str
    version: str = "DEFAULT"
    weights: str | None = None

    @classmethod
    def parse(cls, rest: str) -> Self:
        """Parse `architecture` or `architecture.VERSION`, either with `@weights`."""
        model, _, weights = rest.partition("@")
        architecture, _, version = model.partition(".")
        return cls(architecture=architecture, version=version or "DEFAULT", weights=weights or None)

    def check(self) -> None:
        """See `Classifier.check`."""
        self._member()
        super().check()

    def _check_available(self) -> None:
        import torch

        url = self._member().url
        if not (Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]).exists():
            check_url(url, self.title)

    def _member(self) -> Any:
        """Return the member of torchvision's enumeration of weights."""
        from torchvision import models

        names = self.choices()
        if self.architecture not in names:
            raise unknown_architecture("torchvision", self.architecture, names)
        versions = models.get_model_weights(self.architecture)
        if self.version not in versions.__members__:
            raise unknown(f"weights of {self.title}", self.version, versions.__members__)
        return versions[self.version]

    def _weights(self) -> Weights:
        if self.weights is not None:
            return read_weights(self.weights)
        try:
            state = self._member().get_state_dict(progress=False, check_hash=True, weights_only=True)
        except MALFORMED as error:  # no connection, a wrong hash, or a damaged file in the cache
            raise weights_unavailable(self.title, error) from error
        return _rename_densenet(state) if self.architecture.startswith("densenet") else state

    def _published(self) -> tuple[torch.nn.Module, Preprocessing, int]:
        from torchvision import models

        transform = self._member().transforms()
        # torchvision sets this for weights from TensorFlow when it loads them itself.
        ported = {"transform_input": True} if self.architecture in _WITH_AUXILIARIES else {}
        module = models.get_model(self.architecture, weights=None, **ported)
        load_strictly(module, self._weights(), self.title)
        text = (
            f"shorter side {transform.resize_size[0]}, centre crop {transform.crop_size[0]}, "
            f"{transform.interpolation.value}, mean {tuple(transform.mean)}, std {tuple(transform.std)}"
        )
        return module, Preprocessing.of_pil(transform, text, ("torchvision", repr(transform))), CLASSES

    def _sides(self) -> tuple[int, int | None, int]:
        """Multiples of the patch for vision transformers, 224 for MaxViT, any that is large enough for others."""
        published = self._member()
        own = published.transforms().crop_size[0]
        if patch := re.fullmatch(r"vit_\w_(\d+)", self.architecture):
            return own, int(patch[1]), MIN_SIDE
        multiple = None if self.architecture.startswith("maxvit") else 1
        return own, multiple, max(MIN_SIDE, *published.meta["min_size"])

    def _build(self, classes: int, side: int) -> torch.nn.Module:
        """Build a network without the auxiliary classifiers of GoogLeNet and Inception."""
        from torchvision import models

        options: dict[str, Any] = {"num_classes": classes}
        if self.architecture.startswith("vit_"):
            options["image_size"] = side
        if self.architecture in _WITH_AUXILIARIES:
            options |= {"aux_logits": False, "transform_input": False, "init_weights": True}
        return models.get_model(self.architecture, weights=None, **options)  # type: ignore[no-any-return]

    def _pretrained(self, classes: int, side: int) -> tuple[torch.nn.Module, str]:
        weights, auxiliary = self._weights(), []
        if self.architecture in _WITH_AUXILIARIES:
            auxiliary = sorted(name for name in weights if name.lower().startswith("aux"))
            weights = {name: tensor for name, tensor in weights.items() if name not in auxiliary}
        if self.architecture.startswith("vit_"):
            weights = _interpolate_positions(weights, side, int(self.architecture.rpartition("_")[2]))
        module, origin = with_weights(lambda count: self._build(count, side), classes, weights, self.title)
        return module, origin + (f"; left out {', '.join(auxiliary)}" if auxiliary else "")

    def _normalisation(self, pretrained: bool) -> tuple[Colour, Colour]:
        if pretrained and self.architecture in _WITH_AUXILIARIES:
            return _HALF, _HALF  # the effect of `transform_input` on ImageNet's statistics
        transform = self._member().transforms()
        return tuple(transform.mean), tuple(transform.std)

    @staticmethod
    def choices() -> Sequence[str]:
        """Return the classification models."""
        from torchvision import models

        return models.list_models(module=models)  # type: ignore[no-any-return]
