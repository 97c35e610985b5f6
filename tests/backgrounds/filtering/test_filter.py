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
from xray.backgrounds.filtering.settings import MEASURES, Filter, Judged, reason_of
from xray.core.errors import Rejected, XrayError
from xray.core.plugins import settings_of
from xray.core.schema import FILTERED, REASONS
from xray.masks import Refined, Unrefined
from xray.masks.given import Given
from xray.masks.grabcut import GrabCut
from xray.masks.sam.refiner import Sam
from xray.scenarios import Photo
from xray.sources.categories import Category

FOX = Category(name="red fox", indices=(277, 278))
Pixels = Any


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from support.tiny_clip import tiny_clip

    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("timm") / "weights.safetensors"
    network = timm.create_model("test_efficientnet")
    with torch.no_grad():  # fresh weights give all classes the same probability, whatever the picture
        for name, weight in network.named_parameters():
            if weight.ndim > 1:
                weight.copy_(
                    torch.randn(weight.shape) * (2 / weight[0].numel()) ** 0.5 * (10 if "classifier" in name else 1)
                )
    save_file(network.state_dict(), path)
    return f"timm:test_efficientnet@{path}"


def picture(seed: int, *, background: int | None = None, nsfw: bool | None = None, prompt: str = "in snow") -> Judged:
    """An object of bright noise in the upper left quarter, before noise; painted before other noise, or one colour."""
    draw = np.random.default_rng(seed)
    image, original = draw.integers(0, 200, (2, 48, 64, 3), dtype=np.uint8)
    if background is not None:
        image[:] = background
    mask = np.zeros((48, 64), bool)
    mask[8:24, 8:32] = True
    image[mask] = original[mask] = draw.integers(201, 256, (mask.sum(), 3), dtype=np.uint8)
    return Judged(Photo(original, mask), image, FOX, prompt, nsfw)


def untouched(item: Judged) -> Judged:
    return dataclasses.replace(item, image=item.photo.image.copy())


def test_a_blank_background_is_refused_however_the_object_looks() -> None:
    loaded = Filter().load("cpu", None)
    items = [picture(0), picture(1, background=0), picture(2, background=130)]
    assert [verdict.reason for verdict in loaded.judge(items)] == ["", "blank_picture", "blank_picture"]
    assert [verdict.measures["contrast"] > 0 for verdict in loaded.judge(items)] == [True, False, False]
    assert loaded.judge([]) == []
    assert loaded.facts == {"checks": ["contrast"]}


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
    code = "from xray.backgrounds.filtering.settings import Filter; Filter().load('cpu').judge([]); import sys; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"


def test_a_classifier_sees_the_picture_without_its_object(classifier: str) -> None:
    import torch

    from xray.models import parse_model

    items = [picture(seed) for seed in range(3)]
    loaded = Filter(classifier=classifier).load("cpu")
    network = parse_model(classifier).load("cpu")

    def seen(images: Sequence[Pixels]) -> Any:
        inputs = []
        for image, item in zip(images, items, strict=True):
            hidden = image.copy()
            hidden[item.photo.mask] = np.rint(image[~item.photo.mask].mean(axis=0))
            inputs.append(network.preprocess(hidden))
        return network.predict(torch.stack(inputs))[:, [277, 278]].sum(axis=1)

    verdicts = loaded.judge(items)
    for measure, wanted in (
        ("repeated", seen([item.image for item in items])),
        ("repeated_before", seen([item.photo.image for item in items])),
    ):
        assert [verdict.measures[measure] for verdict in verdicts] == pytest.approx(wanted, abs=2e-6)
    assert {verdict.reason for verdict in verdicts} == {""}
    assert loaded.facts["classifier"]["weights"] == network.weights_sha256

    for item in items:  # what the object looks like does not matter
        item.image[item.photo.mask] = 255
    assert loaded.judge(items)[0].measures["repeated"] == verdicts[0].measures["repeated"]


def test_a_picture_is_refused_for_what_the_classifier_sees_more_than_in_the_photograph(classifier: str) -> None:
    items = [picture(seed) for seed in range(8)]
    strict = Filter(classifier=classifier, max_repeated=0).load("cpu")
    verdicts = strict.judge(items)
    more = [verdict.measures["repeated"] > verdict.measures["repeated_before"] for verdict in verdicts]
    assert set(more) == {True, False}
    assert [verdict.reason for verdict in verdicts] == ["object_repeated" if one else "" for one in more]
    same = strict.judge([untouched(item) for item in items])
    assert all(verdict.measures["repeated"] == verdict.measures["repeated_before"] > 0 for verdict in same)
    assert {verdict.reason for verdict in same} == {""}
    told = {"contrast": 50.0, "repeated": 0.9}
    assert reason_of({**told, "repeated_before": 0.41}, Filter()) == ""
    assert reason_of({**told, "repeated_before": 0.39}, Filter()) == "object_repeated"


def test_cosines_are_those_of_the_model(clip_folder: Path) -> None:
    import torch
    from transformers import CLIPModel, CLIPProcessor

    items = [picture(0, prompt="in snow"), picture(1, prompt="on a beach")]
    verdicts = Filter(clip=str(clip_folder)).load("cpu").judge(items)
    model, processor = CLIPModel.from_pretrained(clip_folder), CLIPProcessor.from_pretrained(clip_folder)
    texts = ["in snow", "on a beach", "a photo of a red fox"]
    whole = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
    inputs = processor(text=texts, images=[item.image for item in items], padding=True, return_tensors="pt", **whole)
    with torch.inference_mode():
        cosines = (model(**inputs).logits_per_image / model.logit_scale.exp()).numpy()
    assert [verdict.measures["prompt_similarity"] for verdict in verdicts] == pytest.approx(
        cosines[[0, 1], [0, 1]], abs=2e-6
    )
    assert [verdict.measures["category_similarity"] for verdict in verdicts] == pytest.approx(cosines[:, 2], abs=2e-6)
    assert {verdict.reason for verdict in verdicts} == {""}


def test_what_is_at_the_ends_of_the_longer_side_is_seen(clip_folder: Path) -> None:
    before = picture(0)
    image = before.image.copy()
    image[:, :3] = 0
    image[:, -3:] = 255
    clip = Clip(str(clip_folder))
    assert np.array_equal(*clip.images([before.image, image])), "the published processing cuts out the centre"
    assert not np.array_equal(*clip.images([before.image, image], whole=True))
    loaded = Filter(clip=str(clip_folder)).load("cpu")
    first, second = loaded.judge([before, dataclasses.replace(before, image=image)])
    assert first.measures["category_similarity"] != second.measures["category_similarity"]
    assert loaded.facts["clip_input"] == "the whole picture, squeezed to 32×32"
    assert clip.processing == "centre crop of 32×32 pixels, as published"


def test_the_safety_checker_sees_the_whole_picture(tmp_path: Path) -> None:
    from support.tiny_clip import tiny_checker

    loaded = Filter(safety=str(tiny_checker(tmp_path, flags=False))).load("cpu")
    assert loaded.safety is not None
    seen: list[Any] = []
    loaded.safety._model.register_forward_pre_hook(
        lambda module, args, given: seen.append(given["clip_input"]), with_kwargs=True
    )
    item = picture(0)
    image = item.image.copy()
    image[:, -6:] = 255
    loaded.judge([item, dataclasses.replace(item, image=image)])
    (pixels,) = seen
    assert pixels.shape == (2, 3, 32, 32)
    changed = (pixels[0] != pixels[1]).any(dim=0).any(dim=0)
    assert not changed[:26].any()
    assert changed[-3:].all()


def test_a_category_is_called_as_one_would_say_it(clip_folder: Path) -> None:
    def cosine(category: str, **names: str) -> float:
        item = dataclasses.replace(picture(0), category=Category(name=category, indices=(1,)))
        (verdict,) = Filter(clip=str(clip_folder), names=names).load("cpu").judge([item])
        return verdict.measures["category_similarity"]

    clip = Clip(str(clip_folder))
    image_ND = clip.images([picture(0).image], whole=True)

    def wanted(text: str) -> Any:
        return pytest.approx(float(clip.similarity(image_ND, [text])[0]), abs=2e-6)

    assert cosine("eel") == wanted("a photo of an eel") != wanted("a photo of a eel")
    assert cosine("ox", ox="a cow") == wanted("a photo of a cow")
    assert cosine("ox", fox="a cow") == wanted("a photo of an ox")


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
    from support.tiny_clip import tiny_checker

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
        self.asked.append(item)
        if item.decoded.image.max() == 0:
            raise Rejected("no_object")
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
    for asked in refiner.asked:
        assert (asked.hint.boxes, asked.hint.points) == ((), ())
        assert asked.hint.mask is not None
        assert (asked.hint.mask == grown.photo.mask).all()
    assert Filter(refine=True, max_growth=0.6).load("cpu", refiner).judge([grown])[0].reason == ""
    assert "growth" not in Filter().load("cpu", refiner).judge([grown])[0].measures


def test_what_the_refiner_adds_to_the_mask_in_the_photograph_is_no_growth() -> None:
    item = picture(0)
    item.photo.image[8:24, 32:48] = 240  # bright in the photograph, and not in the given mask
    item.image[8:24, 32:48] = 240
    loaded = Filter(refine=True).load("cpu", Bright())
    assert loaded.judge([item])[0].measures["growth"] == 0
    item.image[24:30, 8:48] = 240
    assert loaded.judge([item])[0].measures["growth"] == pytest.approx(6 * 40 / (16 * 24))


def test_an_untouched_picture_has_not_grown_at_all(tmp_path: Path) -> None:
    from support.tiny_sam import tiny_sam_checkpoint

    sam = Sam(model=str(tiny_sam_checkpoint(tmp_path / "sam.pth"))).load("cpu")
    items = []
    for seed in range(3):
        item = picture(seed)
        mask = np.zeros_like(item.photo.mask)
        mask[8:30, 8:24] = np.tri(22, 16, dtype=bool)  # two parts far apart, which one box would join
        mask[20:44, 44:60] = np.tri(24, 16, dtype=bool)
        items.append(dataclasses.replace(item, photo=Photo(item.photo.image, mask)))
    loaded = Filter(refine=True).load("cpu", sam)
    same = loaded.judge([untouched(item) for item in items])
    assert [verdict.measures["growth"] for verdict in same] == [0, 0, 0]
    assert max(verdict.measures["growth"] for verdict in loaded.judge(items)) > 0


def test_a_photograph_is_looked_at_once_for_all_its_pictures() -> None:
    refiner = Bright()
    first, other = picture(0), picture(1)
    variants = [dataclasses.replace(first, image=picture(seed).image) for seed in range(3)]
    verdicts = Filter(refine=True).load("cpu", refiner).judge([*variants, other])
    looked = [id(asked.decoded.image) for asked in refiner.asked]
    assert looked.count(id(first.photo.image)) == 1
    assert len(looked) == 2 + 4
    assert len(verdicts) == 4


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
ORDER = ["nsfw", "blank_picture", "object_extended", "object_repeated", "category_missed", "prompt_missed"]


@given(MEASURED)
def test_the_reason_is_the_first_that_holds(measures: dict[str, float]) -> None:
    settings = Filter(clip="c", min_prompt_similarity=0.2, min_category_similarity=0.1)
    assert set(ORDER) == FILTERED <= REASONS.keys()
    reason = reason_of(measures, settings)
    holds = [
        measures.get("nsfw") == 1,
        measures["contrast"] < 4,
        measures.get("growth", 0) > 0.5,
        measures.get("repeated", 0) - measures.get("repeated_before", 0) > 0.5,
        measures.get("category_similarity", 1) < 0.1,
        measures.get("prompt_similarity", 1) < 0.2,
    ]
    assert reason == next((name for name, held in zip(ORDER, holds, strict=True) if held), "")


def test_what_cannot_work_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(XrayError, match=r"`min_prompt_similarity` \(0.2\) needs a CLIP model: set `clip`"):
        Filter(min_prompt_similarity=0.2).check()
    with pytest.raises(XrayError, match="`refine` needs a mask refiner with weights"):
        Filter(refine=True).load("cpu", None)
    for refiner in (None, Given(), GrabCut()):
        with pytest.raises(XrayError, match="`refine` needs a mask refiner with weights"):
            Filter(refine=True).check({}, refiner)
        assert Filter().check({}, refiner) == []
    assert Filter(refine=True).check({}, Sam()) == []
    with pytest.raises(XrayError, match="nowhere"):
        Filter(clip=str(tmp_path / "nowhere")).check()
    with pytest.raises(XrayError, match="test_eficientnet"):
        Filter(classifier="timm:test_eficientnet").check()
    chosen = Filter(clip="a", safety="b", max_growth=1.0, names={"ox": "a cow"})
    assert chosen.weights() == {"clip": "a", "safety": "b"}
    assert Filter(**settings_of(chosen)) == chosen


def test_a_classifier_that_is_also_evaluated_is_remarked(classifier: str) -> None:
    judge = Filter(classifier=classifier)
    assert judge.check() == judge.check({"other": "timm:test_vit"}) == []
    (remark,) = judge.check({"other": "timm:test_vit", "mine": classifier})
    assert "is also asked (as 'mine')" in remark
    assert "pictures that it has itself selected" in remark
    path = classifier.partition("@")[2]
    assert len(Filter(classifier="torchvision:vgg16").check({"a": "torchvision:vgg16.DEFAULT"})) == 1
    assert Filter(classifier="timm:test_efficientnet").check({"a": f"timm:test_efficientnet@{path}"}) == []
    assert judge.check({"elsewhere": "/nowhere/model"}) == []
    assert Filter().check({"mine": classifier}) == []


def test_a_classifier_s_own_weights_are_pinned_with_the_others(classifier: str, tmp_path: Path) -> None:
    path = classifier.partition("@")[2]
    assert Filter(classifier=classifier, clip="c").weights() == {"clip": "c", "classifier": path}
    assert Filter(classifier=f"timm:test_efficientnet@{Path(path).as_uri()}").weights() == {"classifier": path}
    assert Filter(classifier="timm:test_efficientnet").weights() == {}
    for config in ({"architecture": "test_efficientnet"}, {"architectures": ["ViTForImageClassification"]}):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert Filter(classifier=str(tmp_path)).weights() == {"classifier": str(tmp_path)}
    with pytest.raises(XrayError, match=r"no weights at .*nowhere\.safetensors"):
        Filter(classifier="timm:test_efficientnet@/nowhere.safetensors").check()


def test_which_checks_run_can_be_told(classifier: str, clip_folder: Path) -> None:
    assert Filter().checks() == ["contrast"]
    chosen = Filter(clip=str(clip_folder), classifier=classifier, refine=True)
    loaded = chosen.load("cpu", Bright())
    assert loaded.facts["checks"] == [measure for measure in MEASURES if measure != "nsfw"]
    (verdict,) = loaded.judge([picture(0)])
    assert verdict.measures.keys() == {*loaded.facts["checks"], "repeated_before"}
    assert Filter(safety="s").checks() == ["contrast", "nsfw"]


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
    with pytest.raises(XrayError, match=r"cannot read a CLIPModel from the folder .*cut"):
        Clip(str(cut))
    tensors = load_file(clip_folder / "model.safetensors")
    del tensors["visual_projection.weight"]
    less = copied(clip_folder, tmp_path / "less", model_safetensors=save(tensors, {"format": "pt"}))
    with pytest.raises(XrayError, match="lack 1 of CLIPModel"):
        Clip(str(less))
    unready = copied(clip_folder, tmp_path / "unready", processor_config_json=None)
    with pytest.raises(XrayError, match="cannot read a CLIPProcessor"):
        Clip(str(unready))
    pickled = copied(clip_folder, tmp_path / "pickled", model_safetensors=None)
    torch.save(load_file(clip_folder / "model.safetensors"), pickled / "pytorch_model.bin")
    with pytest.raises(XrayError, match=r"refused the weights .*pytorch_model\.bin.*pickle"):
        Clip(str(pickled))
