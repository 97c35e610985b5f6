"""VGG and AlexNet, narrow enough for a CPU; torchvision's classes fix the widths, so the parts are built here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def _without_parts(cls: Any) -> Any:
    """Return an instance of a torchvision network with its `forward` but without the parts that `__init__` builds."""
    import torch

    module = cls.__new__(cls)
    torch.nn.Module.__init__(module)
    return module


def reduced_vgg(classes: int, side: int) -> torch.nn.Module:
    """Build VGG-16's thirteen convolutions, an eighth as wide, and three linear layers, a thirty-second as wide."""
    from torch import nn
    from torchvision.models.vgg import VGG, make_layers

    module = _without_parts(VGG)
    module.features = make_layers([8, 8, "M", 16, 16, "M", 32, 32, 32, "M", 64, 64, 64, "M", 64, 64, 64, "M"])
    module.avgpool = nn.AdaptiveAvgPool2d(2)
    module.classifier = nn.Sequential(
        nn.Linear(64 * 2 * 2, 128),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(128, 128),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(128, classes),
    )
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return module  # type: ignore[no-any-return]


def reduced_alexnet(classes: int, side: int) -> torch.nn.Module:
    """Build AlexNet's five convolutions and three linear layers, a quarter as wide; the first stride is 2, not 4."""
    from torch import nn
    from torchvision.models import AlexNet

    module = _without_parts(AlexNet)
    module.features = nn.Sequential(
        nn.Conv2d(3, 16, kernel_size=11, stride=2, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(16, 48, kernel_size=5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(48, 96, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(96, 64, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(64, 64, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveMaxPool2d(2),
    )
    module.avgpool = nn.AdaptiveAvgPool2d(2)
    module.classifier = nn.Sequential(
        nn.Dropout(),
        nn.Linear(64 * 2 * 2, 256),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(256, 256),
        nn.ReLU(inplace=True),
        nn.Linear(256, classes),
    )
    return module  # type: ignore[no-any-return]
