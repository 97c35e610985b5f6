from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from xray.backgrounds.inpainting.base import build_painter
from xray.backgrounds.inpainting.folder_check import lora_file, read_folder
from xray.core.errors import XrayError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(sdxl: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sdxl, tmp_path / "pipeline"))


def check(folder: Path) -> None:
    build_painter({"kind": "sdxl", "model": str(folder)}).check(["a meadow"])


def load(folder: Path, **settings: str) -> None:
    build_painter({"kind": "sdxl", "model": str(folder), "steps": 2, **settings}).load("cpu")


def index(folder: Path, **changes: object) -> None:
    file = folder / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


class Payload:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.canary,)


def pickled(folder: Path) -> None:
    (folder / UNET).unlink()
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Payload(folder / "canary")))


def cut(folder: Path) -> None:
    file = folder / UNET
    file.write_bytes(file.read_bytes()[:-10])


def longer(folder: Path) -> None:
    with (folder / UNET).open("ab") as file:
        file.write(b"more")


def no_header(folder: Path) -> None:
    (folder / UNET).write_bytes(b"\xff" * 100)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "pipeline'"),
        (lambda folder: (folder / "model_index.json").unlink(), "no folder of a diffusers pipeline"),
        (lambda folder: (folder / "model_index.json").write_text("{"), r"model_index.json' is damaged"),
        (lambda folder: (folder / "model_index.json").write_text("[]"), r"model_index.json' is damaged"),
        (lambda folder: index(folder, _class_name="FluxPipeline"), "is of class FluxPipeline; the painter takes"),
        (lambda folder: index(folder, unet=["my_code", "Unet"]), r"its unet is my_code\.Unet"),
        (
            lambda folder: index(folder, unet=["diffusers", "FluxTransformer"]),
            r"its unet is diffusers\.FluxTransformer",
        ),
        (lambda folder: index(folder, vae=[None, None]), "no whole pipeline: it has no vae"),
        (lambda folder: shutil.rmtree(folder / "tokenizer_2"), "names tokenizer_2, which is not there"),
        (lambda folder: (folder / "unet" / "config.json").unlink(), "no folder of a network: it has no config.json"),
        (lambda folder: (folder / "unet" / "config.json").write_bytes(b"\xff"), r"config.json' is damaged"),
        (lambda folder: (folder / UNET).unlink(), r"no weights in '.*unet'"),
        (
            lambda folder: (folder / "tokenizer" / "vocab.json").write_text("{"),
            r"tokenizer/vocab\.json' is damaged",
        ),
        (
            lambda folder: (folder / "tokenizer" / "vocab.json").unlink(),
            "no folder of a tokenizer: it has no vocab.json",
        ),
        (lambda folder: (folder / "tokenizer" / "merges.txt").unlink(), "tokenizer: it has no merges.txt"),
        (pickled, r"refused the weights '.*diffusion_pytorch_model\.bin'"),
        (cut, r"refused the weights '.*diffusion_pytorch_model\.safetensors': damaged or cut off"),
        (longer, r"refused the weights '.*diffusion_pytorch_model\.safetensors': damaged or cut off"),
        (no_header, r"refused the weights '.*diffusion_pytorch_model\.safetensors': damaged or cut off"),
    ],
)
def test_folders_that_are_no_safe_pipeline_are_refused_in_the_plan_and_on_the_device(
    folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    check(folder)
    damage(folder)
    with pytest.raises(XrayError, match=message):
        check(folder)
    with pytest.raises(XrayError, match=message):
        load(folder)
    assert not (folder / "canary").exists()


def test_the_payload_would_have_been_noticed(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("file", [UNET, "text_encoder/model.safetensors"])
def test_a_tensor_that_is_missing_is_never_made_up(folder: Path, file: str) -> None:
    weights = load_file(folder / file)
    del weights[min(weights)]
    save_file(weights, folder / file, metadata={"format": "pt"})
    with pytest.raises(XrayError, match="lack 1 tensors"):
        load(folder)


@pytest.mark.parametrize("file", [UNET, "text_encoder/model.safetensors"])
def test_a_tensor_of_another_shape_is_refused(folder: Path, file: str) -> None:
    weights = load_file(folder / file)
    weights[min(weights)] = np.zeros(7, np.float32)
    save_file(weights, folder / file, metadata={"format": "pt"})
    with pytest.raises(XrayError, match=f"cannot load '.*{Path(file).parent}'"):
        load(folder)


def test_weights_in_half_precision_only_are_found(folder: Path) -> None:
    for file in list(folder.glob("*/*.safetensors")):
        half = {name: tensor.astype(np.float16) for name, tensor in load_file(file).items()}
        save_file(half, file.with_suffix(".fp16.safetensors"), metadata={"format": "pt"})
        file.unlink()
    check(folder)
    load(folder)


def test_weights_in_several_files_are_all_needed(folder: Path) -> None:
    from diffusers import UNet2DConditionModel

    UNet2DConditionModel.from_pretrained(folder / "unet").save_pretrained(folder / "unet", max_shard_size="100KB")
    shards = sorted((folder / "unet").glob("*-of-*.safetensors"))
    assert len(shards) > 1
    check(folder)
    load(folder)
    shards[-1].unlink()
    with pytest.raises(XrayError, match=f"weights are missing: '.*{shards[-1].name}'"):
        check(folder)


def test_what_only_a_safety_checker_needs_may_be_left_out(sd15_base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sd15_base, tmp_path / "pipeline"))
    index(folder, feature_extractor=["transformers", "CLIPImageProcessor"])
    assert "feature_extractor" not in read_folder(folder).parts
    load(folder)


def test_a_controlnet_or_vae_is_looked_at_too(sdxl: Path, tmp_path: Path) -> None:
    for role in ("vae", "controlnet"):
        with pytest.raises(XrayError, match=r"no folder of a network"):
            build_painter({"kind": "sdxl", "model": str(sdxl), role: str(tmp_path)}).check([])


def test_a_controlnet_or_vae_of_another_model_is_refused(sdxl: Path, controlnet: Path, tmp_path: Path) -> None:
    with pytest.raises(XrayError, match="is for another model: its cross_attention_dim is 16, and the UNet's"):
        load(sdxl, controlnet=str(controlnet))
    from diffusers import AutoencoderKL

    AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, latent_channels=2).save_pretrained(tmp_path)
    with pytest.raises(XrayError, match="is for another model: its latent_channels is 2"):
        load(sdxl, vae=str(tmp_path))


def test_a_lora_is_one_safetensors_file(lora: Path, tmp_path: Path) -> None:
    assert lora_file(lora) == lora_file(lora.parent) == lora
    with pytest.raises(XrayError, match="there are: none"):
        lora_file(tmp_path)
    for name in ("a.safetensors", "b.safetensors"):
        shutil.copy(lora, tmp_path / name)
    with pytest.raises(XrayError, match=r"there are: a\.safetensors, b\.safetensors"):
        lora_file(tmp_path)
    (tmp_path / "c.bin").write_bytes(pickle.dumps(Payload(tmp_path / "canary")))
    with pytest.raises(XrayError, match=r"refused the weights '.*c\.bin'"):
        lora_file(tmp_path / "c.bin")
    assert not (tmp_path / "canary").exists()
    (tmp_path / "a.safetensors").write_bytes(lora.read_bytes()[:-1])
    with pytest.raises(XrayError, match=r"refused the weights '.*a\.safetensors': damaged or cut off"):
        lora_file(tmp_path / "a.safetensors")


def test_a_lora_of_another_model_is_refused(sd15: Path, sdxl: Path, lora: Path, tmp_path: Path) -> None:
    with pytest.raises(XrayError, match=r"cannot load '.*lora\.safetensors'"):
        load(sd15, lora=str(lora))
    zeros = {f"transformer.x.lora_{part}.weight": np.zeros((2, 2), np.float32) for part in "AB"}
    save_file(zeros, tmp_path / "flux.safetensors")
    with pytest.raises(XrayError, match="changes nothing"):
        load(sdxl, lora=str(tmp_path / "flux.safetensors"))
