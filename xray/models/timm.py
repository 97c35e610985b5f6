"""Classifiers of timm (PyTorch Image Models)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from xray.core.errors import XrayError
from xray.core.plugins import settings
from xray.models.base import IMAGENET_MEAN, IMAGENET_STD, Classifier, Pixels, Trainable, unknown_architecture
from xray.models.classifier import Network, Preprocessing, place
from xray.models.head import accepted_side, check_classes, with_weights
from xray.models.weights.checkpoint import check_exists, load_strictly, not_to_be_had, read_weights

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

    def _config(self) -> dict[str, Any]:
        """What timm knows of the architecture: input_size, fixed_input_size, mean, std."""
        import timm

        self.check()
        try:
            if self.architecture.startswith("local-dir:"):
                folder = Path(self.architecture.removeprefix("local-dir:"))
                return dict(json.loads((folder / "config.json").read_bytes())["pretrained_cfg"])
            if ":" in self.architecture:
                config, _, _ = timm.models.load_model_config_from_hf(self.architecture.partition(":")[2])
                return dict(config)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise not_to_be_had(f"timm:{self.architecture}", error) from error
        known = timm.models.get_pretrained_cfg(self.architecture)
        return known.to_dict() if known is not None else {}  # type: ignore[no-untyped-call]

    def side(self, wanted: int | None = None) -> int:
        """See `Classifier.side`; vision transformers take multiples of their patch, Swin of 32, convolutions any."""
        config = self._config()
        multiple: int | None = 1
        if config.get("fixed_input_size"):
            patch = re.match(r"(?:vit|deit3?|beit|flexivit)_.*patch(\d+)", self.architecture)
            multiple = int(patch[1]) if patch else 32 if self.architecture.startswith("swin_") else None
        return accepted_side(f"timm:{self.architecture}", config.get("input_size", (3, 224, 224))[-1], wanted, multiple)

    def _build(self, classes: int | None, side: int | None, pretrained: bool = False) -> torch.nn.Module:
        """The module for so many classes (default: as published), its input fixed to a side where it must be."""
        import timm

        options: dict[str, Any] = {"num_classes": classes, "img_size": side}  # timm drops what is None
        return timm.create_model(self.architecture, pretrained=pretrained, **options)

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """See `Classifier.trainable`."""
        what = f"timm:{self.architecture}"
        check_classes(classes, what)
        config, chosen = self._config(), self.side(side)
        # By its own side no network needs to be told, and many do not take it as an argument.
        told = chosen if config.get("fixed_input_size") and chosen != self.side() else None
        if not pretrained:
            module, origin = self._build(classes, told), "from scratch"
        else:
            module, origin = self._pretrained(classes, told)
        mean, std = config.get("mean", IMAGENET_MEAN), config.get("std", IMAGENET_STD)
        return Trainable(module, self.task, chosen, tuple(mean), tuple(std), f"{what}, {origin}")

    def _pretrained(self, classes: int, told: int | None) -> tuple[torch.nn.Module, str]:
        what = f"timm:{self.architecture}"
        if self.weights is None:
            try:
                weights = self._build(None, told, pretrained=True).state_dict()
            except (OSError, RuntimeError, ValueError, KeyError) as error:
                raise not_to_be_had(what, error) from error
            return with_weights(lambda count: self._build(count, told), classes, weights, what)
        weights = read_weights(self.weights)
        try:
            return with_weights(lambda count: self._build(count, told), classes, weights, what)
        except XrayError:
            if told is None:
                raise
            # Of the architecture's own side, perhaps: its position embeddings are then interpolated.
            module, origin = with_weights(lambda count: self._build(count, None), classes, weights, what)
            resize: Any = module
            resize.set_input_size(img_size=(told, told))
            return module, f"{origin}; positions interpolated to {told} pixels"

    @staticmethod
    def choices() -> Sequence[str]:
        """Architectures that timm has weights for."""
        import timm

        return timm.list_models(pretrained=True)
