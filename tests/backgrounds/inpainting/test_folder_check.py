from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from support.inpainting import load, sdxl_entry

from xray.backgrounds.inpainting.folder_check import check_files, lora_file
from xray.core.errors import XrayError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(sdxl: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sdxl, tmp_path / "pipeline"))


def edit_index(folder: Path, **changes: object) -> None:
    file = folder / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


class Payload:
    """A pickle that creates a file where it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.canary,)


def use_pickle(folder: Path) -> None:
    (folder / UNET).unlink()
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Payload(folder / "canary")))


def resize(folder: Path, change: int) -> None:
    """Cut the UNet's weights at the end, or append zeros."""
    file = folder / UNET
    os.truncate(file, file.stat().st_size + change)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (shutil.rmtree, "pipeline'"),
        (lambda folder: (folder / "model_index.json").unlink(), "model_index.json"),
        (lambda folder: (folder / "model_index.json").write_text("[]"), r"model_index\.json' is damaged"),
        (lambda folder: edit_index(folder, _class_name="FluxPipeline"), "FluxPipeline"),
        (lambda folder: edit_index(folder, unet=["my_code", "Unet"]), r"unet is my_code\.Unet"),
        (lambda folder: edit_index(folder, unet=["diffusers", "FluxTransformer"]), r"diffusers\.FluxTransformer"),
        (lambda folder: edit_index(folder, vae=[None, None]), "no vae"),
        (lambda folder: shutil.rmtree(folder / "tokenizer_2"), "tokenizer_2"),
        (lambda folder: (folder / "unet" / "config.json").unlink(), r"config\.json"),
        (lambda folder: (folder / UNET).unlink(), "no weights in '.*unet'"),
        (lambda folder: (folder / "tokenizer" / "vocab.json").write_text("{"), r"vocab\.json' is damaged"),
        (lambda folder: (folder / "tokenizer" / "merges.txt").unlink(), r"no merges\.txt"),
        (use_pickle, r"diffusion_pytorch_model\.bin"),
        (lambda folder: resize(folder, -10), r"diffusion_pytorch_model\.safetensors"),
        (lambda folder: resize(folder, 4), r"diffusion_pytorch_model\.safetensors"),
    ],
)
def test_unsafe_or_incomplete_folders_are_refused_by_plan_and_device(
    folder: Path, damage: Callable[[Path], object], named: str
) -> None:
    damage(folder)
    for use in (lambda: sdxl_entry(folder).check(["a meadow"]), lambda: load(folder)):
        with pytest.raises(XrayError, match=named):
            use()
    assert not (folder / "canary").exists()


@pytest.mark.parametrize("file", [UNET, "text_encoder/model.safetensors"])
@pytest.mark.parametrize("shape", [None, (7,)])
def test_missing_and_misshapen_tensors_are_refused(folder: Path, file: str, shape: tuple[int] | None) -> None:
    weights = load_file(folder / file)
    first = min(weights)
    if shape is None:
        del weights[first]
    else:
        weights[first] = np.zeros(shape, np.float32)
    save_file(weights, folder / file, metadata={"format": "pt"})
    with pytest.raises(XrayError, match="lack 1 of" if shape is None else f"'.*{Path(file).parent}'"):
        load(folder)


def test_weights_in_half_precision_alone_are_accepted(folder: Path) -> None:
    for file in list(folder.glob("*/*.safetensors")):
        half = {name: tensor.astype(np.float16) for name, tensor in load_file(file).items()}
        save_file(half, file.with_suffix(".fp16.safetensors"), metadata={"format": "pt"})
        file.unlink()
    sdxl_entry(folder).check(["a meadow"])
    load(folder)


def test_weights_in_several_files_are_all_needed(folder: Path) -> None:
    from diffusers import UNet2DConditionModel

    UNet2DConditionModel.from_pretrained(folder / "unet").save_pretrained(folder / "unet", max_shard_size="100KB")
    shards = sorted((folder / "unet").glob("*-of-*.safetensors"))
    assert len(shards) > 1
    sdxl_entry(folder).check(["a meadow"])
    load(folder)
    shards[-1].unlink()
    with pytest.raises(XrayError, match=shards[-1].name):
        sdxl_entry(folder).check([])


def test_parts_of_the_safety_checker_are_optional(sd15_base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sd15_base, tmp_path / "pipeline"))
    edit_index(folder, feature_extractor=["transformers", "CLIPImageProcessor"])
    assert "feature_extractor" not in check_files(folder).networks
    load(folder)


@pytest.mark.parametrize("role", ["vae", "controlnet"])
def test_other_networks_are_checked_too(sdxl: Path, tmp_path: Path, role: str) -> None:
    with pytest.raises(XrayError, match=r"config\.json"):
        sdxl_entry(sdxl, **{role: str(tmp_path)}).check([])


def test_networks_of_another_model_are_refused(sdxl: Path, controlnet: Path, tmp_path: Path) -> None:
    with pytest.raises(XrayError, match="cross_attention_dim is 16"):
        load(sdxl, controlnet=str(controlnet))
    from diffusers import AutoencoderKL

    AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, latent_channels=2).save_pretrained(tmp_path)
    with pytest.raises(XrayError, match="latent_channels is 2"):
        load(sdxl, vae=str(tmp_path))


def test_lora_is_one_safetensors_file(lora: Path, tmp_path: Path) -> None:
    assert lora_file(lora) == lora_file(lora.parent) == lora
    with pytest.raises(XrayError, match="none"):
        lora_file(tmp_path)
    for name in ("a.safetensors", "b.safetensors"):
        shutil.copy(lora, tmp_path / name)
    with pytest.raises(XrayError, match=r"a\.safetensors, b\.safetensors"):
        lora_file(tmp_path)
    (tmp_path / "c.bin").write_bytes(pickle.dumps(Payload(tmp_path / "canary")))
    (tmp_path / "a.safetensors").write_bytes(lora.read_bytes()[:-1])
    for name in ("c.bin", "a.safetensors"):
        with pytest.raises(XrayError, match=f"refused the weights '.*{name}'"):
            lora_file(tmp_path / name)
    assert not (tmp_path / "canary").exists()


def test_lora_of_another_model_is_refused(sd15: Path, sdxl: Path, lora: Path, tmp_path: Path) -> None:
    with pytest.raises(XrayError, match=r"'.*lora\.safetensors'"):
        load(sd15, lora=str(lora))
    zeros = {f"transformer.x.lora_{part}.weight": np.zeros((2, 2), np.float32) for part in "AB"}
    save_file(zeros, tmp_path / "flux.safetensors")
    with pytest.raises(XrayError, match=r"'.*flux\.safetensors'"):
        load(sdxl, lora=str(tmp_path / "flux.safetensors"))
