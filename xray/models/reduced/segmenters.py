"""Small segmenters: narrow decoders of segmentation-models-pytorch on small encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xray.models.smp_network import build_segmenter

if TYPE_CHECKING:
    import torch

# ResNet50's bottlenecks, one per stage and a quarter as wide.
_RESNET = ("tu-resnet50", {"layers": (1, 1, 1, 1), "channels": (16, 32, 64, 128), "stem_width": 32})
# Six blocks of 64 channels, on patches of 8 pixels.
_VIT = ("tu-test_vit", {"patch_size": 8})

SEGMENTERS: dict[str, tuple[tuple[str, dict[str, Any]], dict[str, Any]]] = {
    "deeplabv3plus": (_RESNET, {"decoder_channels": 32}),
    "dpt": (_VIT, {"decoder_intermediate_channels": (32, 32, 64, 64), "decoder_fusion_channels": 32}),
    "fpn": (_RESNET, {"decoder_pyramid_channels": 64, "decoder_segmentation_channels": 32}),
    "pspnet": (_RESNET, {"psp_out_channels": 64}),
    "segformer": (("mit_b0", {}), {"decoder_segmentation_channels": 64}),
    "unet": (_RESNET, {"decoder_channels": (48, 32, 16, 8, 8)}),
    "upernet": (_RESNET, {"decoder_channels": 32}),
}
"""By architecture: the encoder with its settings, and the settings of the decoder."""


def build_reduced_segmenter(architecture: str, classes: int, side: int) -> torch.nn.Module:
    """Build a segmenter of `SEGMENTERS` with random weights."""
    (encoder, narrow), decoder = SEGMENTERS[architecture]
    return build_segmenter(architecture, encoder, classes, side, **narrow, **decoder)
