from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tiny_sam import TINY

from xray.core.errors import XrayError
from xray.masks.sam.meta import architecture_of, build_module, read_checkpoint
from xray.masks.sam.refiner import Sam

Weights = dict[str, Any]


def load(path: Path) -> None:
    Sam(model=str(path)).load("cpu")


def read(file: Path) -> Weights:
    import torch

    weights: Weights = torch.load(file, weights_only=True)
    return weights


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_the_published_architectures_are_read_from_shapes(name: str) -> None:
    import torch
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        theirs = sam_model_registry[name]()
        found = architecture_of(theirs.state_dict())
        ours: Any = build_module(found)
    assert repr(ours) == repr(theirs)
    assert found.img_size == 1024
    for mine, wanted in zip(ours.image_encoder.blocks, theirs.image_encoder.blocks, strict=True):
        assert mine.window_size == wanted.window_size
        assert mine.attn.num_heads == wanted.attn.num_heads
        assert mine.norm1.eps == wanted.norm1.eps
    shapes = {key: value.shape for key, value in theirs.state_dict().items()}
    assert {key: value.shape for key, value in ours.state_dict().items()} == shapes


def test_a_tiny_one_is_read_as_well(sam_checkpoint: Path) -> None:
    module, found = read_checkpoint(sam_checkpoint)
    assert found == TINY
    weights = read(sam_checkpoint)
    assert all((value == weights[key]).all() for key, value in module.state_dict().items())


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.canary,))


def test_a_pickle_payload_is_refused_by_name_and_never_runs(tmp_path: Path, sam_checkpoint: Path) -> None:
    import torch

    canary = tmp_path / "canary"
    file = tmp_path / "evil.pth"
    torch.save({**read(sam_checkpoint), "payload": Payload(canary)}, file)
    with pytest.raises(XrayError, match=r"refused the weights '.*evil\.pth'"):
        load(file)
    assert not canary.exists()
    torch.load(file, weights_only=False)
    assert canary.exists(), "the payload is one"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pth"])
def test_a_folder_with_nothing_but_a_pickle_is_refused(tmp_path: Path, sam_folder: Path, name: str) -> None:
    import torch

    canary, folder = tmp_path / "canary", tmp_path / "model"
    shutil.copytree(sam_folder, folder)
    (folder / "model.safetensors").unlink()
    torch.save({"payload": Payload(canary)}, folder / name)
    with pytest.raises(XrayError, match=name.replace(".", r"\.")):
        load(folder)
    assert not canary.exists()


@pytest.mark.parametrize("keep", [0, 10, 1000, -1000, -1])
def test_a_cut_off_checkpoint_is_refused_by_name(tmp_path: Path, sam_checkpoint: Path, keep: int) -> None:
    file = tmp_path / "cut.pth"
    file.write_bytes(sam_checkpoint.read_bytes()[:keep])
    with pytest.raises(XrayError, match=r"cut\.pth"):
        load(file)


@pytest.mark.parametrize("keep", [0, 7, 1000, -1000, -1])
@pytest.mark.parametrize("kind", ["sam_folder", "sam2_folder"])
def test_cut_off_safetensors_are_refused_by_name(
    tmp_path: Path, kind: str, keep: int, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(request.getfixturevalue(kind), folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(XrayError, match=r"/cut'"):
        load(folder)


def _without(name: str) -> Callable[[Weights], Weights]:
    return lambda weights: {key: value for key, value in weights.items() if key != name}


def _with(**changes: Callable[[Any], Any]) -> Callable[[Weights], Weights]:
    named = {key.replace("__", "."): change for key, change in changes.items()}
    return lambda weights: {key: named[key](value) if key in named else value for key, value in weights.items()}


OTHERS: dict[str, tuple[Callable[[Weights], Weights], str]] = {
    "a MobileSAM": (
        lambda weights: {key.replace(".blocks.", ".layers."): value for key, value in weights.items()},
        "no checkpoint of segment_anything: it has no 'image_encoder.blocks'",
    ),
    "a classifier": (
        lambda weights: {"fc.weight": weights["image_encoder.neck.0.weight"]},
        r"it has no 'image_encoder.patch_embed.proj.weight'",
    ),
    "an HQ-SAM": (
        lambda weights: {**weights, "mask_decoder.hf_token.weight": weights["mask_decoder.iou_token.weight"]},
        r"do not fit segment_anything's SAM .*: 1 unexpected \(mask_decoder.hf_token.weight\)",
    ),
    "an encoder alone": (
        lambda weights: {key: value for key, value in weights.items() if key.startswith("image_encoder.")},
        "it has no 'prompt_encoder.mask_downscaling.3.weight'",
    ),
    "one with a weight less": (
        _without("prompt_encoder.no_mask_embed.weight"),
        r"1 missing \(prompt_encoder.no_mask_embed.weight\)",
    ),
    "one with a weight of another shape": (
        _with(mask_decoder__iou_token__weight=lambda value: value[:, :7]),
        r"1 of another shape \(mask_decoder.iou_token.weight is \(1, 7\), not \(1, 32\)\)",
    ),
    "one with windows of several sizes": (
        _with(
            image_encoder__blocks__0__attn__rel_pos_h=lambda value: value[:3],
            image_encoder__blocks__1__attn__rel_pos_h=lambda value: value[:5],
        ),
        "attention windows of 2 sizes",
    ),
    "one whose channels do not suit 8 heads": (
        _with(image_encoder__neck__0__weight=lambda value: value[:12]),
        "no checkpoint of segment_anything: num_heads must divide",
    ),
    "one with patches of three dimensions": (
        _with(image_encoder__patch_embed__proj__weight=lambda value: value[..., 0]),
        "no checkpoint of segment_anything: ",
    ),
    "one without extent": (
        _with(image_encoder__blocks__1__attn__rel_pos_h=lambda value: value[:, :0]),
        "no checkpoint of segment_anything: ",
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path, sam_checkpoint: Path, what: str) -> None:
    import torch

    change, message = OTHERS[what]
    file = tmp_path / "other.pth"
    torch.save(change(read(sam_checkpoint)), file)
    with pytest.raises(XrayError, match=message) as caught:
        load(file)
    assert "other.pth" in str(caught.value)


def test_what_is_no_dict_of_tensors_is_refused(tmp_path: Path, sam_checkpoint: Path) -> None:
    import torch

    for content in ({"model": read(sam_checkpoint)}, [1, 2], {}):
        torch.save(content, tmp_path / "sam2.pt")
        with pytest.raises(XrayError, match=r"refused the weights .*sam2\.pt': not a dict of tensors"):
            load(tmp_path / "sam2.pt")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "is no model of transformers: no readable config.json"),
        ("{", "is no model of transformers: no readable config.json"),
        ("[]", r"is no SAM: its model_type is None \(choices: sam, sam2\)"),
        ('{"model_type": "vit"}', r"is no SAM: its model_type is 'vit' \(choices: sam, sam2\)"),
        ('{"model_type": ["sam"]}', "is no SAM"),
    ],
)
def test_a_folder_that_is_no_sam_is_refused(tmp_path: Path, sam_folder: Path, config: str | None, message: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(sam_folder, folder)
    (folder / "config.json").unlink()
    if config is not None:
        (folder / "config.json").write_text(config)
    with pytest.raises(XrayError, match=message):
        load(folder)


def changed_config(folder: Path, **parts: dict[str, Any]) -> None:
    config = json.loads((folder / "config.json").read_text())
    for name, values in parts.items():
        config[name] |= values
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("kind", ["sam_folder", "sam2_folder"])
def test_weights_that_do_not_fill_the_model_are_refused(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(request.getfixturevalue(kind), folder)
    weights = load_file(folder / "model.safetensors")
    name = "mask_decoder.iou_token.weight"
    for left, message in (
        (_without(name)(weights), r"/model' lack 1 of Sam.*Model \(mask_decoder.iou_token.weight\)"),
        ({**weights, name: weights[name][:, :5].contiguous()}, r"cannot read a Sam.*Model from the folder .*/model'"),
    ):
        save_file(left, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(XrayError, match=message):
            load(folder)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    load(folder)
    changed_config(folder, mask_decoder_config={"hidden_size": 48})
    with pytest.raises(XrayError, match=r"/model'"):
        load(folder)


def test_a_folder_without_a_processor_is_refused(tmp_path: Path, sam_folder: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(sam_folder, folder)
    for file in folder.glob("*processor*.json"):
        file.unlink()
    with pytest.raises(XrayError, match=r"cannot read a SamProcessor from the folder .*/model'"):
        load(folder)


def test_a_processor_of_another_size_is_said_when_loading(tmp_path: Path, sam_folder: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(sam_folder, folder)
    changed_config(folder, vision_config={"image_size": 128}, prompt_encoder_config={"image_size": 128})
    (file,) = folder.glob("*processor*.json")
    file.write_text(file.read_text().replace("128", "96"))
    with pytest.raises(XrayError, match=r"does not run on cpu"):
        load(folder)


def test_weights_that_are_not_there_say_how_to_get_them() -> None:
    with pytest.raises(XrayError, match="sam-vit-h"):
        Sam().load("cpu")


@pytest.mark.parametrize("kind", ["sam_checkpoint", "sam_folder"])
def test_a_device_that_is_not_there_is_said(kind: str, request: pytest.FixtureRequest) -> None:
    import torch

    reference = str(request.getfixturevalue(kind))
    absent = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(XrayError, match=f"does not run on {absent}"):
        Sam(model=reference, dtype="float32").load(absent)
