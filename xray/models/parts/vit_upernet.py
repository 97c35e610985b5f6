"""UPerNet on a plain vision transformer."""

from __future__ import annotations

import math
from typing import Any

import torch
from segmentation_models_pytorch.base import SegmentationHead, SegmentationModel
from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder
from segmentation_models_pytorch.encoders.timm_vit import TimmViTEncoder
from torch import nn


def _rescale(channels: int, stride: int, target: int) -> nn.Module:
    """Build layers from one token every `stride` pixels to one every `target`: transposed convolutions or a pool."""
    if target >= stride:
        return nn.MaxPool2d(target // stride) if target > stride else nn.Identity()
    layers: list[nn.Module] = []
    for step in range(int(math.log2(stride // target))):
        layers += [nn.BatchNorm2d(channels), nn.GELU()] if step else []
        layers.append(nn.ConvTranspose2d(channels, channels, kernel_size=2, stride=2))
    return nn.Sequential(*layers)


class ViTPyramid(nn.Module):
    """A feature pyramid from four evenly spaced blocks of a ViT: maps at 1/4, 1/8, 1/16 and 1/32 of the image.

    BEiT's authors put UPerNet, which needs a pyramid, on a transformer of one scale in this way.

    Args:
        vit: outputs the maps of four blocks; its stride is a power of 2.

    Reference: Bao et al., "BEiT: BERT Pre-Training of Image Transformers", ICLR 2022.
    """

    output_stride = 32

    def __init__(self, vit: TimmViTEncoder) -> None:
        super().__init__()
        strides = vit.output_strides
        if len(strides) != 4 or any(stride & (stride - 1) for stride in strides):
            raise ValueError(f"the encoder's strides are {strides}, not four powers of 2")
        self.vit = vit
        self.out_channels = [3, 0, *vit.out_channels]
        self.rescale = nn.ModuleList(
            _rescale(channels, stride, target)
            for channels, stride, target in zip(vit.out_channels, strides, (4, 8, 16, 32), strict=True)
        )

    def forward(self, images_NCHW: torch.Tensor) -> list[torch.Tensor]:
        """Return six maps, at 1, 1/2, …, 1/32 of the image; the second is empty because UPerNet starts at 1/4."""
        maps, _ = self.vit(images_NCHW)
        count, _, height, width = images_NCHW.shape
        empty = images_NCHW.new_empty(count, 0, height // 2, width // 2)
        return [images_NCHW, empty, *(layer(each) for layer, each in zip(self.rescale, maps, strict=True))]


class ViTUPerNet(SegmentationModel):  # type: ignore[misc]
    """UPerNet: the library's decoder and head on a `ViTPyramid`.

    Args:
        vit: see `ViTPyramid`.
        classes: number of outputs per pixel.
        decoder_channels: width of the decoder.
    """

    def __init__(self, vit: TimmViTEncoder, classes: int, decoder_channels: int = 256) -> None:
        super().__init__()
        self.encoder: Any = ViTPyramid(vit)
        self.decoder = UPerNetDecoder(self.encoder.out_channels, decoder_channels=decoder_channels)
        self.segmentation_head = SegmentationHead(decoder_channels, classes, kernel_size=1, upsampling=4)
        self.classification_head = None
        self.initialize()
