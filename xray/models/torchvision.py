"""Classifiers of torchvision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from xray.errors import unknown
from xray.models.base import CLASSES, Classifier, Pixels, unknown_architecture
from xray.models.checkpoint import check_exists, load_strictly, not_to_be_had, read_weights
from xray.models.network import Network, Preprocessing, place
from xray.plugins import settings

if TYPE_CHECKING:
    import torch


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

    def load(self, device: str) -> Network:
        """See `Classifier.load`."""
        from torchvision import models

        published = self._published()
        module = models.get_model(self.architecture, weights=None)
        what = f"torchvision:{self.architecture}"
        if self.weights is None:
            try:
                state = published.get_state_dict(progress=False, check_hash=True, weights_only=True)
            except (OSError, RuntimeError) as error:  # no connection; or the file does not have its hash
                raise not_to_be_had(what, error) from error
        else:
            state = read_weights(self.weights)
        load_strictly(module, state, what)
        return place(module, _preprocessing(published.transforms()), device, what, CLASSES)

    @staticmethod
    def choices() -> Sequence[str]:
        """The classification models."""
        from torchvision import models

        return models.list_models(module=models)  # type: ignore[no-any-return]
