from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.backgrounds.clip import Clip
from xray.backgrounds.filter import Filter, Judged, reason_of
from xray.categories import Category
from xray.errors import Rejected, XrayError
from xray.masks import Refined, Unrefined
from xray.plugins import settings_of
from xray.scenarios import Photo
from xray.schema import FILTERED, REASONS

FOX = Category(name="red fox", indices=(277, 278))
Pixels = Any


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_clip import tiny_clip

    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("timm") / "weights.safetensors"
    save_file(timm.create_model("test_efficientnet").state_dict(), path)
    return f"timm:test_efficientnet@{path}"


def picture(seed: int, *, background: int | None = None, nsfw: bool | None = None, prompt: str = "in snow") -> Judged:
    """An object of bright noise in the upper left quarter, before noise or one colour."""
    draw = np.random.default_rng(seed)
    image = draw.integers(0, 200, (48, 64, 3), dtype=np.uint8)
    if background is not None:
        image[:] = background
    mask = np.zeros((48, 64), bool)
    mask[8:24, 8:32] = True
    image[mask] = draw.integers(201, 256, (mask.sum(), 3), dtype=np.uint8)
    return Judged(Photo(np.zeros_like(image), mask), image, FOX, prompt, nsfw)


def test_a_blank_background_is_refused_however_the_object_looks() -> None:
    loaded = Filter().load("cpu", None)
    items = [picture(0), picture(1, background=0), picture(2, background=130)]
    assert [verdict.reason for verdict in loaded.judge(items)] == ["", "blank_picture", "blank_picture"]
    assert [verdict.measures["contrast"] > 0 for verdict in loaded.judge(items)] == [True, False, False]
    assert loaded.judge([]) == []
    assert loaded.facts == {}


def test_contrast_is_that_of_the_luma() -> None:
    (verdict,) = Filter().load("cpu").judge([picture(0)])
    item = picture(0)
    luma = item.image.astype(float) @ [0.299, 0.587, 0.114]
    assert verdict.measures["contrast"] == pytest.approx(luma[~item.photo.mask].std(), abs=0.05)


def test_the_painters_own_checker_counts() -> None:
    verdicts = Filter().load("cpu").judge([picture(0, nsfw=True, background=0), picture(0, nsfw=False), picture(0)])
    assert [verdict.reason for verdict in verdicts] == ["nsfw", "", ""]
    assert [verdict.measures.get("nsfw") for verdict in verdicts] == [1.0, 0.0, None]


def test_without_models_it_needs_no_torch() -> None:
    code = "from xray.backgrounds.filter import Filter; Filter().load('cpu').judge([]); import sys; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"


def test_a_classifier_sees_the_picture_without_its_object(classifier: str) -> None:
    import torch

    from xray.models import parse_model

    items = [picture(seed) for seed in range(3)]
    loaded = Filter(classifier=classifier).load("cpu")
    network = parse_model(classifier).load("cpu")
    inputs = []
    for item in items:
        hidden = item.image.copy()
        hidden[item.photo.mask] = np.rint(item.image[~item.photo.mask].mean(axis=0))
        inputs.append(network.preprocess(hidden))
    wanted = network.predict(torch.stack(inputs))[:, [277, 278]].sum(axis=1)
    verdicts = loaded.judge(items)
    assert [verdict.measures["repeated"] for verdict in verdicts] == pytest.approx(wanted, abs=2e-6)
    assert {verdict.reason for verdict in verdicts} == {""}
    strict = Filter(classifier=classifier, max_repeated=float(wanted.min()) / 2).load("cpu")
    assert {verdict.reason for verdict in strict.judge(items)} == {"object_repeated"}
    assert loaded.facts["classifier"]["weights"] == network.weights_sha256

    for item in items:  # what the object looks like does not matter
        item.image[item.photo.mask] = 255
    assert loaded.judge(items)[0].measures["repeated"] == verdicts[0].measures["repeated"]


def test_cosines_are_those_of_the_model(clip_folder: Path) -> None:
    import torch
    from transformers import CLIPModel, CLIPProcessor

    items = [picture(0, prompt="in snow"), picture(1, prompt="on a beach")]
    verdicts = Filter(clip=str(clip_folder)).load("cpu").judge(items)
    model, processor = CLIPModel.from_pretrained(clip_folder), CLIPProcessor.from_pretrained(clip_folder)
    texts = ["in snow", "on a beach", "a photo of a red fox"]
    inputs = processor(text=texts, images=[item.image for item in items], padding=True, return_tensors="pt")
    with torch.inference_mode():
        cosines = (model(**inputs).logits_per_image / model.logit_scale.exp()).numpy()
    assert [verdict.measures["prompt_similarity"] for verdict in verdicts] == pytest.approx(
        cosines[[0, 1], [0, 1]], abs=2e-6
    )
    assert [verdict.measures["category_similarity"] for verdict in verdicts] == pytest.approx(cosines[:, 2], abs=2e-6)
    assert {verdict.reason for verdict in verdicts} == {""}


def test_cosines_below_the_thresholds_are_refused(clip_folder: Path) -> None:
    def reason(**thresholds: float) -> str:
        return Filter(clip=str(clip_folder), **thresholds).load("cpu").judge([picture(0)])[0].reason  # type: ignore[arg-type]

    assert reason(min_prompt_similarity=1.0) == "prompt_missed"
    assert reason(min_category_similarity=1.0) == "category_missed"
    assert reason(min_category_similarity=1.0, min_prompt_similarity=1.0) == "category_missed"
    assert reason(min_category_similarity=-1.0, min_prompt_similarity=-1.0) == ""


def test_a_long_prompt_is_cut_for_the_cosine_and_keeps_its_end(clip_folder: Path) -> None:
    clip = Clip(str(clip_folder))
    assert clip.context == 20
    tokens = clip._processor.tokenizer(["z " * 17 + "z"])["input_ids"][0]
    assert len(tokens) == 20
    assert np.array_equal(clip.text("z " * 40), clip.text("z " * 18))
    assert not np.array_equal(clip.text("z " * 17), clip.text("z " * 18))


def test_the_same_pictures_get_the_same_numbers(clip_folder: Path, classifier: str) -> None:
    items = [picture(seed) for seed in range(11)]
    loaded = Filter(clip=str(clip_folder), classifier=classifier).load("cpu")
    together = loaded.judge(items)
    assert loaded.judge(items) == together
    assert json.loads(json.dumps([dict(verdict.measures) for verdict in together])) == [v.measures for v in together]
    for item, verdict in zip(items, together, strict=True):
        (alone,) = loaded.judge([item])
        assert alone.measures == pytest.approx(verdict.measures, abs=1e-5)


@pytest.mark.parametrize("flags", [True, False])
def test_the_safety_checker(flags: bool, tmp_path: Path) -> None:
    from tiny_clip import tiny_checker

    loaded = Filter(safety=str(tiny_checker(tmp_path, flags=flags))).load("cpu")
    verdicts = loaded.judge([picture(0), picture(1, nsfw=True), picture(2, nsfw=False)])
    assert [verdict.reason for verdict in verdicts] == (["nsfw"] * 3 if flags else ["", "nsfw", ""])
    assert [verdict.measures["nsfw"] for verdict in verdicts] == ([1.0] * 3 if flags else [0.0, 1.0, 0.0])
    assert loaded.facts["safety"] == str(tmp_path)


class Bright:
    """A mask refiner: all that is bright is the object."""

    facts: Mapping[str, Any] = {"refiner": "bright"}

    def __init__(self) -> None:
        self.asked: list[Unrefined] = []

    def prepare(self, item: Unrefined) -> Any:
        if item.decoded.image.max() == 0:
            raise Rejected("no_object")
        self.asked.append(item)
        return item.decoded.image

    def run(self, batch: Sequence[Any]) -> Sequence[Any]:
        return [image.min(axis=2) > 200 for image in batch]

    def finish(self, item: Unrefined, raw: Any) -> Refined:
        return Refined(raw, "bright")


def test_an_object_that_grew_is_refused() -> None:
    refiner = Bright()
    grown, dark = picture(0), picture(2)
    grown.image[24:33, 8:32] = 240
    dark.image[:] = 0
    verdicts = Filter(refine=True).load("cpu", refiner).judge([grown, picture(1), dark])
    assert [verdict.measures.get("growth") for verdict in verdicts] == [9 / 16, 0.0, None]
    assert [verdict.reason for verdict in verdicts] == ["object_extended", "", "blank_picture"]
    assert refiner.asked[0].hint.boxes == ((8.0, 8.0, 32.0, 24.0),)
    assert refiner.asked[0].hint.mask is None
    assert Filter(refine=True, max_growth=0.6).load("cpu", refiner).judge([grown])[0].reason == ""
    assert "growth" not in Filter().load("cpu", refiner).judge([grown])[0].measures


MEASURES = st.fixed_dictionaries(
    {"contrast": st.floats(0, 128)},
    optional={
        "nsfw": st.sampled_from([0.0, 1.0]),
        "growth": st.floats(0, 3),
        "repeated": st.floats(0, 1),
        "category_similarity": st.floats(-1, 1),
        "prompt_similarity": st.floats(-1, 1),
    },
)
ORDER = ["nsfw", "blank_picture", "object_extended", "object_repeated", "category_missed", "prompt_missed"]


@given(MEASURES)
def test_the_reason_is_the_first_that_holds(measures: dict[str, float]) -> None:
    settings = Filter(clip="c", min_prompt_similarity=0.2, min_category_similarity=0.1)
    assert set(ORDER) == FILTERED <= REASONS.keys()
    reason = reason_of(measures, settings)
    holds = [
        measures.get("nsfw") == 1,
        measures["contrast"] < 4,
        measures.get("growth", 0) > 0.5,
        measures.get("repeated", 0) > 0.5,
        measures.get("category_similarity", 1) < 0.1,
        measures.get("prompt_similarity", 1) < 0.2,
    ]
    assert reason == next((name for name, held in zip(ORDER, holds, strict=True) if held), "")


def test_what_cannot_work_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(XrayError, match=r"`min_prompt_similarity` \(0.2\) needs a CLIP model: set `clip`"):
        Filter(min_prompt_similarity=0.2).check()
    with pytest.raises(XrayError, match="`refine` needs a mask refiner with weights"):
        Filter(refine=True).load("cpu", None)
    with pytest.raises(XrayError, match="nowhere"):
        Filter(clip=str(tmp_path / "nowhere")).check()
    with pytest.raises(XrayError, match="test_eficientnet"):
        Filter(classifier="timm:test_eficientnet").check()
    chosen = Filter(clip="a", safety="b", max_growth=1.0)
    assert chosen.weights() == {"clip": "a", "safety": "b"}
    assert Filter(**settings_of(chosen)) == chosen


def copied(folder: Path, to: Path, **changed: bytes | None) -> Path:
    """A folder with files changed, or left out where they are None; `model_safetensors` is model.safetensors."""
    to.mkdir()
    for path in folder.iterdir():
        data = changed.get(path.name.replace(".", "_"), path.read_bytes())
        if data is not None:
            (to / path.name).write_bytes(data)
    return to


def test_damaged_folders_are_refused(clip_folder: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save

    weights = (clip_folder / "model.safetensors").read_bytes()
    cut = copied(clip_folder, tmp_path / "cut", model_safetensors=weights[: len(weights) // 2])
    with pytest.raises(XrayError, match=r"no CLIPModel in safetensors in the folder .*cut"):
        Clip(str(cut))
    tensors = load_file(clip_folder / "model.safetensors")
    del tensors["visual_projection.weight"]
    less = copied(clip_folder, tmp_path / "less", model_safetensors=save(tensors, {"format": "pt"}))
    with pytest.raises(XrayError, match="lack 1 of CLIPModel"):
        Clip(str(less))
    unready = copied(clip_folder, tmp_path / "unready", processor_config_json=None)
    with pytest.raises(XrayError, match="no CLIPProcessor"):
        Clip(str(unready))
    pickled = copied(clip_folder, tmp_path / "pickled", model_safetensors=None)
    torch.save(load_file(clip_folder / "model.safetensors"), pickled / "pytorch_model.bin")
    with pytest.raises(XrayError, match=r"refused the weights .*pytorch_model\.bin.*pickle"):
        Clip(str(pickled))
