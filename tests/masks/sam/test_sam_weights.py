from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from xray.core.errors import XrayError
from xray.masks.sam.meta import MetaSam, model_type, read_checkpoint
from xray.masks.sam.refiner import Sam

Weights = dict[str, Any]
TOKEN = "mask_decoder.iou_token.weight"


def load(path: Path, device: str = "cpu") -> None:
    Sam(model=str(path)).load(device)


def published(name: str) -> Weights:
    """Weights with the names and shapes of a published checkpoint, without values."""
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        return sam_model_registry[name]().state_dict()  # type: ignore[no-any-return]


def save(weights: Weights, file: Path) -> Path:
    """Save a checkpoint in which each weight repeats one value, so that the file is small."""
    torch.save({key: torch.tensor(0.5 + k).expand(value.shape) for k, (key, value) in enumerate(weights.items())}, file)
    return file


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_the_width_of_the_encoder_gives_the_model_type(name: str) -> None:
    assert model_type(published(name)) == name


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(published("vit_b"), tmp_path_factory.mktemp("sam") / "vit_b.pth")


def test_a_checkpoint_is_read_into_the_model_of_the_registry(checkpoint: Path) -> None:
    module = read_checkpoint(checkpoint)
    assert not module.training
    for k, value in enumerate(module.state_dict().values()):
        assert (value == 0.5 + k).all()
    facts = MetaSam(module, "cpu").facts
    assert facts == {"backend": "segment_anything", "architecture": {"class": "Sam", "parameters_M": 93.735}}
    assert not any(weight.requires_grad for weight in module.parameters())


def test_weights_that_do_not_fit_the_registry_are_refused(tmp_path: Path) -> None:
    weights = published("vit_b")
    weights["mask_decoder.hf_token.weight"] = weights["prompt_encoder.no_mask_embed.weight"]  # as in HQ-SAM
    del weights["prompt_encoder.no_mask_embed.weight"]
    weights[TOKEN] = weights[TOKEN][:, :7]
    with pytest.raises(XrayError, match=r"other\.pth.*no_mask_embed.*hf_token.*iou_token.*\(1, 7\)"):
        load(save(weights, tmp_path / "other.pth"))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"fc.weight": torch.zeros(7)}, "no 'image_encoder.patch_embed.proj.bias'"),
        ({"image_encoder.patch_embed.proj.bias": torch.zeros(160)}, "is 160 .*vit_h"),  # as in MobileSAM
        ({"model": {TOKEN: torch.zeros(7)}}, "not a dict of tensors"),
    ],
)
def test_a_file_of_another_architecture_is_refused(tmp_path: Path, weights: Weights, message: str) -> None:
    torch.save(weights, tmp_path / "other.pth")
    with pytest.raises(XrayError, match=rf"other\.pth.*{message}"):
        load(tmp_path / "other.pth")


class Payload:
    """An object that touches a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.canary,))


def test_code_in_a_checkpoint_is_refused_and_never_runs(tmp_path: Path) -> None:
    canary, file = tmp_path / "canary", tmp_path / "evil.pth"
    torch.save({"payload": Payload(canary)}, file)
    with pytest.raises(XrayError, match=r"evil\.pth"):
        load(file)
    assert not canary.exists()
    torch.load(file, weights_only=False)
    assert canary.exists(), "the payload works"


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of the folder in the parameter of the fixture."""
    source = request.getfixturevalue(getattr(request, "param", "sam_folder"))
    return Path(shutil.copytree(source, tmp_path / "model"))


def test_a_folder_that_has_only_a_pickle_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"payload": Payload(tmp_path / "canary")}, folder / "pytorch_model.bin")
    with pytest.raises(XrayError, match=r"pytorch_model\.bin"):
        load(folder)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("keep", [0, 1000, -1])
def test_truncated_weights_are_refused(checkpoint: Path, folder: Path, keep: int) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(XrayError, match=r"/model'"):
        load(folder)
    file = folder / "cut.pth"
    file.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(XrayError, match=r"cut\.pth"):
        load(file)


@pytest.mark.parametrize("config", [None, "{", "[]", '{"model_type": "vit"}', '{"model_type": ["sam"]}'])
def test_a_folder_that_is_no_sam_is_refused(folder: Path, config: str | None) -> None:
    (folder / "config.json").unlink()
    if config is not None:
        (folder / "config.json").write_text(config)
    with pytest.raises(XrayError, match="/model' is no"):
        load(folder)
    (folder / "config.json").write_text('{"model_type": "sam", "vision_config": 7}')
    with pytest.raises(XrayError, match="/model'"):
        load(folder)


def change_config(folder: Path, **parts: dict[str, Any]) -> None:
    config = json.loads((folder / "config.json").read_text())
    for name, values in parts.items():
        config[name] |= values
    (folder / "config.json").write_text(json.dumps(config))


def without_token(weights: Weights) -> Weights:
    return {key: value for key, value in weights.items() if key != TOKEN}


def narrow_token(weights: Weights) -> Weights:
    return {**weights, TOKEN: weights[TOKEN][:, :5].contiguous()}


@pytest.mark.parametrize("change", [without_token, narrow_token])
@pytest.mark.parametrize("folder", ["sam_folder", "sam2_folder"], indirect=True)
def test_a_folder_with_incomplete_weights_is_refused(folder: Path, change: Callable[[Weights], Weights]) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    save_file(change(weights), folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(XrayError, match=r"/model'"):
        load(folder)


def test_a_config_of_another_size_is_refused(folder: Path) -> None:
    change_config(folder, mask_decoder_config={"hidden_size": 48})
    with pytest.raises(XrayError, match=r"/model'"):
        load(folder)


def test_a_folder_without_a_processor_is_refused(folder: Path) -> None:
    (file,) = folder.glob("*processor*.json")
    content = file.read_text()
    file.unlink()
    with pytest.raises(XrayError, match=r"SamProcessor.*/model'"):
        load(folder)
    file.write_text(content.replace("128", "96"))
    with pytest.raises(XrayError, match="does not run on cpu"):
        load(folder)


def test_missing_weights_and_devices_are_named(sam_folder: Path) -> None:
    with pytest.raises(XrayError, match="sam-vit-h"):
        Sam().load("cpu")
    absent = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(XrayError, match=absent):
        load(sam_folder, absent)
