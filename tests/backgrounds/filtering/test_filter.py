from __future__ import annotations

import dataclasses
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

from xray.backgrounds.filtering.clip import Clip
from xray.backgrounds.filtering.judge import MEASURES, FilterInput, rejection_reason
from xray.backgrounds.filtering.settings import Filter
from xray.core.errors import Rejected, XrayError
from xray.core.plugins import settings_of
from xray.core.schema import FILTERED, REASONS
from xray.masks import RefinedMask, RefinerInput
from xray.masks.given import Given
from xray.masks.grabcut import GrabCut
from xray.masks.sam.refiner import Sam
from xray.scenarios import Photo
from xray.sources.categories import Category

FOX = Category(name="red fox", indices=(277, 278))


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from support.tiny_clip import tiny_clip

    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def clip(clip_folder: Path) -> Clip:
    return Clip(str(clip_folder))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("timm") / "weights.safetensors"
    network = timm.create_model("test_efficientnet")
    with torch.no_grad():  # fresh weights give all classes the same probability, whatever the image
        for name, weight in network.named_parameters():
            if weight.ndim > 1:
                gain = 10 if "classifier" in name else 1
                weight.copy_(torch.randn(weight.shape) * (2 / weight[0].numel()) ** 0.5 * gain)
    save_file(network.state_dict(), path)
    return f"timm:test_efficientnet@{path}"


def make_input(seed: int, *, background: int | None = None, nsfw: bool | None = None, prompt: str = "in snow") -> Any:
    """A bright object in the upper left quarter; the inpainted background is other noise, or one colour."""
    rng = np.random.default_rng(seed)
    image, original = rng.integers(0, 200, (2, 48, 64, 3), dtype=np.uint8)
    if background is not None:
        image[:] = background
    mask = np.zeros((48, 64), bool)
    mask[8:24, 8:32] = True
    image[mask] = original[mask] = rng.integers(201, 256, (mask.sum(), 3), dtype=np.uint8)
    return FilterInput(Photo(original, mask), image, FOX, prompt, nsfw)


def unchanged(item: FilterInput) -> FilterInput:
    return dataclasses.replace(item, image=item.photo.image.copy())


def test_blank_background_is_rejected() -> None:
    loaded = Filter().load("cpu", None)
    verdicts = loaded.judge([make_input(0), make_input(1, background=0), make_input(2, background=130)])
    assert [verdict.reason for verdict in verdicts] == ["", "blank_picture", "blank_picture"]
    assert [verdict.measures["contrast"] > 0 for verdict in verdicts] == [True, False, False]
    item = make_input(0)
    luma = item.image.astype(float) @ [0.299, 0.587, 0.114]
    assert verdicts[0].measures["contrast"] == pytest.approx(luma[~item.photo.mask].std(), abs=0.05)
    assert loaded.judge([]) == []
    assert loaded.facts == {"checks": ["contrast"]}


def test_inpainters_own_checker_counts() -> None:
    items = [make_input(0, nsfw=True, background=0), make_input(0, nsfw=False), make_input(0)]
    verdicts = Filter().load("cpu").judge(items)
    assert [verdict.reason for verdict in verdicts] == ["nsfw", "", ""]
    assert [verdict.measures.get("nsfw") for verdict in verdicts] == [1.0, 0.0, None]


def test_without_models_it_needs_no_torch() -> None:
    code = (
        "from xray.backgrounds.filtering.settings import Filter; Filter().load('cpu').judge([]); "
        "import sys; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_classifier_sees_the_image_without_its_object(classifier: str) -> None:
    import torch

    from xray.models import parse_model

    items = [make_input(seed) for seed in range(3)]
    loaded = Filter(classifier=classifier).load("cpu")
    network = parse_model(classifier).load("cpu")

    def expected(images: Sequence[Any]) -> Any:
        inputs = []
        for image, item in zip(images, items, strict=True):
            hidden = image.copy()
            hidden[item.photo.mask] = np.rint(image[~item.photo.mask].mean(axis=0))
            inputs.append(network.preprocess(hidden))
        return pytest.approx(network.predict(torch.stack(inputs))[:, [277, 278]].sum(axis=1), abs=2e-6)

    verdicts = loaded.judge(items)
    assert [verdict.measures["repeated"] for verdict in verdicts] == expected([item.image for item in items])
    before = [verdict.measures["repeated_before"] for verdict in verdicts]
    assert before == expected([item.photo.image for item in items])
    assert {verdict.reason for verdict in verdicts} == {""}
    assert loaded.facts["classifier"]["weights"] == network.weights_sha256

    for item in items:  # the object's own pixels have no influence
        item.image[item.photo.mask] = 255
    assert loaded.judge(items)[0].measures["repeated"] == verdicts[0].measures["repeated"]


def test_increase_over_the_photograph_is_rejected(classifier: str) -> None:
    items = [make_input(seed) for seed in range(8)]
    strict = Filter(classifier=classifier, max_repeated=0).load("cpu")
    verdicts = strict.judge(items)
    more = [verdict.measures["repeated"] > verdict.measures["repeated_before"] for verdict in verdicts]
    assert set(more) == {True, False}
    assert [verdict.reason for verdict in verdicts] == ["object_repeated" if one else "" for one in more]
    same = strict.judge([unchanged(item) for item in items])
    assert all(verdict.measures["repeated"] == verdict.measures["repeated_before"] > 0 for verdict in same)
    assert {verdict.reason for verdict in same} == {""}


def test_cosines_equal_transformers(clip_folder: Path) -> None:
    import torch
    from transformers import CLIPModel, CLIPProcessor

    items = [make_input(0, prompt="in snow"), make_input(1, prompt="on a beach")]
    verdicts = Filter(clip=str(clip_folder)).load("cpu").judge(items)
    model, processor = CLIPModel.from_pretrained(clip_folder), CLIPProcessor.from_pretrained(clip_folder)
    texts = ["in snow", "on a beach", "a photo of a red fox"]
    whole = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
    inputs = processor(text=texts, images=[item.image for item in items], padding=True, return_tensors="pt", **whole)
    with torch.inference_mode():
        cosines = (model(**inputs).logits_per_image / model.logit_scale.exp()).numpy()
    for name, expected in (("prompt_similarity", cosines[[0, 1], [0, 1]]), ("category_similarity", cosines[:, 2])):
        assert [verdict.measures[name] for verdict in verdicts] == pytest.approx(expected, abs=2e-6)
    assert {verdict.reason for verdict in verdicts} == {""}


def test_clip_sees_the_whole_image(clip_folder: Path, clip: Clip) -> None:
    item = make_input(0)
    image = item.image.copy()
    image[:, :3] = 0
    image[:, -3:] = 255
    assert np.array_equal(*clip.images([item.image, image])), "the published preprocessing crops the centre"
    assert not np.array_equal(*clip.images([item.image, image], whole=True))
    loaded = Filter(clip=str(clip_folder)).load("cpu")
    first, second = loaded.judge([item, dataclasses.replace(item, image=image)])
    assert first.measures["category_similarity"] != second.measures["category_similarity"]
    assert "32×32" in loaded.facts["clip_input"]
    assert "32×32" in clip.processing


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
    assert changed[-3:].all()


def test_category_name_has_its_article(clip_folder: Path, clip: Clip) -> None:
    image_ND = clip.images([make_input(0).image], whole=True)

    def cosine(category: str, **names: str) -> float:
        item = dataclasses.replace(make_input(0), category=Category(name=category, indices=(1,)))
        (verdict,) = Filter(clip=str(clip_folder), names=names).load("cpu").judge([item])
        return verdict.measures["category_similarity"]

    def expected(text: str) -> Any:
        return pytest.approx(float(clip.similarity(image_ND, [text])[0]), abs=2e-6)

    assert cosine("eel") == expected("a photo of an eel") != expected("a photo of a eel")
    assert cosine("ox", ox="a cow") == expected("a photo of a cow")


def test_long_text_is_truncated_but_keeps_its_end_token(clip: Clip) -> None:
    assert clip.context == 20
    assert len(clip._processor.tokenizer(["z " * 17 + "z"])["input_ids"][0]) == 20
    assert np.array_equal(clip.text("z " * 40), clip.text("z " * 18))
    assert not np.array_equal(clip.text("z " * 17), clip.text("z " * 18))


def test_results_do_not_depend_on_other_images(clip_folder: Path, classifier: str) -> None:
    items = [make_input(seed) for seed in range(11)]
    loaded = Filter(clip=str(clip_folder), classifier=classifier).load("cpu")
    together = loaded.judge(items)
    assert loaded.judge(items) == together
    assert json.loads(json.dumps([dict(verdict.measures) for verdict in together])) == [v.measures for v in together]
    for index in (0, 10):
        (alone,) = loaded.judge([items[index]])
        assert alone.measures == pytest.approx(together[index].measures, abs=1e-5)


class BrightPixels:
    """A mask refiner for which all bright pixels are the object."""

    facts: Mapping[str, Any] = {"refiner": "bright"}

    def __init__(self) -> None:
        self.inputs: list[RefinerInput] = []

    def prepare(self, item: RefinerInput) -> Any:
        self.inputs.append(item)
        if item.decoded.image.max() == 0:
            raise Rejected("no_object")
        return item.decoded.image

    def run(self, batch: Sequence[Any]) -> Sequence[Any]:
        return [image.min(axis=2) > 200 for image in batch]

    def finish(self, item: RefinerInput, raw: Any) -> RefinedMask:
        return RefinedMask(raw, "bright")


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


def test_what_the_refiner_adds_in_the_photograph_is_no_growth() -> None:
    item = make_input(0)
    item.photo.image[8:24, 32:48] = 240  # bright in the photograph, but not in the given mask
    item.image[8:24, 32:48] = 240
    loaded = Filter(refine=True).load("cpu", BrightPixels())
    assert loaded.judge([item])[0].measures["growth"] == 0
    item.image[24:30, 8:48] = 240
    assert loaded.judge([item])[0].measures["growth"] == pytest.approx(6 * 40 / (16 * 24))


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


MEASURED = st.fixed_dictionaries(
    {"contrast": st.floats(0, 128)},
    optional={
        "nsfw": st.sampled_from([0.0, 1.0]),
        "growth": st.floats(0, 3),
        "repeated": st.floats(0, 1),
        "repeated_before": st.floats(0, 1),
        "category_similarity": st.floats(-1, 1),
        "prompt_similarity": st.floats(-1, 1),
    },
)


@given(MEASURED)
def test_reason_is_the_first_violated_threshold(measures: dict[str, float]) -> None:
    thresholds = Filter(clip="c", min_prompt_similarity=0.2, min_category_similarity=0.1).thresholds()
    violated = {
        "nsfw": measures.get("nsfw") == 1,
        "blank_picture": measures["contrast"] < 4,
        "object_extended": measures.get("growth", 0) > 0.5,
        "object_repeated": measures.get("repeated", 0) - measures.get("repeated_before", 0) > 0.5,
        "category_missed": measures.get("category_similarity", 1) < 0.1,
        "prompt_missed": measures.get("prompt_similarity", 1) < 0.2,
    }
    assert violated.keys() == FILTERED <= REASONS.keys()
    assert rejection_reason(measures, thresholds) == next((name for name, is_so in violated.items() if is_so), "")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"min_prompt_similarity": 0.2}, r"min_prompt_similarity.*0\.2.*clip"),
        ({"min_category_similarity": 0.2}, "min_category_similarity"),
        ({"clip": "/nowhere"}, "nowhere"),
        ({"classifier": "timm:test_eficientnet"}, "test_eficientnet"),
        ({"classifier": "timm:test_efficientnet@/nowhere.safetensors"}, r"nowhere\.safetensors"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(XrayError, match=named):
        Filter(**settings).check()


def test_refine_needs_a_refiner_with_weights() -> None:
    for refiner in (None, Given(), GrabCut()):
        with pytest.raises(XrayError, match="refine"):
            Filter(refine=True).check({}, refiner)
        assert Filter().check({}, refiner) == []
    with pytest.raises(XrayError, match="refine"):
        Filter(refine=True).load("cpu", None)
    assert Filter(refine=True).check({}, Sam()) == []


def test_classifier_that_is_also_evaluated_is_warned_of(classifier: str) -> None:
    settings = Filter(classifier=classifier)
    assert settings.check() == settings.check({"other": "timm:test_vit"}) == []
    (warning,) = settings.check({"other": "timm:test_vit", "mine": classifier})
    assert classifier in warning
    assert "'mine'" in warning
    path = classifier.partition("@")[2]
    assert len(Filter(classifier="torchvision:vgg16").check({"a": "torchvision:vgg16.DEFAULT"})) == 1
    assert Filter(classifier="timm:test_efficientnet").check({"a": f"timm:test_efficientnet@{path}"}) == []
    assert settings.check({"elsewhere": "/nowhere/model"}) == []
    assert Filter().check({"mine": classifier}) == []


def test_weights_by_role(classifier: str, tmp_path: Path) -> None:
    path = classifier.partition("@")[2]
    chosen = Filter(clip="a", safety="b", max_growth=1.0, names={"ox": "a cow"})
    assert chosen.weights() == {"clip": "a", "safety": "b"}
    assert Filter(**settings_of(chosen)) == chosen
    assert Filter(classifier=classifier, clip="c").weights() == {"clip": "c", "classifier": path}
    assert Filter(classifier=f"timm:test_efficientnet@{Path(path).as_uri()}").weights() == {"classifier": path}
    assert Filter(classifier="timm:test_efficientnet").weights() == {}
    for config in ({"architecture": "test_efficientnet"}, {"architectures": ["ViTForImageClassification"]}):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert Filter(classifier=str(tmp_path)).weights() == {"classifier": str(tmp_path)}


def test_checks_are_listed(classifier: str, clip_folder: Path) -> None:
    assert Filter().checks() == ["contrast"]
    assert Filter(safety="s").checks() == ["contrast", "nsfw"]
    loaded = Filter(clip=str(clip_folder), classifier=classifier, refine=True).load("cpu", BrightPixels())
    assert loaded.facts["checks"] == [measure for measure in MEASURES if measure != "nsfw"]
    (verdict,) = loaded.judge([make_input(0)])
    assert verdict.measures.keys() == {*loaded.facts["checks"], "repeated_before"}


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
