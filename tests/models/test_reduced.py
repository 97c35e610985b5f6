from __future__ import annotations

import pytest
import torch

from xray.core.errors import XrayError
from xray.models import parse_model


@pytest.mark.parametrize(
    ("architecture", "side"), [("resnet", 96), ("vit", 40), ("swin", 96), ("alexnet", 32), ("dpt", 96)]
)
def test_other_sides(architecture: str, side: int) -> None:
    network = parse_model(f"reduced:{architecture}").trainable(2, side=side)
    output = network.module.eval()(torch.randn(1, 3, side, side))
    assert output.shape == ((1, 2, side, side) if network.task == "segmentation" else (1, 2))


@pytest.mark.parametrize("architecture", ["resnet", "vit", "swin"])
def test_they_learn_from_few_images(architecture: str) -> None:
    """Four orientations of noisy stripes, 64 images, 12 epochs: 64 other images are classified."""
    torch.manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    waves = torch.stack(
        [torch.sin(each / 3) for each in (rows, columns, (rows + columns) / 1.4, (rows - columns) / 1.4)]
    )
    labels = torch.arange(128) % 4
    images = waves[labels][:, None].repeat(1, 3, 1, 1) + torch.randn(128, 3, 64, 64)
    module = parse_model(f"reduced:{architecture}").trainable(4).module.train()
    optimiser = torch.optim.AdamW(module.parameters(), 1e-3)
    for _ in range(12):
        for batch in torch.randperm(64).split(16):
            loss = torch.nn.functional.cross_entropy(module(images[batch]), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.inference_mode():
        correct = module.eval()(images[64:]).argmax(dim=1) == labels[64:]
    assert correct.float().mean() > 0.8


@pytest.mark.parametrize("architecture", ["resnet", "fpn"])
def test_there_are_no_weights_to_load(architecture: str) -> None:
    model = parse_model(f"reduced:{architecture}")
    for act in (lambda: model.load("cpu"), lambda: model.trainable(2, pretrained=True)):
        with pytest.raises(XrayError, match=f"reduced:{architecture}"):
            act()
