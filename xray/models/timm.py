"""Classifiers of timm (PyTorch Image Models)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from xray.errors import XrayError
from xray.models.base import Classifier, Pixels, unknown_architecture
from xray.models.checkpoint import check_exists, load_strictly, not_to_be_had, read_weights
from xray.models.network import Network, Preprocessing, place
from xray.plugins import settings

if TYPE_CHECKING:
    import torch


def timm_preprocessing(module: torch.nn.Module) -> Preprocessing:
    """The evaluation transform of a timm model: resize the shorter side to size / crop, cut out the centre."""
    from PIL import Image
    from timm.data.config import resolve_model_data_config
    from timm.data.transforms_factory import create_transform

    config = resolve_model_data_config(module)  # type: ignore[no-untyped-call]
    transform = create_transform(**config, is_training=False)

    def apply(image_HWC: Pixels) -> torch.Tensor:
        return transform(Image.fromarray(image_HWC))  # type: ignore[no-any-return]

    _, height, width = config["input_size"]
    text = (
        f"{width}×{height}, {config['crop_mode']} crop {config['crop_pct']:g}, {config['interpolation']}, "
        f"mean {tuple(config['mean'])}, std {tuple(config['std'])}"
    )
    return Preprocessing(apply, text, ("timm", repr(sorted(config.items()))))


@settings
class Timm(Classifier):
    """A model of timm.

    Args:
        architecture: `resnet50`, with a tag to pin the weights (`resnet50.a1_in1k`), `hf-hub:owner/model`, or
            `local-dir:/path` of a folder that timm saved.
        weights: a checkpoint in place of timm's own, path or URI; preprocessing stays that of the architecture.
    """

    name: ClassVar[str] = "timm"
    summary: ClassVar[str] = (
        "PyTorch Image Models: timm:resnet50, timm:resnet50.a1_in1k, timm:resnet50@file.safetensors"
    )

    architecture: str
    weights: str | None = None

    @classmethod
    def parse(cls, rest: str) -> Self:
        """`architecture` or `architecture@weights`."""
        if rest.startswith("local-dir:"):
            return cls(architecture=rest)
        architecture, _, weights = rest.partition("@")
        return cls(architecture=architecture, weights=weights or None)

    def check(self) -> None:
        """See `Classifier.check`."""
        import timm

        if self.weights is not None:
            check_exists(self.weights)
        if ":" in self.architecture:
            return
        base, _, tag = self.architecture.partition(".")
        if not timm.is_model(base):
            raise unknown_architecture("timm", base, timm.list_models())
        if tag and self.architecture not in (tagged := timm.list_pretrained(f"{base}.*")):
            raise unknown_architecture("timm", self.architecture, tagged)

    def load(self, device: str) -> Network:
        """See `Classifier.load`."""
        import timm

        self.check()
        if self.weights is None:
            try:
                module = timm.create_model(self.architecture, pretrained=True)
            except (OSError, RuntimeError, ValueError, KeyError) as error:
                raise not_to_be_had(f"timm:{self.architecture}", error) from error
        else:
            module = timm.create_model(self.architecture, pretrained=False)
            load_strictly(module, read_weights(self.weights), f"timm:{self.architecture}")
        classes = getattr(module, "num_classes", None)
        if not isinstance(classes, int):
            raise XrayError(f"timm:{self.architecture} is no classifier")
        return place(module, timm_preprocessing(module), device, f"timm:{self.architecture}", classes)

    @staticmethod
    def choices() -> Sequence[str]:
        """Architectures that timm has weights for."""
        import timm

        return timm.list_models(pretrained=True)
