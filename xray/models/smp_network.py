"""Networks of segmentation-models-pytorch, built for so many classes and one side."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from xray.core.errors import XrayError, extra
from xray.models.base import IMAGENET_MEAN, IMAGENET_STD, Colour, unknown_architecture

if TYPE_CHECKING:
    import torch

ARCHITECTURES = (
    "deeplabv3",
    "deeplabv3plus",
    "dpt",
    "fpn",
    "linknet",
    "manet",
    "pan",
    "pspnet",
    "segformer",
    "unet",
    "unetplusplus",
    "upernet",
)
"""The library's, as it spells them for its `create_model`."""

_VIT = re.compile(r"tu-(?:(?:test_)?vit|deit3?|beit(?:v2)?|flexivit)(?:_|$)")

# What the libraries raise when an encoder does not fit a decoder; each has its own ways.
_UNBUILDABLE = (AssertionError, AttributeError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError)


def check_encoder(architecture: str, encoder: str) -> None:
    """Refuse an encoder that there is not, or that cannot go with the architecture.

    Args:
        architecture: one of `ARCHITECTURES`.
        encoder: of the library, such as `resnet50`, or `tu-` and the name of a timm model.

    Raises:
        XrayError: it cannot be; or the library is not installed.
    """
    with extra("train"):
        import segmentation_models_pytorch as smp
        import timm

    model = f"smp:{architecture}-{encoder}"
    if encoder.startswith("tu-"):
        name = encoder.removeprefix("tu-")
        base, _, tag = name.partition(".")
        if not timm.is_model(base):
            raise unknown_architecture("smp encoder of timm's,", name, timm.list_models())
        if tag and name not in (tagged := timm.list_pretrained(f"{base}.*")):
            raise unknown_architecture("smp encoder of timm's,", name, tagged)
    elif encoder not in smp.encoders.encoders:
        raise unknown_architecture(f"encoder of {model!r}: smp", encoder, list(smp.encoders.encoders))
    if _VIT.match(encoder):
        if architecture not in ("dpt", "upernet"):
            raise XrayError(f"{model} cannot be built: only dpt and upernet go with a vision transformer of one scale")
    elif architecture == "dpt":
        raise XrayError(f"{model} cannot be built: dpt needs a vision transformer, such as tu-vit_base_patch16_224")


def encoder_normalisation(encoder: str) -> tuple[Colour, Colour]:
    """Mean and standard deviation that an encoder's published weights want: timm's own, otherwise ImageNet's."""
    import timm

    config = timm.models.get_pretrained_cfg(encoder.removeprefix("tu-")) if encoder.startswith("tu-") else None
    if config is None:
        return IMAGENET_MEAN, IMAGENET_STD
    mean: Any = tuple(config.mean)
    std: Any = tuple(config.std)
    return mean, std


def build_segmenter(
    architecture: str, encoder: str, classes: int, side: int, weights: bool = False, **options: Any
) -> torch.nn.Module:
    """A network from (N, 3, side, side) to logits (N, classes, side, side).

    Args:
        architecture: one of `ARCHITECTURES`.
        encoder: see `check_encoder`.
        classes: number of outputs a pixel.
        side: of the input in pixels.
        weights: the encoder with its published weights; the decoder is always new.
        options: of the architecture's class, and of timm's where the encoder is timm's.

    Raises:
        XrayError: the encoder does not fit the architecture.
        OSError: the weights cannot be downloaded.
    """
    check_encoder(architecture, encoder)
    import segmentation_models_pytorch as smp

    timms, vit = encoder.startswith("tu-"), _VIT.match(encoder) is not None
    published = ("imagenet" if not timms else True) if weights else None
    if vit or (timms and _fixed(encoder)):
        options["img_size"] = side
    if vit:
        options["num_classes"] = 0
    if architecture == "pspnet":
        # The paper's: all five stages, the last two dilated. The library's default stops after the third.
        options = {"encoder_depth": 5, "output_stride": 8, **options}
    try:
        if vit and architecture == "upernet":
            from segmentation_models_pytorch.encoders.timm_vit import TimmViTEncoder

            from xray.models.parts.vit_upernet import ViTUPerNet

            decoder = {name: options.pop(name) for name in ("decoder_channels",) if name in options}
            backbone = TimmViTEncoder(encoder.removeprefix("tu-"), pretrained=weights, **options)
            module: Any = ViTUPerNet(backbone, classes, **decoder)
            _prune(backbone)
        else:
            module = smp.create_model(architecture, encoder, encoder_weights=published, classes=classes, **options)
            if vit:
                _prune(module.encoder)
    except OSError:  # its weights are not to be had: some of huggingface_hub's are ValueErrors as well
        raise
    except _UNBUILDABLE as error:
        first_line = str(error).partition("\n")[0]
        raise XrayError(f"smp:{architecture}-{encoder} cannot be built: {first_line}") from error
    return module  # type: ignore[no-any-return]


def _prune(encoder: Any) -> None:
    """Drop what follows the last block: no map goes through it, and it would wait for gradients in vain."""
    encoder.model.prune_intermediate_layers(encoder._output_indices, prune_norm=True, prune_head=True)


def _fixed(encoder: str) -> bool:
    import timm

    config = timm.models.get_pretrained_cfg(encoder.removeprefix("tu-"))
    return bool(config and config.fixed_input_size)
