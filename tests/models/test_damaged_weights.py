"""Folders and files of models that are damaged, or would run code, are refused in one line, and nothing is executed."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from xray.core.errors import ConfigError
from xray.models import parse_model

WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")


class Touching:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def refused(spec: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_model(spec).load("cpu")
    assert "\n" not in str(caught.value)
    assert "weights_only=False" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("pytorch_model.bin", None),
        ("pytorch_model.bin", b""),
        ("pytorch_model.bin", b"PK\x03\x04" + bytes(90)),
        ("model.safetensors", b""),
        ("model.safetensors", b"\xff" * 100),
        ("model.safetensors", (2).to_bytes(8, "little") + b"{}"),
        ("model.safetensors.index.json", b"{}"),
        ("model.safetensors.index.json", b'{"metadata": null, "weight_map": null}'),
        ("model.safetensors.index.json", b'{"metadata": {}, "weight_map": {"a": "../a.safetensors"}}'),
        ("model.safetensors.index.json", b"[" * 100_000),
        ("config.json", b'{"model_type": "vit", "hidden_size": "x"}'),
        ("config.json", b'{"model_type": []}'),
        ("preprocessor_config.json", b"{"),
        ("preprocessor_config.json", b'{"image_processor_type": 5}'),
    ],
)
@pytest.mark.parametrize("family", ["hf", "timm"])
def test_folders(
    family: str, name: str, data: bytes | None, hf_folder: Path, timm_folder: Path, tmp_path: Path
) -> None:
    if family == "timm" and name in ("preprocessor_config.json", "model.safetensors.index.json", "pytorch_model.bin"):
        return
    folder, executed = tmp_path / "model", tmp_path / "executed"
    shutil.copytree(hf_folder if family == "hf" else timm_folder, folder)
    if name in WEIGHTS:
        (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Touching(executed)) if data is None else data)
    refused(str(folder))
    assert not executed.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(
    "model", ["timm:test_efficientnet", "torchvision:mobilenet_v3_small", "lite:efficientnet-lite0"]
)
def test_files(model: str, suffix: str, tmp_path: Path) -> None:
    executed = tmp_path / "executed"
    header = json.dumps({"w": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 8]}}).encode()
    for number, data in enumerate([
        b"", b"\x80", bytes(50), pickle.dumps(Touching(executed)), pickle.dumps({"a": 1}),
        len(header).to_bytes(8, "little") + header + bytes(8),
    ]):  # fmt: skip
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(data)
        refused(f"{model}@{path}")
    assert not executed.exists()
