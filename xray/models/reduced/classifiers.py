"""Small classifiers of the papers' families: functions (classes, side) -> module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xray.models.reduced.vgg import reduced_alexnet, reduced_vgg

if TYPE_CHECKING:
    import torch


def _resnet(classes: int, side: int) -> torch.nn.Module:
    """Build ResNet50's bottlenecks, one per stage and a quarter as wide."""
    from timm.models.resnet import Bottleneck, ResNet

    bottleneck: Any = Bottleneck  # ResNet's annotation asks for an instance
    return ResNet(bottleneck, layers=(1, 1, 1, 1), channels=(16, 32, 64, 128), stem_width=32, num_classes=classes)


def _mobilenetv2(classes: int, side: int) -> torch.nn.Module:
    from torchvision.models import MobileNetV2

    return MobileNetV2(num_classes=classes, width_mult=0.25)  # type: ignore[no-any-return]


def _mobilenetv3(classes: int, side: int) -> torch.nn.Module:
    """Build the blocks of MobileNetV3-Small, half as wide."""
    from torch.nn import BatchNorm2d
    from torchvision.models import MobileNetV3
    from torchvision.models.mobilenetv3 import InvertedResidualConfig

    rows = (
        # in, kernel, expanded, out, squeeze-excite, activation, stride
        (16, 3, 16, 16, True, "RE", 2),
        (16, 3, 72, 24, False, "RE", 2),
        (24, 5, 96, 40, True, "HS", 2),
        (40, 5, 240, 40, True, "HS", 1),
        (40, 5, 288, 96, True, "HS", 1),
    )
    blocks = [InvertedResidualConfig(*row, dilation=1, width_mult=0.5) for row in rows]
    # With the family's momentum of 0.01 the running means would barely move in a few hundred steps.
    return MobileNetV3(blocks, last_channel=256, num_classes=classes, norm_layer=BatchNorm2d)  # type: ignore[no-any-return]


def _efficientnet(classes: int, side: int) -> torch.nn.Module:
    """Build the stages of EfficientNet-B0, a third as wide, one block each."""
    from torchvision.models.efficientnet import EfficientNet, MBConvConfig

    rows = (
        # expansion, kernel, stride, in, out
        (1, 3, 1, 32, 16),
        (6, 3, 2, 16, 24),
        (6, 5, 2, 24, 40),
        (6, 3, 2, 40, 80),
        (6, 5, 1, 80, 112),
    )
    blocks = [MBConvConfig(*row, num_layers=1, width_mult=0.35) for row in rows]
    return EfficientNet(blocks, dropout=0.1, stochastic_depth_prob=0.0, num_classes=classes, last_channel=256)  # type: ignore[no-any-return]


def _densenet(classes: int, side: int) -> torch.nn.Module:
    from torchvision.models import DenseNet

    return DenseNet(growth_rate=12, block_config=(2, 4, 4, 4), num_init_features=24, num_classes=classes)  # type: ignore[no-any-return]


def _vit(classes: int, side: int) -> torch.nn.Module:
    """Build a ViT of three blocks, an eighth as wide as ViT-B; averaging its tokens needs fewer training images."""
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=side,
        patch_size=8,
        embed_dim=96,
        depth=3,
        num_heads=3,
        global_pool="avg",
        weight_init="jax",  # by fan-in: the family's σ = 0.02 is too small for so few channels
        num_classes=classes,
    )


def _swin(classes: int, side: int) -> torch.nn.Module:
    """Build a Swin of 1, 1 and 2 blocks, a quarter as wide as Swin-B, with windows of 4."""
    from timm.models.swin_transformer import SwinTransformer
    from torch import nn

    module = SwinTransformer(
        img_size=side,
        patch_size=4,
        window_size=4,
        embed_dim=32,
        depths=(1, 1, 2),
        num_heads=(2, 4, 8),
        drop_path_rate=0.0,
        num_classes=classes,
    )
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)  # by fan-in, as in _vit
    return module


CLASSIFIERS: dict[str, Callable[[int, int], torch.nn.Module]] = {
    "alexnet": reduced_alexnet,
    "densenet": _densenet,
    "efficientnet": _efficientnet,
    "mobilenetv2": _mobilenetv2,
    "mobilenetv3": _mobilenetv3,
    "resnet": _resnet,
    "swin": _swin,
    "vgg": reduced_vgg,
    "vit": _vit,
}
