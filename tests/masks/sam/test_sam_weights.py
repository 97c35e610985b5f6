from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

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


def test_a_checkpoint_is_read_into_the_model_of_the_registry(tmp_path: Path) -> None:
    module = read_checkpoint(save(published("vit_b"), tmp_path / "vit_b.pth"))
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


def truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def as_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def change_token(folder: Path, width: int) -> None:
    weights = load_file(folder / "model.safetensors")
    token = weights.pop(TOKEN)
    if width:
        weights[TOKEN] = token[:, :width].contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def write_config(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)


def widen_decoder(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["mask_decoder_config"]["hidden_size"] = 48
    write_config(folder, json.dumps(config))


def shrink_processor(folder: Path) -> None:
    (file,) = folder.glob("*processor*.json")
    file.write_text(file.read_text().replace("128", "96"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "/model'"),
        (as_pickle, r"pytorch_model\.bin"),
        (functools.partial(change_token, width=0), "/model'"),
        (functools.partial(change_token, width=5), "/model'"),
        (lambda folder: (folder / "config.json").unlink(), "/model' is no"),
        (functools.partial(write_config, text="[]"), "/model' is no"),
        (functools.partial(write_config, text='{"model_type": "vit"}'), "/model' is no SAM"),
        (functools.partial(write_config, text='{"model_type": "sam", "vision_config": 7}'), "/model'"),
        (widen_decoder, "/model'"),
        (lambda folder: next(folder.glob("*processor*.json")).unlink(), "Processor.*/model'"),
        (shrink_processor, "does not run on cpu"),
    ],
)
def test_damaged_folders_are_refused(
    damage: Callable[[Path], None], message: str, tmp_path: Path, sam_folder: Path
) -> None:
    folder = Path(shutil.copytree(sam_folder, tmp_path / "model"))
    damage(folder)
    with pytest.raises(XrayError, match=message):
        load(folder)


def test_a_folder_of_sam2_with_incomplete_weights_is_refused(tmp_path: Path, sam2_folder: Path) -> None:
    folder = Path(shutil.copytree(sam2_folder, tmp_path / "model"))
    change_token(folder, width=0)
    with pytest.raises(XrayError, match="/model'"):
        load(folder)


def test_missing_weights_and_devices_are_named(sam_folder: Path) -> None:
    with pytest.raises(XrayError, match="sam-vit-h"):
        Sam().load("cpu")
    absent = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(XrayError, match=absent):
        load(sam_folder, absent)
