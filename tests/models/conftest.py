"""Tiny random models, saved to files and folders as their libraries save them, and noisy images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xray.core.images import encode

TIMM = "test_efficientnet"
TORCHVISION = "mobilenet_v3_small"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def timm_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("timm") / "weights.safetensors"
    save_file(timm.create_model(TIMM).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def timm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import timm
    import torch

    torch.manual_seed(2)
    folder = tmp_path_factory.mktemp("timm_folder")
    timm.models.save_for_hf(timm.create_model("test_resnet"), str(folder), safe_serialization=True)
    return folder


@pytest.fixture(scope="session")
def torchvision_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from safetensors.torch import save_file
    from torchvision import models

    torch.manual_seed(3)
    module = models.get_model(TORCHVISION, weights=None)
    for layer in module.modules():  # without normalisation the signal vanishes in an untrained network
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    module(torch.randn(8, 3, 64, 64))
    path = tmp_path_factory.mktemp("torchvision") / "weights.safetensors"
    save_file(module.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def hf_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vit(tmp_path_factory.mktemp("hf"), labels=1000)


@pytest.fixture(scope="session")
def hf_folder_of_7(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vit(tmp_path_factory.mktemp("hf7"), labels=7)


def save_vit(folder: Path, labels: int) -> Path:
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    torch.manual_seed(4)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = ViTConfig(**size, image_size=32, patch_size=16, num_labels=labels)
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}, resample=3).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def images() -> list[bytes]:
    """Seven noisy JPEGs of different sizes and colours."""
    numbers = np.random.Generator(np.random.PCG64(5))
    encoded = []
    for k in range(7):
        pixels = numbers.integers(0, 200, 3) + numbers.integers(0, 55, (90 + 10 * k, 140 - 5 * k, 3))
        encoded.append(encode(pixels.astype(np.uint8)))
    return encoded
