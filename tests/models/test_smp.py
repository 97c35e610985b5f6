from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from xray.core.errors import XrayError
from xray.models import parse_model
from xray.models.base import IMAGENET_MEAN, Colour
from xray.models.smp import Smp
from xray.models.smp_network import ARCHITECTURES, encoder_normalisation


def test_architectures_are_the_librarys() -> None:
    import segmentation_models_pytorch as smp

    assert set(ARCHITECTURES) == set(smp.MODEL_ARCHITECTURES_MAPPING)
    assert len(Smp.choices()) == len(ARCHITECTURES)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("smp:fpn-resnet5", "did you mean .*'resnet50'"),
        ("smp:fpn-tu-resnet5", "'resnet5'; did you mean .*'resnet50'"),
        ("smp:fpn-tu-resnet50.a1_in2k", "did you mean .*'resnet50.a1_in1k'"),
        ("smp:dpt-resnet50", "dpt needs a vision transformer"),
        ("smp:fpn-tu-vit_tiny_patch16_224", "only dpt and upernet"),
        ("smp:fpn-resnet18@nowhere.pth", "no weights at 'nowhere.pth'"),
    ],
)
def test_check_refuses_encoders_that_do_not_fit(spec: str, message: str) -> None:
    model = parse_model(spec)
    for act in (model.check, model.side, lambda: model.trainable(3)):
        with pytest.raises(XrayError, match=message):
            act()


def test_refused_requests() -> None:
    with pytest.raises(XrayError, match="smp:pspnet-vgg11 cannot be built: 'VGG' models do not support dilated"):
        parse_model("smp:pspnet-vgg11").trainable(3)
    with pytest.raises(XrayError, match="smp:fpn-resnet18 is a segmenter"):
        parse_model("smp:fpn-resnet18").load("cpu")


@pytest.mark.parametrize(
    ("encoder", "mean"),
    [("tu-test_vit", (0.5, 0.5, 0.5)), ("tu-swin_tiny_patch4_window7_224", IMAGENET_MEAN), ("resnet18", IMAGENET_MEAN)],
)
def test_the_normalisation_is_the_encoders(encoder: str, mean: Colour) -> None:
    assert encoder_normalisation(encoder)[0] == mean
    assert parse_model(f"smp:upernet-{encoder}").side() == 224


def test_files_of_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    torch.manual_seed(1)
    saved = parse_model("smp:fpn-resnet18").trainable(5).module.state_dict()
    save_file(saved, path)
    model = parse_model(f"smp:fpn-resnet18@{path}")
    whole = model.trainable(5, pretrained=True).module.state_dict()
    assert all(torch.equal(whole[name], saved[name]) for name in saved)
    network = model.trainable(12, pretrained=True)
    weights = network.module.state_dict()
    head = {"segmentation_head.0.weight", "segmentation_head.0.bias"}
    assert {name for name in saved if not torch.equal(weights[name], saved[name])} == head
    assert all(name in network.origin for name in head)
    with pytest.raises(XrayError, match="do not fit smp:unet-resnet18 of 12 classes"):
        parse_model(f"smp:unet-resnet18@{path}").trainable(12, pretrained=True)
