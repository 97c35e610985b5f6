from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from xray.core.errors import XrayError
from xray.core.images import decode
from xray.models import Loaded, parse_model
from xray.models.weights.checkpoint import weights_sha256


@pytest.fixture(scope="session")
def specs(timm_file: Path, timm_folder: Path, torchvision_file: Path, hf_folder: Path) -> dict[str, str]:
    return {
        "timm file": f"timm:test_efficientnet@{timm_file}",
        "timm folder": str(timm_folder),
        "torchvision file": f"torchvision:mobilenet_v3_small@{torchvision_file.as_uri()}",
        "hf folder": str(hf_folder),
        "lite": "lite:efficientnet-lite0",
    }


@pytest.fixture(scope="session")
def loaded(specs: dict[str, str]) -> dict[str, Loaded]:
    return {name: parse_model(spec).load("cpu") for name, spec in specs.items()}


@pytest.fixture(scope="session")
def image(images: list[bytes]) -> np.ndarray:
    return decode(images[0]).image


FAMILIES = ("timm file", "timm folder", "torchvision file", "hf folder", "lite")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_probabilities_and_identifies_its_weights(
    loaded: dict[str, Loaded], specs: dict[str, str], image: np.ndarray, family: str
) -> None:
    model, classifier = loaded[family], parse_model(specs[family])
    inputs = model.preprocess(image)
    assert (inputs.dtype, inputs.ndim) == (torch.float32, 3)
    batch = torch.stack([inputs, -inputs])
    probabilities = model.predict(batch)
    assert (probabilities.shape, probabilities.dtype) == ((2, 1000), np.float32)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities[0] != probabilities[1]).any()
    assert (model.predict(batch) == probabilities).all()

    classifier.check()
    assert pickle.loads(pickle.dumps(classifier)) == classifier
    again = classifier.load("cpu")
    assert len(model.weights_sha256) == 64
    assert again.weights_sha256 == model.weights_sha256
    assert hash(again.preprocessing_key) == hash(model.preprocessing_key)
    assert again.preprocessing_key == model.preprocessing_key


def test_loaded_weights_are_the_files(timm_file: Path, loaded: dict[str, Loaded], image: np.ndarray) -> None:
    import timm
    from safetensors.torch import load_file

    module = timm.create_model("test_efficientnet").eval()
    module.load_state_dict(load_file(timm_file))
    inputs = loaded["timm file"].preprocess(image)[None]
    with torch.no_grad():
        expected = module(inputs).softmax(dim=1).numpy()
    np.testing.assert_allclose(loaded["timm file"].predict(inputs), expected, rtol=1e-5)
    assert loaded["timm file"].weights_sha256 == weights_sha256(module)
    for other in ("timm folder", "hf folder"):
        assert loaded[other].weights_sha256 != loaded["timm file"].weights_sha256


def test_the_hash_is_over_names_types_shapes_and_values() -> None:
    def module(**tensors: torch.Tensor) -> torch.nn.Module:
        result = torch.nn.Module()
        for name, tensor in tensors.items():
            result.register_buffer(name, tensor)
        return result

    zeros = torch.zeros(2, 3)
    variants = [
        module(a=zeros),
        module(b=zeros),
        module(a=zeros.reshape(3, 2)),
        module(a=zeros.to(torch.int32)),
        module(a=zeros.to(torch.bfloat16)),
        module(a=torch.tensor([[0, 0, 0], [0, 0, 1e-30]])),
        module(a=zeros, b=torch.tensor(1)),
    ]
    assert len({weights_sha256(variant) for variant in variants}) == len(variants)
    assert weights_sha256(module(a=zeros, b=zeros + 1)) == weights_sha256(module(b=zeros + 1, a=zeros))
    assert weights_sha256(module(a=torch.arange(6.0).reshape(2, 3).T)) == weights_sha256(
        module(a=torch.arange(6.0).reshape(2, 3).T.contiguous())
    )


def test_preprocessing_is_applied_and_described(loaded: dict[str, Loaded], image: np.ndarray) -> None:
    sizes = {name: tuple(model.preprocess(image).shape) for name, model in loaded.items()}
    assert sizes["lite"] == sizes["torchvision file"] == (3, 224, 224)
    assert sizes["hf folder"] == (3, 32, 32)
    half = "mean (0.5, 0.5, 0.5), std (0.5, 0.5, 0.5)"
    assert loaded["lite"].preprocessing == f"224×224, center crop 0.875, bicubic, {half}"
    assert loaded["torchvision file"].preprocessing.startswith(
        "shorter side 256, centre crop 224, bilinear, mean (0.485"
    )
    assert "'height': 32" in loaded["hf folder"].preprocessing
    grey = np.full((50, 70, 3), 255, np.uint8)
    assert loaded["lite"].preprocess(grey).unique().tolist() == [1.0]
    assert torch.allclose(loaded["hf folder"].preprocess(grey), torch.tensor(1.0))
    red = np.array([[[255, 0, 0]]], np.uint8).repeat(50, 0).repeat(70, 1)
    assert loaded["lite"].preprocess(red).amax(dim=(1, 2)).tolist() == [1, -1, -1], "channels are red, green, blue"


def test_lite_classifies_real_photographs(photos12: Path, loaded: dict[str, Loaded]) -> None:
    lines = (photos12 / "groups.csv").read_text().splitlines()[1:]
    groups = {line.split(",")[0]: set(map(int, line.split(",")[1].split())) for line in lines}
    paths = sorted((photos12 / "images").rglob("*.JPEG"))
    assert len(paths) >= 60
    paths = paths[::3]
    model = loaded["lite"]
    inputs = torch.stack([model.preprocess(decode(path.read_bytes()).image) for path in paths])
    top1 = np.concatenate([model.predict(batch).argmax(axis=1) for batch in inputs.split(16)])
    correct = [int(index) in groups[path.parent.name] for index, path in zip(top1, paths, strict=True)]
    assert np.mean(correct) > 0.8


def test_an_absent_device_is_named(specs: dict[str, str]) -> None:
    with pytest.raises(XrayError, match="'cuda:99'"):
        parse_model(specs["timm file"]).load("cuda:99")
    with pytest.raises(XrayError, match="'gpu'"):
        parse_model(specs["timm file"]).load("gpu")
