"""Classifiers of torchvision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from xray.core.errors import XrayError, unknown
from xray.core.plugins import settings
from xray.models.base import CLASSES, Classifier, Pixels, Trainable, unknown_architecture
from xray.models.classifier import Network, Preprocessing, place
from xray.models.head import accepted_side, check_classes, with_weights
from xray.models.weights.checkpoint import Weights, check_exists, load_strictly, not_to_be_had, read_weights

if TYPE_CHECKING:
    import torch

_WITH_AUXILIARIES = ("googlenet", "inception_v3")
"""Have auxiliary classifiers, and weights that were trained in TensorFlow on pixels from -1 to 1."""


def _renamed(state: Weights) -> Weights:
    """Published weights of DenseNet, whose file writes `norm.1` for what its modules call `norm1`.

    >>> _renamed({"features.denseblock1.denselayer2.conv.1.weight": 0})
    {'features.denseblock1.denselayer2.conv1.weight': 0}
    """
    return {
        re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(\d)", r"\1\2", name): tensor for name, tensor in state.items()
    }


def _positions(state: Weights, side: int, patch: int) -> Weights:
    """A vision transformer's weights with their position embeddings interpolated to a side in pixels."""
    from torchvision.models.vision_transformer import interpolate_embeddings

    try:
        return interpolate_embeddings(side, patch, dict(state))  # type: ignore[no-any-return]
    except (KeyError, ValueError, IndexError):
        return state  # not a vision transformer's: refused where all names are compared


def _preprocessing(transform: Any) -> Preprocessing:
    """The transform that belongs to some weights; its repr says all that it does."""
    from PIL import Image

    def apply(image_HWC: Pixels) -> torch.Tensor:
        return transform(Image.fromarray(image_HWC))  # type: ignore[no-any-return]

    interpolation = transform.interpolation.value
    text = (
        f"shorter side {transform.resize_size[0]}, centre crop {transform.crop_size[0]}, {interpolation}, "
        f"mean {tuple(transform.mean)}, std {tuple(transform.std)}"
    )
    return Preprocessing(apply, text, ("torchvision", repr(transform)))


@settings
class Torchvision(Classifier):
    """A classification model of torchvision.

    Args:
        architecture: such as `vgg16`.
        version: which of torchvision's weights, such as `IMAGENET1K_V1`; also says which preprocessing.
        weights: a checkpoint in place of torchvision's own, path or URI.
    """

    name: ClassVar[str] = "torchvision"
    summary: ClassVar[str] = "torchvision:vgg16, torchvision:resnet50.IMAGENET1K_V1, torchvision:vgg16@file.safetensors"

    architecture: str
    version: str = "DEFAULT"
    weights: str | None = None

    @classmethod
    def parse(cls, rest: str) -> Self:
        """`architecture`, `architecture.VERSION`, either with `@weights`."""
        model, _, weights = rest.partition("@")
        architecture, _, version = model.partition(".")
        return cls(architecture=architecture, version=version or "DEFAULT", weights=weights or None)

    def check(self) -> None:
        """See `Classifier.check`."""
        self._published()
        if self.weights is not None:
            check_exists(self.weights)

    def _published(self) -> Any:
        """The member of torchvision's enumeration of weights."""
        from torchvision import models

        names = self.choices()
        if self.architecture not in names:
            raise unknown_architecture("torchvision", self.architecture, names)
        versions = models.get_model_weights(self.architecture)
        if self.version not in versions.__members__:
            raise unknown(f"weights of torchvision:{self.architecture}", self.version, versions.__members__)
        return versions[self.version]

    def _weights(self, published: Any) -> Weights:
        if self.weights is not None:
            return read_weights(self.weights)
        try:
            state = published.get_state_dict(progress=False, check_hash=True, weights_only=True)
        except (OSError, RuntimeError) as error:  # no connection; or the file does not have its hash
            raise not_to_be_had(f"torchvision:{self.architecture}", error) from error
        return _renamed(state) if self.architecture.startswith("densenet") else state

    def load(self, device: str) -> Network:
        """See `Classifier.load`."""
        from torchvision import models

        published = self._published()
        # Weights that came from TensorFlow want other means: torchvision sets this when it loads them itself.
        ported = {"transform_input": True} if self.architecture in _WITH_AUXILIARIES else {}
        module = models.get_model(self.architecture, weights=None, **ported)
        what = f"torchvision:{self.architecture}"
        load_strictly(module, self._weights(published), what)
        return place(module, _preprocessing(published.transforms()), device, what, CLASSES)

    def side(self, wanted: int | None = None) -> int:
        """See `Classifier.side`; vision transformers take multiples of their patch, MaxViT 224, others any."""
        published = self._published()
        patch = re.fullmatch(r"vit_\w_(\d+)", self.architecture)
        multiple = int(patch[1]) if patch else None if self.architecture.startswith("maxvit") else 1
        what = f"torchvision:{self.architecture}"
        side = accepted_side(what, published.transforms().crop_size[0], wanted, multiple)
        if side < (least := max(published.meta["min_size"])) and patch is None:
            raise XrayError(f"{what} takes no side of {side} pixels: {least} or more")
        return side

    def _build(self, classes: int, side: int) -> torch.nn.Module:
        from torchvision import models

        options: dict[str, Any] = {"num_classes": classes}
        if self.architecture.startswith("vit_"):
            options["image_size"] = side
        if self.architecture in _WITH_AUXILIARIES:
            options |= {"aux_logits": False, "transform_input": False, "init_weights": True}
        return models.get_model(self.architecture, weights=None, **options)  # type: ignore[no-any-return]

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """See `Classifier.trainable`; without the auxiliary classifiers of GoogLeNet and Inception."""
        what = f"torchvision:{self.architecture}"
        check_classes(classes, what)
        published, chosen = self._published(), self.side(side)
        transform, origin = published.transforms(), "from scratch"
        mean, std = transform.mean, transform.std
        if not pretrained:
            module = self._build(classes, chosen)
        else:
            weights, dropped = self._weights(published), ""
            if self.architecture in _WITH_AUXILIARIES:
                auxiliary = {name for name in weights if name.lower().startswith("aux")}
                weights = {name: tensor for name, tensor in weights.items() if name not in auxiliary}
                dropped = f"; left out {', '.join(sorted(auxiliary))}" if auxiliary else ""
                mean = std = (0.5, 0.5, 0.5)  # what `transform_input` makes of ImageNet's
            if self.architecture.startswith("vit_"):
                weights = _positions(weights, chosen, int(self.architecture.rpartition("_")[2]))
            module, origin = with_weights(lambda count: self._build(count, chosen), classes, weights, what)
            origin += dropped
        return Trainable(module, self.task, chosen, tuple(mean), tuple(std), f"{what}, {origin}")

    @staticmethod
    def choices() -> Sequence[str]:
        """The classification models."""
        from torchvision import models

        return models.list_models(module=models)  # type: ignore[no-any-return]
