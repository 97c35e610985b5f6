"""Features of pretrained classifiers: the input of their last layer."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pytest

from xray.core.errors import XrayError
from xray.core.plugins import settings
from xray.models.base import Classifier
from xray.models.registry import parse_model


@pytest.fixture
def specs(timm_file: Path, torchvision_file: Path, hf_folder: Path, hf_folder_of_7: Path) -> dict[str, str]:
    return {
        "timm": f"timm:test_efficientnet@{timm_file}",
        "torchvision": f"torchvision:mobilenet_v3_small@{torchvision_file}",
        "hf": f"hf:{hf_folder}",
        "labels of its own": f"hf:{hf_folder_of_7}",
    }


@pytest.mark.parametrize("name", ["timm", "torchvision", "hf", "labels of its own"])
def test_the_last_layer_gives_the_probabilities_from_the_features(name: str, specs: dict[str, str]) -> None:
    import torch

    model = parse_model(specs[name])
    model.check_features()
    network = model.features("cpu")
    pixels = np.random.default_rng(1).integers(0, 256, (3, 80, 120, 3), np.uint8)
    images_NCHW = torch.stack([network.preprocess(image) for image in pixels])
    features_ND = network.predict(images_NCHW)
    module = network.network.module  # type: ignore[attr-defined]
    layer = module.get_submodule(network.layer)  # type: ignore[attr-defined]
    assert features_ND.shape == (3, layer.in_features)
    assert features_ND.std(axis=0).max() > 0
    with torch.inference_mode():
        output = module(images_NCHW)
        logits_NK = layer(torch.from_numpy(features_ND))
    np.testing.assert_allclose(logits_NK, getattr(output, "logits", output), rtol=1e-5, atol=1e-6)


def test_features_are_of_the_network_that_predicts(specs: dict[str, str]) -> None:
    model = parse_model(specs["timm"])
    network, loaded = model.features("cpu"), model.load("cpu")
    assert network.weights_sha256 == loaded.weights_sha256
    assert network.preprocessing_key == loaded.preprocessing_key
    assert network.preprocessing == loaded.preprocessing


@settings
class OnlyPredicts(Classifier):
    """A family of one's own, without features."""

    name: ClassVar[str] = "only-predicts"

    rest: str

    @classmethod
    def parse(cls, rest: str) -> Self:
        """Take anything."""
        return cls(rest=rest)


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("reduced:resnet", "no published weights"),
        ("reduced:fpn", "segmenter"),
        ("smp:upernet-resnet50", "segmenter"),
        ("timm:resnet50@no/such/file.safetensors", "no/such/file"),
        (f"{__name__}:OnlyPredicts:any", "OnlyPredicts.*no features"),
    ],
)
def test_what_gives_no_features_is_refused(spec: str, named: str) -> None:
    model = OnlyPredicts("any") if "OnlyPredicts" in spec else parse_model(spec)
    with pytest.raises(XrayError, match=named):
        model.check_features()


@pytest.mark.parametrize(
    ("spec", "layers"),
    [
        ("torchvision:squeezenet1_0", r"classifier\.1 \(Conv2d\)"),
        ("timm:deit_tiny_distilled_patch16_224", r"head \(Linear\), head_dist \(Linear\)"),
    ],
)
def test_classes_that_do_not_come_from_one_linear_layer_are_refused(spec: str, layers: str) -> None:
    from xray.models.features import last_layer

    model = parse_model(spec)
    with pytest.raises(XrayError, match=layers):
        last_layer(lambda classes: model._build(classes, 224), spec)  # type: ignore[attr-defined]
