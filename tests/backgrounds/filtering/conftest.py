"""A tiny CLIP and a tiny classifier on disk."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from support.tiny_clip import tiny_clip

    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("timm") / "weights.safetensors"
    network = timm.create_model("test_efficientnet")
    with torch.no_grad():  # fresh weights give all classes the same probability, whatever the image
        for name, weight in network.named_parameters():
            if weight.ndim > 1:
                gain = 10 if "classifier" in name else 1
                weight.copy_(torch.randn(weight.shape) * (2 / weight[0].numel()) ** 0.5 * gain)
    save_file(network.state_dict(), path)
    return f"timm:test_efficientnet@{path}"
