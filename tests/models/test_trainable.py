from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from xray.core.errors import XrayError
from xray.models import Trainable, parse_model
from xray.models.head import head_axes, resolve_side, skeleton, with_weights
from xray.models.reduced import Reduced

Tensors = dict[str, torch.Tensor]


def build(spec: str, classes: int = 12, seed: int = 0, side: int | None = None, pretrained: bool = False) -> Trainable:
    torch.manual_seed(seed)
    return parse_model(spec).trainable(classes, side, pretrained)


def changed(before: Tensors, after: Tensors) -> set[str]:
    """Names of the tensors that are not in both, or differ."""
    return before.keys() ^ after.keys() | {
        n for n in before.keys() & after.keys() if not torch.equal(before[n], after[n])
    }


@pytest.mark.parametrize(
    "spec",
    [
        "timm:test_resnet",
        "timm:test_vit",
        "torchvision:mobilenet_v3_small",
        *(f"reduced:{architecture}" for architecture in Reduced.choices()),
        "smp:pspnet-tu-test_resnet",
        "smp:upernet-tu-test_vit",
        "smp:dpt-tu-test_vit",
        "smp:upernet-tu-swin_tiny_patch4_window7_224",
    ],
)
def test_logits_gradients_and_seed(spec: str) -> None:
    side = 64 if spec.startswith("smp") else None
    network = build(spec, seed=1, side=side)
    state = {name: value.clone() for name, value in network.module.state_dict().items()}
    assert changed(state, build(spec, seed=1, side=side).module.state_dict()) == set()
    assert changed(state, build(spec, seed=2, side=side).module.state_dict())
    model = parse_model(spec)
    assert (network.task, network.side) == (model.task, model.side(side))
    per_pixel = (side or 64, side or 64) if network.task == "segmentation" else ()
    optimiser = torch.optim.SGD(network.module.parameters(), 0.01)
    images, labels = torch.randn(2, 3, network.side, network.side), torch.randint(0, 12, (2, *per_pixel))
    for _ in range(2):  # some layers start at 0 and pass no gradient at first
        optimiser.zero_grad()
        logits = network.module(images)
        torch.nn.functional.cross_entropy(logits, labels).backward()
        optimiser.step()
    assert logits.shape == (2, 12, *per_pixel)
    assert [name for name, value in network.module.named_parameters() if value.grad is None] == []
    assert all(value.grad.isfinite().all() for value in network.module.parameters())
    with torch.inference_mode():
        assert network.module.eval()(images[:1]).isfinite().all(), "a single image"


@pytest.mark.parametrize("spec", ["timm:test_resnet", "smp:fpn-resnet18"])
def test_fewer_than_2_classes_are_refused(spec: str) -> None:
    with pytest.raises(XrayError, match=f"{spec} .*for 1 classes"):
        parse_model(spec).trainable(1)


@pytest.mark.parametrize(
    ("spec", "accepted", "refused", "allowed"),
    [
        ("timm:resnet50", 97, 31, "32 or more"),
        ("timm:vit_base_patch16_224", 64, 100, "a multiple of 16, 32 or more"),
        ("timm:swin_base_patch4_window7_224", 64, 80, "a multiple of 32"),
        ("timm:maxvit_tiny_tf_224", 224, 256, "only 224"),
        ("torchvision:vit_l_32", 32, 48, "a multiple of 32"),
        ("torchvision:maxvit_t", 224, 256, "only 224"),
        ("torchvision:alexnet", 63, 62, "63 or more"),
        ("lite:efficientnet-lite0", 33, 31, "32 or more"),
        ("smp:fpn-resnet18", 96, 100, "a multiple of 32"),
        ("reduced:resnet", 96, 48, "a multiple of 32"),
        ("reduced:vit", 40, 44, "a multiple of 8"),
    ],
)
def test_accepted_and_refused_sides(spec: str, accepted: int, refused: int, allowed: str) -> None:
    model = parse_model(spec)
    assert model.side(accepted) == accepted
    for act in (lambda: model.side(refused), lambda: model.trainable(12, side=refused)):
        with pytest.raises(XrayError, match=f"{spec} .* {refused} pixels: {allowed}"):
            act()


@given(st.integers(1, 400), st.integers(1, 64), st.integers(-10, 500))
def test_a_side_is_accepted_or_refused(own: int, multiple: int, requested: int) -> None:
    fits = requested == own or (requested >= 32 and requested % multiple == 0)
    try:
        assert resolve_side("m", own, requested, multiple) == requested
    except XrayError:
        assert not fits
    else:
        assert fits


@pytest.mark.parametrize("family", ["timm", "torchvision"])
def test_a_file_of_weights_keeps_all_but_another_head(
    family: str, timm_file: Path, torchvision_file: Path, tmp_path: Path
) -> None:
    spec, path = {
        "timm": ("timm:test_efficientnet", timm_file),
        "torchvision": ("torchvision:mobilenet_v3_small", torchvision_file),
    }[family]
    saved = load_file(path)
    network = build(f"{spec}@{path}", pretrained=True)
    weights = network.module.state_dict()
    head = changed(saved, weights)
    assert {name.rpartition(".")[2] for name in head} == {"weight", "bias"}
    assert {weights[name].shape[0] for name in head} == {12}
    assert "1000" in network.origin
    assert all(name in network.origin for name in head)
    assert changed(build(f"{spec}@{path}", classes=1000, pretrained=True).module.state_dict(), saved) == set()

    save_file(weights, tmp_path / "of 12.safetensors")
    whole = build(f"{spec}@{tmp_path / 'of 12.safetensors'}", seed=7, pretrained=True)
    assert changed(whole.module.state_dict(), weights) == set()
    assert "all weights" in whole.origin


def test_lite_gives_its_features_and_a_new_head() -> None:
    published = parse_model("lite:efficientnet-lite0")._published()[0].state_dict()  # type: ignore[attr-defined]
    first, second = (build("lite:efficientnet-lite0", seed=s, pretrained=True).module.state_dict() for s in (1, 2))
    assert changed(first, published) == {"classifier.weight", "classifier.bias"}
    assert changed(first, second) == {"classifier.weight"}
    scratch = build("lite:efficientnet-lite0", seed=1).module.state_dict()
    assert not torch.equal(scratch["conv_stem.weight"], published["conv_stem.weight"])


def test_a_folder_of_transformers(hf_folder: Path, hf_folder_of_7: Path, tmp_path: Path) -> None:
    from transformers import ViTForImageClassification

    saved, saved_7 = (ViTForImageClassification.from_pretrained(f).state_dict() for f in (hf_folder, hf_folder_of_7))
    network = build(str(hf_folder), pretrained=True)
    assert network.module(torch.randn(2, 3, 32, 32)).shape == (2, 12)
    assert (network.side, network.mean, network.std) == (32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    weights = network.module.classifier.state_dict()
    assert changed(saved, weights) == {"classifier.weight", "classifier.bias"}
    whole = build(str(hf_folder_of_7), classes=7, pretrained=True).module.classifier.state_dict()
    assert changed(whole, saved_7) == set()

    shutil.copy(hf_folder / "config.json", tmp_path)
    scratch = build(str(tmp_path), side=48)
    assert scratch.module(torch.randn(2, 3, 48, 48)).shape == (2, 12)
    assert scratch.mean == (0.485, 0.456, 0.406)
    with pytest.raises(XrayError, match="cannot load"):
        build(str(tmp_path), pretrained=True)
    with pytest.raises(XrayError, match="of 40 pixels: a multiple of 16"):
        build(str(tmp_path), side=40)


def test_a_folder_of_timm(timm_folder: Path) -> None:
    network = build(str(timm_folder), pretrained=True)
    saved = load_file(timm_folder / "model.safetensors")
    assert changed(saved, network.module.state_dict()) == {"fc.weight", "fc.bias"}
    assert (network.side, network.module(torch.randn(2, 3, 160, 160)).shape) == (160, (2, 12))


@pytest.mark.parametrize(
    "spec", ["timm:resnet18", "torchvision:alexnet", "smp:fpn-resnet18", "smp:upernet-tu-resnet18", "hf:owner/model"]
)
def test_unavailable_weights_are_refused(spec: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    actions = [lambda: build(spec, pretrained=True)]
    if not spec.startswith("smp"):
        actions.append(lambda: parse_model(spec).load("cpu"))
    for act in actions:
        with pytest.raises(XrayError, match=f"{spec}.*HF_HOME.*family:architecture@weights.safetensors"):
            act()


def refuse(*_: object, **__: object) -> None:
    raise OSError("no network")


def test_auxiliary_classifiers_are_left_out(tmp_path: Path) -> None:
    from torchvision import models

    saved = models.get_model("googlenet", weights=None, init_weights=False, num_classes=5).state_dict()
    save_file(saved, tmp_path / "w.safetensors")
    network = build(f"torchvision:googlenet@{tmp_path / 'w.safetensors'}", pretrained=True)
    auxiliary = {name for name in saved if name.startswith("aux")}
    assert changed(saved, network.module.state_dict()) == {*auxiliary, "fc.weight", "fc.bias"}
    assert "aux1" in network.origin
    assert network.mean == (0.5, 0.5, 0.5)
    assert network.module.train()(torch.randn(2, 3, 64, 64)).shape == (2, 12)


def test_positions_of_timm_are_interpolated_to_another_side(tmp_path: Path) -> None:
    of_64 = build("timm:vit_tiny_patch16_224", classes=5, side=64).module.state_dict()
    save_file(of_64, tmp_path / "64.safetensors")
    save_file(build("timm:vit_tiny_patch16_224", classes=5).module.state_dict(), tmp_path / "224.safetensors")
    spec = f"timm:vit_tiny_patch16_224@{tmp_path}/"
    assert changed(build(f"{spec}64.safetensors", 5, 3, 64, True).module.state_dict(), of_64) == set()
    network = build(f"{spec}224.safetensors", 12, 3, 64, True)
    assert "positions interpolated to 64 pixels" in network.origin
    assert network.module(torch.randn(1, 3, 64, 64)).shape == (1, 12)


def test_positions_of_torchvision_are_interpolated_to_another_side(tmp_path: Path) -> None:
    saved = build("torchvision:vit_b_32", classes=5, side=64).module.state_dict()
    save_file(saved, tmp_path / "64.safetensors")
    module = build(f"torchvision:vit_b_32@{tmp_path / '64.safetensors'}", 12, 3, 96, True).module
    differing = {"encoder.pos_embedding", "heads.head.weight", "heads.head.bias"}
    assert changed(saved, module.state_dict()) == differing
    with torch.inference_mode():
        assert module.eval()(torch.randn(1, 3, 96, 96)).shape == (1, 12)


@pytest.mark.parametrize("on_meta", [True, False])
def test_a_skeleton_leaves_the_random_state(on_meta: bool) -> None:
    def needs_values(classes: int) -> torch.nn.Module:
        torch.zeros(1).item()  # fails on the meta device
        return linear(classes)

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    module = skeleton(linear if on_meta else needs_values, 3)
    assert torch.equal(torch.rand(1), expected)
    assert {value.is_meta for value in module.parameters()} == {on_meta}


def linear(classes: int) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Linear(5, classes))


def test_the_head_is_what_depends_on_the_number_of_classes() -> None:
    assert head_axes(linear, 3) == {"1.weight": 0, "1.bias": 0}
    weights = linear(7).state_dict()
    module, origin = with_weights(linear, 3, weights, "tiny")
    assert changed(weights, module.state_dict()) == {"1.weight", "1.bias"}
    assert "7" in origin
    headless = {name: weights[name] for name in ("0.weight", "0.bias")}
    assert "no head" in with_weights(linear, 3, headless, "tiny")[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"1.weight": torch.zeros(7, 6)}, r"theirs are 7: .*1.bias is \(7,\), not \(3,\), 1.weight is \(7, 6\), not \(3, 5\)"),
        ({"1.weight": torch.zeros(8, 5)}, r"theirs are 7, 8: 2 of another shape"),
        ({"1.bias": torch.tensor(1.0)}, r"1.bias is \(\), not \(3,\)"),
        ({"0.weight": torch.zeros(5, 3)}, r"classes are 7: 1 of another shape \(0.weight is \(5, 3\), not \(5, 4\)\)"),
        ({"x": torch.zeros(1)}, r"classes are 7: 1 unexpected \(x\)"),
        ({"0.bias": None}, r"classes are 7: 1 missing \(0.bias\)"),
        ({"1.bias": None}, r"theirs are 7: 1 missing \(1.bias\)"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit(changes: dict[str, torch.Tensor | None], message: str) -> None:
    weights = {name: value for name, value in {**linear(7).state_dict(), **changes}.items() if value is not None}
    with pytest.raises(XrayError, match=message):
        with_weights(linear, 3, weights, "tiny")
