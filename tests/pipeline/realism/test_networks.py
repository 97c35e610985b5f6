from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xray.backgrounds.filtering.clip import Clip
from xray.core.errors import XrayError
from xray.pipeline.realism.networks import LPIPS_SIDE, Inception, Lpips, clip_scores
from xray.scenarios import Photo

Pixels = Any


def noise(seed: int, height: int = 80, width: int = 100) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def centre(height: int = 80, width: int = 100) -> Any:
    mask = np.zeros((height, width), bool)
    mask[20:60, 30:70] = True
    return mask


def test_features_match_torchmetrics(inception_file: Path) -> None:
    import torch
    from torchmetrics.image.fid import NoTrainInceptionV3

    images = [noise(0), noise(1), noise(2, 60, 90), noise(3)]
    features = Inception(inception_file, 192).features(images)
    network = NoTrainInceptionV3("inception-v3-compat", ["192"], str(inception_file))
    with torch.inference_mode():
        expected = [network(torch.from_numpy(image.transpose(2, 0, 1)[None].copy()))[0].numpy() for image in images]
    assert features.shape == (4, 192)
    assert np.allclose(features, np.stack(expected), atol=1e-5)
    assert np.abs(features[0] - features[2]).max() > 1e-3


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("load", [Inception, Lpips])
def test_code_in_weights_never_runs(load: Any, tmp_path: Path) -> None:
    import torch

    torch.save({"features.0.weight": Payload(tmp_path / "ran")}, tmp_path / "evil.pth")
    with pytest.raises(XrayError, match=r"evil\.pth"):
        load(tmp_path / "evil.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Payload(tmp_path / "ran"), protocol=2))
    with pytest.raises(XrayError, match=r"old\.pth"):
        load(tmp_path / "old.pth")
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_network_are_refused(inception_file: Path, alexnet_file: Path) -> None:
    with pytest.raises(XrayError, match="Inception-v3"):
        Inception(alexnet_file)
    with pytest.raises(XrayError, match="AlexNet"):
        Lpips(inception_file)


def test_clip_score_matches_torchmetrics(clip_folder: Path) -> None:
    import torch
    from torchmetrics.functional.multimodal import clip_score
    from transformers import CLIPModel, CLIPProcessor

    model, processor = CLIPModel.from_pretrained(clip_folder), CLIPProcessor.from_pretrained(clip_folder)
    images, texts = model.get_image_features, model.get_text_features
    model.get_image_features = lambda pixels: images(pixels).pooler_output
    model.get_text_features = lambda ids, attended: texts(ids, attended).pooler_output
    pictures, prompts = [noise(seed) for seed in range(6)], ["snow", "a beach", "fog", "a road", "sand", "x y z"]
    scores = clip_scores(Clip(str(clip_folder)), pictures, prompts)
    expected = []
    for picture, prompt in zip(pictures, prompts, strict=True):
        tensor = torch.from_numpy(picture.transpose(2, 0, 1).copy())
        expected.append(float(clip_score(tensor, prompt, lambda: (model, processor)).detach()))
    assert scores == pytest.approx(expected, abs=1e-3)
    assert scores.min() > 0


def test_a_negative_cosine_scores_0(clip_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "opposite"
    shutil.copytree(clip_folder, folder)
    weights = load_file(folder / "model.safetensors")
    weights["text_projection.weight"] *= -1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert clip_scores(Clip(str(clip_folder)), [noise(0)], ["snow"]) > 0
    assert clip_scores(Clip(str(folder)), [noise(0)], ["snow"]) == 0


def test_equal_backgrounds_have_distance_0_whatever_the_object(alexnet_file: Path) -> None:
    lpips = Lpips(alexnet_file)
    image = noise(0)
    other = image.copy()
    other[centre()] = 255
    assert lpips.outside(Photo(other, centre()), image) == 0
    other[:20] = 0
    assert (lpips.outside(Photo(other, centre()), image) or 0) > 1e-3


@pytest.mark.filterwarnings("ignore:.*since 0.13.*:UserWarning")
def test_the_distance_is_the_mean_of_the_published_map(alexnet_file: Path) -> None:
    lpips = pytest.importorskip("lpips")
    import torch
    from safetensors.torch import load_file

    published = lpips.LPIPS(net="alex", spatial=True, pnet_rand=True, verbose=False)
    weights = load_file(alexnet_file)
    for name, tensor in published.net.state_dict().items():
        tensor.copy_(weights["features." + name.partition(".")[2]])
    height, width = 3 * LPIPS_SIDE // 4, LPIPS_SIDE  # needs no scaling
    mask = np.zeros((height, width), bool)
    mask[100:200, 100:300] = True
    image, original = noise(1, height, width), noise(2, height, width)
    pasted = np.where(mask[..., None], original, image)
    pair = torch.from_numpy(np.stack([pasted, original]).transpose(0, 3, 1, 2)).float() / 127.5 - 1
    with torch.inference_mode():
        map_HW = published(pair[:1], pair[1:])[0, 0].numpy()
    distance = Lpips(alexnet_file).outside(Photo(image, mask), original)
    assert distance == pytest.approx(map_HW[~mask].mean(), rel=1e-4)
    assert distance != pytest.approx(map_HW.mean(), rel=1e-2)


def test_incomparable_images_have_no_distance(alexnet_file: Path) -> None:
    lpips = Lpips(alexnet_file)
    image = noise(0)
    assert lpips.outside(Photo(image, centre()), noise(1, 80, 99)) is None
    assert lpips.outside(Photo(image, np.ones((80, 100), bool)), image) is None
    assert lpips.outside(Photo(noise(0, 40, 400), centre(40, 400)), noise(1, 40, 400)) is None
