"""Classifiers of timm (PyTorch Image Models)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from xray.core.errors import MALFORMED, ConfigError, XrayError
from xray.core.plugins import settings
from xray.models.base import CLASSES, IMAGENET_MEAN, IMAGENET_STD, Colour, Labels, check_classes, unknown_architecture
from xray.models.family import Family
from xray.models.head import MIN_SIDE
from xray.models.loaded import Preprocessing
from xray.models.output_labels import own_labels
from xray.models.weights.availability import cached_folder, check_hub, read_config
from xray.models.weights.checkpoint import Weights, load_strictly, read_weights, weights_unavailable

if TYPE_CHECKING:
    import torch


def timm_preprocessing(module: torch.nn.Module) -> Preprocessing:
    """Return the evaluation transform of a timm model: resize the shorter side to size / crop, crop the centre."""
    from timm.data.config import resolve_model_data_config
    from timm.data.transforms_factory import create_transform

    config = resolve_model_data_config(module)  # type: ignore[no-untyped-call]
    _, height, width = config["input_size"]
    text = (
        f"{width}×{height}, {config['crop_mode']} crop {config['crop_pct']:g}, {config['interpolation']}, "
        f"mean {tuple(config['mean'])}, std {tuple(config['std'])}"
    )
    transform = create_transform(**config, is_training=False)
    return Preprocessing.of_pil(transform, text, ("timm", repr(sorted(config.items()))))


def check_architecture(family: str, architecture: str) -> None:
    """Refuse an architecture, or a tag of its weights, that timm does not have.

    Raises:
        ConfigError: names the nearest ones.
    """
    import timm

    base, _, tag = architecture.partition(".")
    if not timm.is_model(base):
        raise unknown_architecture(family, base, timm.list_models())
    if tag and architecture not in (tagged := timm.list_pretrained(f"{base}.*")):
        raise unknown_architecture(family, architecture, tagged)


def check_weights(architecture: str, title: str) -> None:
    """Refuse an architecture of timm whose published weights cannot be had here.

    Raises:
        ConfigError: says why.
    """
    kind, _, rest = architecture.partition(":")
    if kind == "local-dir":
        read_config(Path(rest), title)
        return
    published = {"hf_hub_id": rest} if rest else _config(architecture)
    if repo := published.get("hf_hub_id"):
        if cached_folder(repo, None) is None:
            check_hub(repo, None, title)
    elif not published.get("url"):
        raise ConfigError(f"{title} has no published weights: it is only trained from scratch")


def _config(architecture: str) -> dict[str, Any]:
    """Return timm's configuration of an architecture: input_size, fixed_input_size, mean, std."""
    import timm

    try:
        if architecture.startswith("local-dir:"):
            folder = Path(architecture.removeprefix("local-dir:"))
            return dict(json.loads((folder / "config.json").read_bytes())["pretrained_cfg"])
        if ":" in architecture:
            config, _, _ = timm.models.load_model_config_from_hf(architecture.partition(":")[2])
            return dict(config)
    except MALFORMED as error:
        raise weights_unavailable(f"timm:{architecture}", error) from error
    published = timm.models.get_pretrained_cfg(architecture)
    return published.to_dict() if published is not None else {}  # type: ignore[no-untyped-call]


def _local_labels(folder: Path, title: str) -> Labels | None:
    """Return the labels in a folder that timm saved, if its classes are not ImageNet-1k's."""
    config = read_config(folder, title)
    names = config.get("label_names")
    if config.get("num_classes") == CLASSES or not names:
        check_classes(config.get("num_classes"), title)
        return None
    return own_labels(dict(enumerate(map(str, names))), title)


@settings
class Timm(Family):
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

    def check(self) -> None:
        """See `Classifier.check`."""
        super().check()
        if ":" not in self.architecture:
            check_architecture("timm", self.architecture)

    def _labels(self, module: Any) -> Labels | None:
        kind, _, rest = self.architecture.partition(":")
        return _local_labels(Path(rest), self.title) if kind == "local-dir" else None

    def _check_published(self) -> Labels | None:
        kind, _, rest = self.architecture.partition(":")
        if kind == "local-dir":
            return _local_labels(Path(rest), self.title)
        if not rest:
            check_classes(_config(self.architecture).get("num_classes"), self.title)
        return super()._check_published()

    def _check_available(self) -> None:
        check_weights(self.architecture, self.title)

    def _published(self) -> tuple[torch.nn.Module, Preprocessing, int]:
        self.check()
        if self.weights is None:
            module = self._create(pretrained=True)
        else:
            module = self._create()
            load_strictly(module, read_weights(self.weights), self.title)
        classes = getattr(module, "num_classes", None)
        if not isinstance(classes, int):
            raise ConfigError(f"{self.title} is not a classifier")
        return module, timm_preprocessing(module), classes

    def _create(self, pretrained: bool = False, **options: Any) -> torch.nn.Module:
        import timm

        if not pretrained:
            return timm.create_model(self.architecture, **options)
        try:
            return timm.create_model(self.architecture, pretrained=True, **options)
        except MALFORMED as error:
            raise weights_unavailable(self.title, error) from error

    def _sides(self) -> tuple[int, int | None, int]:
        """Multiples of the patch for ViTs, of 32 for Swin, any for convolutions."""
        self.check()
        config = _config(self.architecture)
        multiple: int | None = 1
        if config.get("fixed_input_size"):
            patch = re.match(r"(?:vit|deit3?|beit|flexivit)_.*patch(\d+)", self.architecture)
            multiple = int(patch[1]) if patch else 32 if self.architecture.startswith("swin_") else None
        return config.get("input_size", (3, 224, 224))[-1], multiple, MIN_SIDE

    def _resized(self, side: int) -> int | None:
        """Return timm's argument for a side; many networks accept none, so it is passed only where it must be."""
        return side if _config(self.architecture).get("fixed_input_size") and side != self.side() else None

    def _build(self, classes: int, side: int) -> torch.nn.Module:
        return self._create(num_classes=classes, img_size=self._resized(side))  # timm drops what is None

    def _published_weights(self, side: int) -> Weights:
        return self._create(pretrained=True, img_size=self._resized(side)).state_dict()

    def _pretrained(self, classes: int, side: int) -> tuple[torch.nn.Module, str]:
        try:
            return super()._pretrained(classes, side)
        except XrayError:
            if self.weights is None or self._resized(side) is None:
                raise
        # The file may be for the architecture's own side: then its position embeddings are interpolated.
        module, origin = super()._pretrained(classes, self.side())
        resizable: Any = module
        resizable.set_input_size(img_size=(side, side))
        return module, f"{origin}; positions interpolated to {side} pixels"

    def _normalisation(self, pretrained: bool) -> tuple[Colour, Colour]:
        config = _config(self.architecture)
        return tuple(config.get("mean", IMAGENET_MEAN)), tuple(config.get("std", IMAGENET_STD))

    @staticmethod
    def choices() -> Sequence[str]:
        """Return the architectures that timm has weights for."""
        import timm

        return timm.list_models(pretrained=True)
