from __future__ import annotations

import pytest
import torch

from xray.core.errors import XrayError
from xray.models import parse_model
from xray.models.reduced import Reduced

CLASSIFIERS = ("alexnet", "densenet", "efficientnet", "mobilenetv2", "mobilenetv3", "resnet", "swin", "vgg", "vit")
SEGMENTERS = ("deeplabv3plus", "dpt", "fpn", "pspnet", "segformer", "unet", "upernet")


def test_all_of_them_are_offered() -> None:
    assert set(Reduced.choices()) == {*CLASSIFIERS, *SEGMENTERS}


@pytest.mark.parametrize("architecture", [*CLASSIFIERS, *SEGMENTERS])
def test_logits_and_gradients_of_all_parameters(architecture: str) -> None:
    model = parse_model(f"reduced:{architecture}")
    torch.manual_seed(0)
    found = model.trainable(12)
    segments = architecture in SEGMENTERS
    assert found.task == model.task == ("segmentation" if segments else "classification")
    assert found.side == model.side() == 64
    optimiser = torch.optim.SGD(found.module.parameters(), 0.01)
    images = torch.randn(2, 3, 64, 64)
    labels = torch.randint(0, 12, (2, 64, 64) if segments else (2,))
    for _ in range(2):  # some layers start at 0 and let no gradient through at first
        optimiser.zero_grad()
        logits = found.module(images)
        torch.nn.functional.cross_entropy(logits, labels).backward()
        optimiser.step()
    assert logits.shape == ((2, 12, 64, 64) if segments else (2, 12))
    assert [name for name, value in found.module.named_parameters() if value.grad is None] == []
    assert all(value.grad.isfinite().all() for value in found.module.parameters())
    found.module.eval()
    with torch.inference_mode():
        assert found.module(images[:1]).isfinite().all(), "one image by itself"


@pytest.mark.parametrize("architecture", ["resnet", "vit", "swin", "vgg", "fpn"])
def test_from_scratch_is_what_the_seed_says(architecture: str) -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        module = parse_model(f"reduced:{architecture}").trainable(3).module
        return torch.cat([value.detach().flatten() for value in module.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize(
    ("architecture", "side"), [("resnet", 96), ("vit", 40), ("swin", 96), ("alexnet", 32), ("dpt", 96)]
)
def test_other_sides(architecture: str, side: int) -> None:
    found = parse_model(f"reduced:{architecture}").trainable(2, side=side)
    output = found.module.eval()(torch.randn(1, 3, side, side))
    assert output.shape == ((1, 2, side, side) if found.task == "segmentation" else (1, 2))


@pytest.mark.parametrize("architecture", ["resnet", "vit", "swin"])
def test_they_learn(architecture: str) -> None:
    """Four orientations of stripes under noise, 64 images: after 12 epochs nearly all of 64 others are told apart."""
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
        right = module.eval()(images[64:]).argmax(dim=1) == labels[64:]
    assert right.float().mean() > 0.8


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("reduced:resnt", "unknown reduced model 'resnt'; did you mean 'resnet'"),
        ("reduced:unnet", "unknown reduced model 'unnet'; did you mean 'unet'"),
        ("reduced:", "names no architecture"),
    ],
)
def test_what_cannot_be_parsed(spec: str, message: str) -> None:
    with pytest.raises(XrayError, match=message):
        parse_model(spec)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [("resnet", "resnet has no weights"), ("fpn", "fpn is a segmenter: segmenters are trained")],
)
def test_they_cannot_be_loaded(architecture: str, message: str) -> None:
    with pytest.raises(XrayError, match=message):
        parse_model(f"reduced:{architecture}").load("cpu")
