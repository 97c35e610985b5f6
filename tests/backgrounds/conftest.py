"""Tiny diffusion models on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import tiny_models
from support.inpainting import KINDS, load

from xray.backgrounds.inpainting.pipeline import InpaintingModel


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_sdxl(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="session")
def sdxl_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_sdxl(tmp_path_factory.mktemp("sdxl_base"), inpainting=False)


@pytest.fixture(scope="session")
def sd15(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_sd15(tmp_path_factory.mktemp("sd15"))


@pytest.fixture(scope="session")
def sd15_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_sd15(tmp_path_factory.mktemp("sd15_base"), inpainting=False, checker=False)


@pytest.fixture(scope="session")
def controlnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_controlnet(tmp_path_factory.mktemp("controlnet"))


@pytest.fixture(scope="session")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_lora(tmp_path_factory.mktemp("lora") / "lora.safetensors")


@pytest.fixture(scope="session")
def other_vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_vae(tmp_path_factory.mktemp("vae"))


@pytest.fixture(scope="session")
def models(request: pytest.FixtureRequest) -> dict[str, InpaintingModel]:
    """Loaded models by the names of their folders' fixtures."""
    return {kind: load(request.getfixturevalue(kind)) for kind in KINDS}


@pytest.fixture(scope="session")
def model(models: dict[str, InpaintingModel]) -> InpaintingModel:
    return models["sdxl"]
