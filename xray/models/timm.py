"""Classifiers of timm (PyTorch Image Models)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from xray.core.errors import ConfigError, XrayError
from xray.core.plugins import settings
from xray.models.base import IMAGENET_MEAN, IMAGENET_STD, Classifier, Pixels, Trainable, unknown_architecture
from xray.models.head import check_classes, resolve_side, with_weights
from xray.models.loaded import LoadedNetwork, Preprocessing, load_on
from xray.models.weights.checkpoint import check_exists, load_strictly, read_weights, weights_unavailable

if TYPE_CHECKING:
    import torch

_UNAVAILABLE = (OSError, RuntimeError, ValueError, KeyError)


def timm_preprocessing(module: torch.nn.Module) -> Preprocessing:
    """Return the evaluation transform of a timm model: resize the shorter side to size / crop, crop the centre."""
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
        weights: path or URI of a checkpoint that replaces timm's own; the preprocessing stays the architecture's.
    """

    name: ClassVar[str] = "timm"
    summary: ClassVar[str] = (
        "PyTorch Image Models: timm:resnet50, timm:resnet50.a1_in1k, timm:resnet50@file.safetensors"
    )

    architecture: str
    weights: str | None = None

    @classmethod
    def parse(cls, rest: str) -> Self:
        """Parse `architecture` or `architecture@weights`."""
        if rest.startswith("local-dir:"):
            return cls(architecture=rest)
        architecture, _, weights = rest.partition("@")
        return cls(architecture=architecture, weights=weights or None)

    @property
    def _title(self) -> str:
        return f"timm:{self.architecture}"

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

    def load(self, device: str) -> LoadedNetwork:
        """See `Classifier.load`."""
        import timm

        self.check()
        if self.weights is None:
            try:
                module = timm.create_model(self.architecture, pretrained=True)
            except _UNAVAILABLE as error:
                raise weights_unavailable(self._title, error) from error
        else:
            module = timm.create_model(self.architecture, pretrained=False)
            load_strictly(module, read_weights(self.weights), self._title)
        classes = getattr(module, "num_classes", None)
        if not isinstance(classes, int):
            raise ConfigError(f"{self._title} is not a classifier")
        return load_on(device, module, timm_preprocessing(module), self._title, classes)

    def _config(self) -> dict[str, Any]:
        """Return timm's configuration of the architecture: input_size, fixed_input_size, mean, std."""
        import timm

        self.check()
        try:
            if self.architecture.startswith("local-dir:"):
                folder = Path(self.architecture.removeprefix("local-dir:"))
                return dict(json.loads((folder / "config.json").read_bytes())["pretrained_cfg"])
            if ":" in self.architecture:
                config, _, _ = timm.models.load_model_config_from_hf(self.architecture.partition(":")[2])
                return dict(config)
        except _UNAVAILABLE as error:
            raise weights_unavailable(self._title, error) from error
        published = timm.models.get_pretrained_cfg(self.architecture)
        return published.to_dict() if published is not None else {}  # type: ignore[no-untyped-call]

    def side(self, requested: int | None = None) -> int:
        """See `Classifier.side`; multiples of the patch for ViTs, of 32 for Swin, any for convolutions."""
        config = self._config()
        multiple: int | None = 1
        if config.get("fixed_input_size"):
            patch = re.match(r"(?:vit|deit3?|beit|flexivit)_.*patch(\d+)", self.architecture)
            multiple = int(patch[1]) if patch else 32 if self.architecture.startswith("swin_") else None
        return resolve_side(self._title, config.get("input_size", (3, 224, 224))[-1], requested, multiple)

    def _build(self, classes: int | None, side: int | None, pretrained: bool = False) -> torch.nn.Module:
        """Build the module for a number of classes (None: as published), and for a side if one is given."""
        import timm

        options: dict[str, Any] = {"num_classes": classes, "img_size": side}  # timm drops what is None
        return timm.create_model(self.architecture, pretrained=pretrained, **options)

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """See `Classifier.trainable`."""
        check_classes(classes, self._title)
        config, side = self._config(), self.side(side)
        # Many networks do not take their side as an argument, so it is passed only where it must be.
        argument = side if config.get("fixed_input_size") and side != self.side() else None
        if not pretrained:
            module, origin = self._build(classes, argument), "from scratch"
        else:
            module, origin = self._pretrained(classes, argument)
        mean, std = config.get("mean", IMAGENET_MEAN), config.get("std", IMAGENET_STD)
        return Trainable(module, self.task, side, tuple(mean), tuple(std), f"{self._title}, {origin}")

    def _pretrained(self, classes: int, side: int | None) -> tuple[torch.nn.Module, str]:
        def build(count: int) -> torch.nn.Module:
            return self._build(count, side)

        if self.weights is None:
            try:
                weights = self._build(None, side, pretrained=True).state_dict()
            except _UNAVAILABLE as error:
                raise weights_unavailable(self._title, error) from error
            return with_weights(build, classes, weights, self._title)
        weights = read_weights(self.weights)
        try:
            return with_weights(build, classes, weights, self._title)
        except XrayError:
            if side is None:
                raise
            # The file may be for the architecture's own side: then its position embeddings are interpolated.
            module, origin = with_weights(lambda count: self._build(count, None), classes, weights, self._title)
            resizable: Any = module
            resizable.set_input_size(img_size=(side, side))
            return module, f"{origin}; positions interpolated to {side} pixels"

    @staticmethod
    def choices() -> Sequence[str]:
        """Return the architectures that timm has weights for."""
        import timm

        return timm.list_models(pretrained=True)
