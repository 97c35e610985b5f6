from __future__ import annotations

import contextlib
import os
import pickle
import random
import warnings
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file

from xray.core.errors import XrayError
from xray.models import parse_model
from xray.models.lite import pair_by_position
from xray.models.weights.checkpoint import load_strictly, read_weights


class Bomb:
    """What a hostile checkpoint does when a careless reader opens it."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("writer", [torch.save, lambda value, path: Path(path).write_bytes(pickle.dumps(value, 2))])
def test_a_checkpoint_that_runs_code_is_refused(tmp_path: Path, timm_file: Path, writer: Any) -> None:
    victim = tmp_path / "exploded"
    writer(load_file(timm_file) | {"bomb": Bomb(victim)}, tmp_path / "bomb.pth")
    with pytest.raises(XrayError, match=r"refused the weights '.*bomb\.pth': damaged, or not only weights"):
        parse_model(f"timm:test_efficientnet@{tmp_path / 'bomb.pth'}").load("cpu")
    assert not victim.exists()
    torch.load(tmp_path / "bomb.pth", weights_only=False) if writer is torch.save else pickle.loads(
        (tmp_path / "bomb.pth").read_bytes()
    )
    assert victim.exists(), "the bomb is a real one"


def test_a_folder_with_a_bomb_is_refused(tmp_path: Path, timm_folder: Path) -> None:
    victim = tmp_path / "exploded"
    (tmp_path / "config.json").write_bytes((timm_folder / "config.json").read_bytes())
    torch.save({"bomb": Bomb(victim)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(XrayError, match="cannot load"):
        parse_model(str(tmp_path)).load("cpu")
    assert not victim.exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("content", [b"", b"junk", b"\x00" * 100, pickle.dumps([1], 2), pickle.dumps({"a": 1}, 2)])
def test_damaged_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(XrayError, match="refused the weights"):
        read_weights(str(tmp_path / name))
    with pytest.raises(XrayError, match="no weights at"):
        read_weights(str(tmp_path / f"other-{name}"))


def test_flipped_bits_are_refused_or_read(tmp_path: Path) -> None:
    numbers = random.Random(0)
    torch.save({"a": torch.zeros(3)}, tmp_path / "good.pth")
    for good in ((tmp_path / "good.pth").read_bytes(), pickle.dumps({"a": 1, "b": [1, 2]}, 2)):
        for _ in range(150):
            bad = bytearray(good[: numbers.randint(1, len(good))])
            bad[numbers.randrange(len(bad))] ^= 1 << numbers.randrange(8)
            (tmp_path / "bad.pth").write_bytes(bad)
            with contextlib.suppress(XrayError), warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # torch's, about the pickle protocol
                assert set(read_weights(str(tmp_path / "bad.pth"))) <= {"a"} | {
                    chr(ord("a") ^ 1 << k) for k in range(8)
                }


def test_pth_and_safetensors_are_the_same(tmp_path: Path, timm_file: Path) -> None:
    state = load_file(timm_file)
    torch.save(state, tmp_path / "bare.pth")
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "wrapped.pth")
    specs = [f"timm:test_efficientnet@{path}" for path in (timm_file, tmp_path / "bare.pth", tmp_path / "wrapped.pth")]
    assert len({parse_model(spec).load("cpu").weights_sha256 for spec in specs}) == 1


def test_what_does_not_fit_is_named() -> None:
    module = torch.nn.Linear(3, 2)
    good = module.state_dict()
    for weights, message in (
        ({"weight": good["weight"]}, r"do not fit tiny: 1 missing \(bias\)"),
        (good | {f"x{k}": good["bias"] for k in range(9)}, r"9 unexpected \(x0, x1, x2, …\)"),
        (good | {"bias": torch.zeros(5)}, r"1 of another shape \(bias is \(5,\), not \(2,\)\)"),
    ):
        with pytest.raises(XrayError, match=message):
            load_strictly(module, weights, "tiny")


def test_weights_of_another_architecture_are_refused(timm_file: Path) -> None:
    with pytest.raises(XrayError, match=r"the weights do not fit timm:test_resnet: \d+ missing"):
        parse_model(f"timm:test_resnet@{timm_file}").load("cpu")


def test_pairing_by_position_asserts_every_shape() -> None:
    module = torch.nn.Linear(3, 2)
    weight, bias = torch.ones(2, 3), torch.ones(2)
    assert list(pair_by_position(module, {"w": weight, "b": bias}, "m")) == ["weight", "bias"]
    with pytest.raises(XrayError, match=r"b is \(2,\), weight \(2, 3\)"):
        pair_by_position(module, {"b": bias, "w": weight}, "m")
    with pytest.raises(XrayError, match="1 tensors, not 2"):
        pair_by_position(module, {"w": weight}, "m")


def test_a_model_of_other_classes_is_refused(hf_folder_of_7: Path) -> None:
    with pytest.raises(XrayError, match="has 7 classes, not ImageNet-1k's 1000"):
        parse_model(str(hf_folder_of_7)).load("cpu")


def test_missing_weights_are_never_random(tmp_path: Path, hf_folder: Path) -> None:
    for file in hf_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    state = load_file(hf_folder / "model.safetensors")
    save_file(
        {k: v for k, v in state.items() if k != "classifier.bias"}, tmp_path / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(XrayError, match=r"1 missing \(classifier\.bias\)"):
        parse_model(str(tmp_path)).load("cpu")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(XrayError, match="cannot load"):
        parse_model(str(tmp_path)).load("cpu")


@pytest.mark.parametrize("spec", ["timm:resnet50", "hf:google/vit-base-patch16-224", "torchvision:mobilenet_v3_small"])
def test_without_a_hub_it_is_said_how_to_get_weights(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(XrayError) as caught:
        parse_model(spec).load("cpu")
    message = str(caught.value)
    assert message.startswith(f"cannot load '{spec}': ")
    for way in ("HF_HOME", "family:architecture@weights.safetensors", "folder"):
        assert way in message
