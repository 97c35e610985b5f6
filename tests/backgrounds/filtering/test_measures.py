from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.filter_inputs import BrightPixels, make_input, unchanged

from xray.backgrounds.filtering.clip import Clip
from xray.backgrounds.filtering.settings import Filter
from xray.core.errors import XrayError
from xray.core.types import Photo
from xray.masks.sam.refiner import Sam
from xray.sources.categories import Category


def test_blank_background_is_rejected() -> None:
    loaded = Filter().load("cpu", None)
    item = make_input(0)
    verdicts = loaded.judge([item, make_input(1, background=0), make_input(2, background=130)])
    assert [verdict.reason for verdict in verdicts] == ["", "blank_picture", "blank_picture"]
    assert [verdict.measures["contrast"] > 0 for verdict in verdicts] == [True, False, False]
    luma = item.image.astype(float) @ [0.299, 0.587, 0.114]
    assert verdicts[0].measures == {"contrast": pytest.approx(luma[~item.photo.mask].std(), abs=0.05)}
    assert loaded.judge([]) == []
    assert loaded.facts == {"checks": ["contrast"]}


def test_inpainters_own_checker_counts() -> None:
    items = [make_input(0, nsfw=True, background=0), make_input(0, nsfw=False)]
    verdicts = Filter().load("cpu").judge(items)
    assert [(verdict.reason, verdict.measures["nsfw"]) for verdict in verdicts] == [("nsfw", 1.0), ("", 0.0)]


def test_classifier_sees_the_image_without_its_object(classifier: str) -> None:
    import torch

    from xray.models import parse_model

    items = [make_input(seed) for seed in range(8)]
    loaded = Filter(classifier=classifier, max_repeated=0).load("cpu")
    network = parse_model(classifier).load("cpu")

    def expected(images: Sequence[Any]) -> Any:
        inputs = []
        for image, item in zip(images, items, strict=True):
            hidden = image.copy()
            hidden[item.photo.mask] = np.rint(image[~item.photo.mask].mean(axis=0))
            inputs.append(network.preprocess(hidden))
        return pytest.approx(network.predict(torch.stack(inputs))[:, [277, 278]].sum(axis=1), abs=2e-6)

    verdicts = loaded.judge(items)
    repeated, before = ([one.measures[name] for one in verdicts] for name in ("repeated", "repeated_before"))
    assert repeated == expected([item.image for item in items])
    assert before == expected([item.photo.image for item in items])
    assert loaded.facts["classifier"]["weights"] == network.weights_sha256
    more = [one > other for one, other in zip(repeated, before, strict=True)]
    assert set(more) == {True, False}
    assert [verdict.reason for verdict in verdicts] == ["object_repeated" if one else "" for one in more]

    same = loaded.judge([unchanged(item) for item in items])
    assert all(verdict.measures["repeated"] == verdict.measures["repeated_before"] > 0 for verdict in same)
    assert {verdict.reason for verdict in same} == {""}


def test_cosines_equal_transformers(clip_folder: Path) -> None:
    import torch
    from transformers import CLIPModel, CLIPProcessor

    eel, ox = (Category(name=name, indices=(1,)) for name in ("eel", "ox"))
    items = [make_input(0, category=eel), make_input(1, prompt="on a beach", category=ox)]
    loaded = Filter(clip=str(clip_folder), names={"ox": "a cow"}).load("cpu")
    verdicts = loaded.judge(items)
    model, processor = CLIPModel.from_pretrained(clip_folder), CLIPProcessor.from_pretrained(clip_folder)
    texts = ["in snow", "on a beach", "a photo of an eel", "a photo of a cow"]
    whole = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
    inputs = processor(text=texts, images=[item.image for item in items], padding=True, return_tensors="pt", **whole)
    with torch.inference_mode():
        cosines = (model(**inputs).logits_per_image / model.logit_scale.exp()).numpy()
    for name, columns in (("prompt_similarity", [0, 1]), ("category_similarity", [2, 3])):
        assert [one.measures[name] for one in verdicts] == pytest.approx(cosines[[0, 1], columns], abs=2e-6)
    assert {verdict.reason for verdict in verdicts} == {""}
    assert "32×32" in loaded.facts["clip_input"]


@pytest.mark.parametrize("flags", [True, False])
def test_safety_checker(flags: bool, tmp_path: Path) -> None:
    from support.tiny_clip import tiny_checker

    loaded = Filter(safety=str(tiny_checker(tmp_path, flags=flags))).load("cpu")
    assert loaded.safety is not None
    seen: list[Any] = []
    loaded.safety._model.register_forward_pre_hook(
        lambda module, args, given: seen.append(given["clip_input"]), with_kwargs=True
    )
    verdicts = loaded.judge([make_input(0), make_input(1, nsfw=True), make_input(2, nsfw=False)])
    assert [verdict.reason for verdict in verdicts] == (["nsfw"] * 3 if flags else ["", "nsfw", ""])
    assert [verdict.measures["nsfw"] for verdict in verdicts] == ([1.0] * 3 if flags else [0.0, 1.0, 0.0])
    assert loaded.facts["safety"] == str(tmp_path)

    item = make_input(0)
    image = item.image.copy()
    image[:, -6:] = 255
    loaded.judge([item, dataclasses.replace(item, image=image)])
    assert seen[-1].shape == (2, 3, 32, 32)
    changed = (seen[-1][0] != seen[-1][1]).any(dim=0).any(dim=0)
    assert not changed[:26].any()
    assert changed[-3:].all(), "the whole image is seen"


def test_long_text_is_truncated_but_keeps_its_end_token(clip_folder: Path) -> None:
    clip = Clip(str(clip_folder))
    assert clip.context == len(clip._processor.tokenizer(["z " * 17 + "z"])["input_ids"][0]) == 20
    assert np.array_equal(clip.text("z " * 40), clip.text("z " * 18))
    assert not np.array_equal(clip.text("z " * 17), clip.text("z " * 18))


def test_results_do_not_depend_on_other_images(clip_folder: Path, classifier: str) -> None:
    items = [make_input(seed) for seed in range(11)]
    loaded = Filter(clip=str(clip_folder), classifier=classifier).load("cpu")
    together = loaded.judge(items)
    assert loaded.judge(items) == together
    for index in (0, 10):
        (alone,) = loaded.judge([items[index]])
        assert alone.measures == pytest.approx(together[index].measures, abs=1e-5)


def test_grown_object_is_rejected() -> None:
    refiner = BrightPixels()
    grown, dark = make_input(0), make_input(2)
    grown.image[24:33, 8:32] = 240
    dark.image[:] = 0
    loaded = Filter(refine=True).load("cpu", refiner)
    verdicts = loaded.judge([grown, make_input(1), dark])
    assert [verdict.measures.get("growth") for verdict in verdicts] == [9 / 16, 0.0, None]
    assert [verdict.reason for verdict in verdicts] == ["object_extended", "", "blank_picture"]
    assert loaded.facts["refiner"] == refiner.facts
    for item in refiner.inputs:
        assert (item.hint.boxes, item.hint.points) == ((), ())
        assert item.hint.mask is not None
        assert (item.hint.mask == grown.photo.mask).all()
    assert Filter(refine=True, max_growth=0.6).load("cpu", refiner).judge([grown])[0].reason == ""
    assert "growth" not in Filter().load("cpu", refiner).judge([grown])[0].measures


def test_unchanged_image_has_no_growth_with_sam(tmp_path: Path) -> None:
    from support.tiny_sam import tiny_sam_folder

    sam = Sam(model=str(tiny_sam_folder(tmp_path / "sam"))).load("cpu")
    items = []
    for seed in range(3):
        item = make_input(seed)
        mask = np.zeros_like(item.photo.mask)
        mask[8:30, 8:24] = np.tri(22, 16, dtype=bool)  # two parts far apart, which one box would join
        mask[20:44, 44:60] = np.tri(24, 16, dtype=bool)
        items.append(dataclasses.replace(item, photo=Photo(item.photo.image, mask)))
    loaded = Filter(refine=True).load("cpu", sam)
    same = loaded.judge([unchanged(item) for item in items])
    assert [verdict.measures["growth"] for verdict in same] == [0, 0, 0]
    assert max(verdict.measures["growth"] for verdict in loaded.judge(items)) > 0


def test_each_photograph_is_measured_once() -> None:
    refiner = BrightPixels()
    first, other = make_input(0), make_input(1)
    variants = [dataclasses.replace(first, image=make_input(seed).image) for seed in range(3)]
    assert len(Filter(refine=True).load("cpu", refiner).judge([*variants, other])) == 4
    images = [id(item.decoded.image) for item in refiner.inputs]
    assert images.count(id(first.photo.image)) == 1
    assert len(images) == 2 + 4


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
    tensors = load_file(clip_folder / "model.safetensors")
    pickled = copied(clip_folder, tmp_path / "pickled", model_safetensors=None)
    torch.save(tensors, pickled / "pytorch_model.bin")
    del tensors["visual_projection.weight"]
    damaged = {
        copied(clip_folder, tmp_path / "cut", model_safetensors=weights[: len(weights) // 2]): "CLIPModel.*cut",
        copied(clip_folder, tmp_path / "less", model_safetensors=save(tensors, {"format": "pt"})): "1 .*CLIPModel",
        copied(clip_folder, tmp_path / "unready", processor_config_json=None): "CLIPProcessor",
        pickled: r"pytorch_model\.bin",
    }
    for folder, named in damaged.items():
        with pytest.raises(XrayError, match=named):
            Clip(str(folder))
