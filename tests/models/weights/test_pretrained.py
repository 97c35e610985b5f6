"""Reading weights: hostile and damaged files are refused, missing weights are never random."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from xray.core.errors import XrayError
from xray.models import parse_model
from xray.models.lite import load_by_position
from xray.models.weights.checkpoint import load_strictly, read_weights


class Bomb:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("format", ["torch", "pickle"])
def test_a_checkpoint_that_runs_code_is_refused(tmp_path: Path, format: str) -> None:
    victim, path = tmp_path / "exploded", tmp_path / "bomb.pth"
    content = {"weight": torch.zeros(3), "bomb": Bomb(victim)}
    torch.save(content, path) if format == "torch" else path.write_bytes(pickle.dumps(content, 2))
    with pytest.raises(XrayError, match=r"refused the weights '.*bomb\.pth'"):
        parse_model(f"timm:test_efficientnet@{path}").load("cpu")
    assert not victim.exists()
    torch.load(path, weights_only=False) if format == "torch" else pickle.loads(path.read_bytes())
    assert victim.exists(), "the bomb works"


def test_a_folder_with_only_a_pickle_is_refused(tmp_path: Path, timm_folder: Path) -> None:
    victim = tmp_path / "exploded"
    shutil.copy(timm_folder / "config.json", tmp_path)
    torch.save({"bomb": Bomb(victim)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(XrayError, match="cannot load"):
        parse_model(str(tmp_path)).load("cpu")
    assert not victim.exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_damaged_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(XrayError, match="no weights at"):
        read_weights(str(tmp_path / name))
    for content in (b"", b"junk", b"\x00" * 100, pickle.dumps([1], 2), pickle.dumps({"a": 1}, 2)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(XrayError, match="refused the weights"):
            read_weights(str(tmp_path / name))


def test_files_with_flipped_bits_are_refused_or_read(tmp_path: Path) -> None:
    numbers = random.Random(0)
    torch.save({"a": torch.zeros(3)}, tmp_path / "good.pth")
    names = {"a"} | {chr(ord("a") ^ 1 << k) for k in range(8)}
    for good in ((tmp_path / "good.pth").read_bytes(), pickle.dumps({"a": 1, "b": [1, 2]}, 2)):
        for _ in range(100):
            bad = bytearray(good[: numbers.randint(1, len(good))])
            bad[numbers.randrange(len(bad))] ^= 1 << numbers.randrange(8)
            (tmp_path / "bad.pth").write_bytes(bad)
            with contextlib.suppress(XrayError), warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # torch's, about the pickle protocol
                assert set(read_weights(str(tmp_path / "bad.pth"))) <= names


def test_pth_and_safetensors_give_the_same_weights(tmp_path: Path, timm_file: Path) -> None:
    state = load_file(timm_file)
    torch.save(state, tmp_path / "bare.pth")
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "wrapped.pth")
    for path in (tmp_path / "bare.pth", tmp_path / "wrapped.pth"):
        weights = read_weights(str(path))
        assert weights.keys() == state.keys()
        assert all(torch.equal(weights[name], state[name]) for name in state)


def test_weights_that_do_not_fit_are_named() -> None:
    module = torch.nn.Linear(3, 2)
    good = module.state_dict()
    for weights, message in (
        ({"weight": good["weight"]}, r"tiny: 1 missing \(bias\)"),
        (good | {f"x{k}": good["bias"] for k in range(9)}, r"9 unexpected \(x0, x1, x2, …\)"),
        (good | {"bias": torch.zeros(5)}, r"1 of another shape \(bias is \(5,\), not \(2,\)\)"),
    ):
        with pytest.raises(XrayError, match=message):
            load_strictly(module, weights, "tiny")


def test_loading_by_position_compares_number_and_shapes() -> None:
    module = torch.nn.Linear(3, 2)
    weight, bias = torch.ones(2, 3), torch.ones(2)
    load_by_position(module, {"w": weight, "b": bias}, "m")
    assert torch.equal(module.weight, weight)
    for wrong, message in (
        ({"b": bias, "w": weight}, r"weight is \(2,\), not \(2, 3\)"),
        ({"w": weight}, "1 tensors, not 2"),
    ):
        with pytest.raises(XrayError, match=message):
            load_by_position(module, wrong, "m")


def test_models_that_cannot_be_loaded_are_refused(tmp_path: Path, timm_file: Path, hf_folder_of_7: Path) -> None:
    with pytest.raises(XrayError, match=r"timm:test_resnet: \d+ missing"):
        parse_model(f"timm:test_resnet@{timm_file}").load("cpu")
    with pytest.raises(XrayError, match="has 7 classes"):
        parse_model(str(hf_folder_of_7)).load("cpu")


def test_missing_weights_are_never_random(tmp_path: Path, hf_folder: Path) -> None:
    shutil.copytree(hf_folder, tmp_path, dirs_exist_ok=True)
    state = load_file(hf_folder / "model.safetensors")
    del state["classifier.bias"]
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(XrayError, match=r"1 missing \(classifier\.bias\)"):
        parse_model(str(tmp_path)).load("cpu")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(XrayError, match="cannot load"):
        parse_model(str(tmp_path)).load("cpu")


def test_the_plan_refuses_files_of_weights_that_evaluation_would_refuse(tmp_path: Path, timm_file: Path) -> None:
    model = "timm:test_efficientnet"
    assert parse_model(f"{model}@{timm_file}").check_evaluation() is None
    torch.save({"a": torch.zeros(3)}, tmp_path / "foreign.pth")
    seven = parse_model(model).trainable(7).module.state_dict()
    torch.save(seven, tmp_path / "seven.pth")
    torch.save({"model": print, "state_dict": 1}, tmp_path / "code.pth")
    (tmp_path / "folder.pth").mkdir()
    messages = {"foreign": "1 unexpected", "seven": "of another shape", "code": "holds .*print", "folder": "a folder"}
    for name, message in messages.items():
        with pytest.raises(XrayError, match=message):
            parse_model(f"{model}@{tmp_path / name}.pth").check_evaluation()


def test_a_check_of_weights_leaves_the_random_state_of_torch(timm_file: Path) -> None:
    before = torch.random.get_rng_state()
    parse_model(f"timm:test_efficientnet@{timm_file}").check_evaluation()
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_relative_folder_of_transformers_is_a_folder(
    tmp_path: Path, hf_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hf_folder.parent)
    (tmp_path / "empty").mkdir()
    for spec in (f"hf:./{hf_folder.name}", f"hf:{hf_folder.name}"):
        assert parse_model(spec) == parse_model(f"hf:{hf_folder}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(XrayError, match=r"empty.config\.json"):
        parse_model("hf:./empty").check_evaluation()
