"""Networks of segmentation-models-pytorch, built for a number of classes and a side."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from xray.core.errors import ConfigError, extra
from xray.models.base import IMAGENET_MEAN, IMAGENET_STD, Colour, unknown_architecture
from xray.models.timm import check_architecture, check_weights
from xray.models.weights.availability import cached_folder, check_hub

if TYPE_CHECKING:
    import torch

ARCHITECTURES = (
    "deeplabv3", "deeplabv3plus", "dpt", "fpn", "linknet", "manet", "pan", "pspnet", "segformer", "unet",
    "unetplusplus", "upernet",
)  # fmt: skip
"""The library's, as its `create_model` spells them."""

_VIT = re.compile(r"tu-(?:(?:test_)?vit|deit3?|beit(?:v2)?|flexivit)(?:_|$)")

# What the libraries raise when an encoder does not fit a decoder.
_INCOMPATIBLE = (AssertionError, AttributeError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError)


def check_encoder(architecture: str, encoder: str) -> None:
    """Refuse an encoder that does not exist or does not fit the architecture; `tu-` begins those of timm."""
    with extra("train"):
        import segmentation_models_pytorch as smp

    model = f"smp:{architecture}-{encoder}"
    if encoder.startswith("tu-"):
        check_architecture("smp encoder of timm's,", encoder.removeprefix("tu-"))
    elif encoder not in smp.encoders.encoders:
        raise unknown_architecture(f"encoder of {model!r}: smp", encoder, list(smp.encoders.encoders))
    if _VIT.match(encoder):
        if architecture not in ("dpt", "upernet"):
            raise ConfigError(f"{model} cannot be built: only dpt and upernet accept a vision transformer of one scale")
    elif architecture == "dpt":
        raise ConfigError(f"{model} cannot be built: dpt needs a vision transformer, such as tu-vit_base_patch16_224")


def check_encoder_weights(encoder: str, title: str) -> None:
    """Refuse an encoder, see `check_encoder`, whose published weights cannot be had here.

    Raises:
        ConfigError: says why.
    """
    import segmentation_models_pytorch as smp

    if encoder.startswith("tu-"):
        check_weights(encoder.removeprefix("tu-"), title)
        return
    published = smp.encoders.encoders[encoder]["pretrained_settings"].get("imagenet")
    if published is None:
        raise ConfigError(f"{title} has no published weights of ImageNet: it is only trained from scratch")
    if cached_folder(published["repo_id"], published["revision"]) is None:
        check_hub(published["repo_id"], published["revision"], title)


def encoder_normalisation(encoder: str) -> tuple[Colour, Colour]:
    """Return mean and standard deviation for an encoder's published weights: timm's for its models, else ImageNet's."""
    config = _timm_config(encoder)
    if config is None:
        return IMAGENET_MEAN, IMAGENET_STD
    mean: Any = tuple(config.mean)
    std: Any = tuple(config.std)
    return mean, std


def build_segmenter(
    architecture: str, encoder: str, classes: int, side: int, weights: bool = False, **options: Any
) -> torch.nn.Module:
    """Build a network from (N, 3, side, side) to logits (N, classes, side, side).

    Args:
        architecture: one of `ARCHITECTURES`.
        encoder: see `check_encoder`.
        classes: number of outputs per pixel.
        side: of the input in pixels.
        weights: load the encoder's published weights; the decoder is always new.
        options: of the architecture's class, and of timm's for an encoder from timm.

    Raises:
        ConfigError: the encoder does not fit the architecture.
        OSError: the weights cannot be downloaded.
    """
    check_encoder(architecture, encoder)
    import segmentation_models_pytorch as smp

    vit, config = _VIT.match(encoder) is not None, _timm_config(encoder)
    if vit or (config and config.fixed_input_size):
        options["img_size"] = side
    if vit:
        options["num_classes"] = 0
    if architecture == "pspnet":
        # As in the paper: all five stages, the last two dilated. The library's default stops after the third.
        options = {"encoder_depth": 5, "output_stride": 8, **options}
    try:
        if vit and architecture == "upernet":
            return _build_vit_upernet(encoder, classes, weights, options)
        published = (True if encoder.startswith("tu-") else "imagenet") if weights else None
        module: Any = smp.create_model(architecture, encoder, encoder_weights=published, classes=classes, **options)
        if vit:
            _prune(module.encoder)
    except OSError:  # unavailable weights: some errors of huggingface_hub are ValueErrors as well
        raise
    except _INCOMPATIBLE as error:
        first_line = str(error).partition("\n")[0]
        raise ConfigError(f"smp:{architecture}-{encoder} cannot be built: {first_line}") from error
    return module  # type: ignore[no-any-return]


def _build_vit_upernet(encoder: str, classes: int, weights: bool, options: dict[str, Any]) -> torch.nn.Module:
    from segmentation_models_pytorch.encoders.timm_vit import TimmViTEncoder

    from xray.models.parts.vit_upernet import ViTUPerNet

    decoder = {name: options.pop(name) for name in ("decoder_channels",) if name in options}
    backbone = TimmViTEncoder(encoder.removeprefix("tu-"), pretrained=weights, **options)
    module = ViTUPerNet(backbone, classes, **decoder)
    _prune(backbone)
    return module


def _prune(encoder: Any) -> None:
    """Drop the layers after the last block that is used: they would never get gradients."""
    encoder.model.prune_intermediate_layers(encoder._output_indices, prune_norm=True, prune_head=True)


def _timm_config(encoder: str) -> Any:
    """Return timm's configuration of an encoder; None for the library's own, and where timm has none."""
    import timm

    return timm.models.get_pretrained_cfg(encoder.removeprefix("tu-")) if encoder.startswith("tu-") else None
