from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from xray.core.errors import XrayError
from xray.models import Trainable, parse_model
from xray.models.head import accepted_side, head_axes, skeleton, with_weights

TINY = ("timm:test_resnet", "timm:test_vit", "torchvision:mobilenet_v3_small", "lite:efficientnet-lite0")


def build(spec: str, classes: int = 12, seed: int = 0, side: int | None = None, pretrained: bool = False) -> Trainable:
    torch.manual_seed(seed)
    return parse_model(spec).trainable(classes, side, pretrained)


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("spec", TINY[:3])
def test_logits_of_all_classes_and_gradients_of_all_parameters(spec: str) -> None:
    found = build(spec)
    assert (found.task, found.side) == ("classification", parse_model(spec).side())
    optimiser = torch.optim.SGD(found.module.parameters(), 0.1)
    images, labels = torch.randn(4, 3, found.side, found.side), torch.arange(4)
    for _ in range(2):  # some layers start at 0 and let no gradient through at first
        optimiser.zero_grad()
        logits_NK = found.module(images)
        torch.nn.functional.cross_entropy(logits_NK, labels).backward()
        optimiser.step()
    assert logits_NK.shape == (4, 12)
    assert [name for name, value in found.module.named_parameters() if value.grad is None] == []
    assert all(value.grad.isfinite().all() for value in found.module.parameters())


@pytest.mark.parametrize("spec", TINY[:3])
def test_from_scratch_is_what_the_seed_says(spec: str) -> None:
    first, again, other = (build(spec, seed=seed).module.state_dict() for seed in (1, 1, 2))
    assert equal(first, again)
    assert not equal(first, other)


@pytest.mark.parametrize("spec", ["timm:test_resnet", "torchvision:alexnet", "reduced:vit"])
@pytest.mark.parametrize("classes", [1, 0, -3])
def test_too_few_classes(spec: str, classes: int) -> None:
    with pytest.raises(XrayError, match=f"{spec} cannot be trained for {classes} classes: 2 or more"):
        parse_model(spec).trainable(classes)


@pytest.mark.parametrize(
    ("spec", "wanted", "expected"),
    [
        ("timm:resnet50", None, 224),
        ("timm:resnet50", 97, 97),
        ("timm:efficientnet_b3", None, 288),
        ("timm:efficientnet_b3", 224, 224),
        ("timm:vit_base_patch16_224", 64, 64),
        ("timm:swin_base_patch4_window7_224", 64, 64),
        ("torchvision:efficientnet_b3", None, 300),
        ("torchvision:vit_b_16", 32, 32),
        ("torchvision:alexnet", 63, 63),
        ("torchvision:maxvit_t", 224, 224),
        ("reduced:resnet", None, 64),
        ("reduced:vit", 40, 40),
    ],
)
def test_sides(spec: str, wanted: int | None, expected: int) -> None:
    assert parse_model(spec).side(wanted) == expected


@pytest.mark.parametrize(
    ("spec", "wanted", "message"),
    [
        ("timm:resnet50", 31, "timm:resnet50 takes no side of 31 pixels: 32 or more"),
        ("timm:vit_base_patch16_224", 100, "of 100 pixels: a multiple of 16, 32 or more"),
        ("timm:swin_base_patch4_window7_224", 80, "of 80 pixels: a multiple of 32"),
        ("timm:maxvit_tiny_tf_224", 256, "of 256 pixels: only 224"),
        ("torchvision:vit_l_32", 48, "of 48 pixels: a multiple of 32"),
        ("torchvision:maxvit_t", 256, "of 256 pixels: only 224"),
        ("torchvision:alexnet", 62, "of 62 pixels: 63 or more"),
        ("reduced:resnet", 48, "of 48 pixels: a multiple of 32"),
    ],
)
def test_sides_that_no_network_takes(spec: str, wanted: int, message: str) -> None:
    with pytest.raises(XrayError, match=message):
        parse_model(spec).side(wanted)
    with pytest.raises(XrayError, match=message):
        parse_model(spec).trainable(12, side=wanted)


@given(st.integers(1, 400), st.integers(1, 64), st.integers(-10, 500))
def test_a_side_is_taken_or_refused(own: int, multiple: int, wanted: int) -> None:
    fits = wanted == own or (wanted >= 32 and wanted % multiple == 0)
    try:
        assert accepted_side("m", own, wanted, multiple) == wanted
    except XrayError:
        assert not fits
    else:
        assert fits


@pytest.mark.parametrize("spec", ["timm:resnet5", "torchvision:vgg61"])
def test_unknown_architectures_name_the_nearest(spec: str) -> None:
    for act in (parse_model(spec).side, lambda: parse_model(spec).trainable(12)):
        with pytest.raises(XrayError, match="did you mean"):
            act()


@pytest.mark.parametrize("family", ["timm", "torchvision"])
def test_files_of_weights(family: str, timm_file: Path, torchvision_file: Path, tmp_path: Path) -> None:
    spec, path = {
        "timm": ("timm:test_efficientnet", timm_file),
        "torchvision": ("torchvision:mobilenet_v3_small", torchvision_file),
    }[family]
    theirs = load_file(path)
    found = build(f"{spec}@{path}", pretrained=True)
    weights = found.module.state_dict()
    head = {name for name in weights if weights[name].shape != theirs[name].shape}
    assert {name.rpartition(".")[2] for name in head} == {"weight", "bias"}
    assert {weights[name].shape[0] for name in head} == {12}
    assert [name for name in theirs if name not in head and not torch.equal(weights[name], theirs[name])] == []
    assert "whose classes are 1000" in found.origin
    assert all(name in found.origin for name in head)
    assert equal(build(f"{spec}@{path}", classes=1000, pretrained=True).module.state_dict(), theirs)

    taken = tmp_path / "taken.safetensors"
    save_file(weights, taken)
    again = build(f"{spec}@{taken}", seed=7, pretrained=True)
    assert equal(again.module.state_dict(), weights)
    assert "all weights" in again.origin


def test_lite_gives_its_features_and_a_new_head() -> None:
    from xray.models.lite import Lite

    published = Lite(architecture="efficientnet-lite0")._published().state_dict()
    first, other = (build("lite:efficientnet-lite0", seed=seed, pretrained=True).module.state_dict() for seed in (1, 2))
    assert {name for name in first if not torch.equal(first[name], other[name])} == {"classifier.weight"}
    same = {name for name in first if first[name].shape == published[name].shape}
    assert first.keys() - same == {"classifier.weight", "classifier.bias"}
    assert all(torch.equal(first[name], published[name]) for name in same)
    scratch = build("lite:efficientnet-lite0", seed=1).module.state_dict()
    assert not torch.equal(scratch["conv_stem.weight"], published["conv_stem.weight"])


def test_a_folder_of_transformers(hf_folder: Path, hf_folder_of_7: Path, tmp_path: Path) -> None:
    from transformers import ViTForImageClassification

    found = build(str(hf_folder), pretrained=True)
    assert found.module(torch.randn(2, 3, 32, 32)).shape == (2, 12)
    assert (found.side, found.mean, found.std) == (32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert "whose classes are 1000; a new head of 12: classifier.bias, classifier.weight" in found.origin
    theirs = ViTForImageClassification.from_pretrained(hf_folder).state_dict()
    weights = found.module.classifier.state_dict()
    head = {"classifier.weight", "classifier.bias"}
    assert {name for name in theirs if not torch.equal(weights[name], theirs[name])} == head
    whole = build(str(hf_folder_of_7), classes=7, pretrained=True).module.classifier.state_dict()
    assert equal(whole, ViTForImageClassification.from_pretrained(hf_folder_of_7).state_dict())

    (tmp_path / "config.json").write_bytes((hf_folder / "config.json").read_bytes())
    bare = build(str(tmp_path), side=48)
    assert bare.module(torch.randn(2, 3, 48, 48)).shape == (2, 12)
    assert bare.mean == (0.485, 0.456, 0.406)
    with pytest.raises(XrayError, match="cannot load"):
        build(str(tmp_path), pretrained=True)
    with pytest.raises(XrayError, match="of 40 pixels: a multiple of 16"):
        build(str(tmp_path), side=40)


def test_a_folder_of_timm(timm_folder: Path) -> None:
    found = build(str(timm_folder), pretrained=True)
    theirs = load_file(timm_folder / "model.safetensors")
    weights = found.module.state_dict()
    assert {name for name in theirs if not torch.equal(weights[name], theirs[name])} == {"fc.weight", "fc.bias"}
    assert (found.side, found.module(torch.randn(2, 3, 160, 160)).shape) == (160, (2, 12))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("timm:resnet18", "cannot load 'timm:resnet18'"),
        ("torchvision:alexnet", "cannot load 'torchvision:alexnet'"),
        ("smp:fpn-resnet18", "cannot load 'smp:fpn-resnet18'"),
        ("smp:upernet-tu-resnet18", "cannot load 'smp:upernet-tu-resnet18'"),
        ("hf:owner/model", "cannot load 'hf:owner/model'"),
        ("reduced:resnet", "reduced:resnet has no pretrained weights"),
        ("reduced:fpn", "reduced:fpn has no pretrained weights"),
    ],
)
def test_weights_that_are_not_to_be_had(
    spec: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(XrayError, match=message):
        build(spec, pretrained=True)


def refuse(*_: object, **__: object) -> None:
    raise OSError("no network")


@pytest.mark.parametrize("architecture", ["googlenet", "inception_v3"])
def test_auxiliary_classifiers_are_left_out(architecture: str, tmp_path: Path) -> None:
    from torchvision import models

    state = models.get_model(architecture, weights=None, init_weights=False, num_classes=5).state_dict()
    save_file(state, tmp_path / "w.safetensors")
    found = build(f"torchvision:{architecture}@{tmp_path / 'w.safetensors'}", pretrained=True)
    weights = found.module.state_dict()
    assert set(weights) == {name for name in state if not name.startswith(("aux", "Aux"))}
    first = next(iter(weights))
    assert torch.equal(weights[first], state[first])
    assert "left out" in found.origin
    assert found.module.train()(torch.randn(2, 3, found.side, found.side)).shape == (2, 12)


def test_positions_are_interpolated(tmp_path: Path) -> None:
    saved = build("timm:vit_tiny_patch16_224", classes=5, side=64).module.state_dict()
    save_file(saved, tmp_path / "64.safetensors")
    save_file(build("timm:vit_tiny_patch16_224", classes=5).module.state_dict(), tmp_path / "224.safetensors")
    spec = "timm:vit_tiny_patch16_224@{}"
    assert equal(build(spec.format(tmp_path / "64.safetensors"), 5, 3, 64, True).module.state_dict(), saved)
    found = build(spec.format(tmp_path / "224.safetensors"), 12, 3, 64, True)
    assert "positions interpolated to 64 pixels" in found.origin
    assert found.module(torch.randn(1, 3, 64, 64)).shape == (1, 12)


def test_positions_of_torchvision_are_interpolated(tmp_path: Path) -> None:
    saved = build("torchvision:vit_b_32", classes=5, side=64).module.state_dict()
    save_file(saved, tmp_path / "64.safetensors")
    spec = f"torchvision:vit_b_32@{tmp_path / '64.safetensors'}"
    assert equal(build(spec, 5, 3, 64, True).module.state_dict(), saved)
    found = build(spec, 12, 3, 96, True).module
    assert found.state_dict()["encoder.pos_embedding"].shape == (1, 1 + 3 * 3, 768)
    assert torch.equal(found.state_dict()["conv_proj.weight"], saved["conv_proj.weight"])
    with torch.inference_mode():
        assert found.eval()(torch.randn(1, 3, 96, 96)).shape == (1, 12)


@pytest.mark.parametrize("on_meta", [True, False])
def test_a_skeleton_leaves_the_random_state(on_meta: bool) -> None:
    def stubborn(classes: int) -> torch.nn.Module:
        torch.zeros(1).item()  # which has no value on the meta device
        return linear(classes)

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    found = skeleton(linear if on_meta else stubborn, 3)
    assert torch.equal(torch.rand(1), expected)
    assert {value.is_meta for value in found.parameters()} == {on_meta}


def linear(classes: int) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Linear(5, classes))


def test_a_head_is_what_depends_on_the_number_of_classes() -> None:
    assert head_axes(linear, 3) == {"1.weight": 0, "1.bias": 0}
    weights = linear(7).state_dict()
    module, said = with_weights(linear, 3, weights, "tiny")
    assert said == "weights given, whose classes are 7; a new head of 3: 1.bias, 1.weight"
    assert torch.equal(module.state_dict()["0.weight"], weights["0.weight"])
    bare = {name: weights[name] for name in ("0.weight", "0.bias")}
    assert (
        with_weights(linear, 3, bare, "tiny")[1]
        == "weights given, which have no head; a new head of 3: 1.bias, 1.weight"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"1.weight": torch.zeros(7, 6)}, r"3 classes, as theirs are 7: 2 of another shape \(1.bias is \(7,\), not \(3,\), 1.weight is \(7, 6\), not \(3, 5\)\)"),
        ({"1.weight": torch.zeros(8, 5)}, r"as theirs are 7, 8: 2 of another shape"),
        ({"1.bias": torch.tensor(1.0)}, r"1.bias is \(\), not \(3,\)"),
        ({"0.weight": torch.zeros(5, 3)}, r"whose classes are 7: 1 of another shape \(0.weight is \(5, 3\), not \(5, 4\)\)"),
        ({"x": torch.zeros(1)}, r"whose classes are 7: 1 unexpected \(x\)"),
        ({"0.bias": None}, r"whose classes are 7: 1 missing \(0.bias\)"),
        ({"1.bias": None}, r"as theirs are 7: 1 missing \(1.bias\)"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit(changes: dict[str, torch.Tensor | None], message: str) -> None:
    weights = {name: value for name, value in {**linear(7).state_dict(), **changes}.items() if value is not None}
    with pytest.raises(XrayError, match=message):
        with_weights(linear, 3, weights, "tiny")
