from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from xray.core.errors import XrayError
from xray.core.plugins import available, settings
from xray.models import Classifier, parse_model
from xray.models.lite import Lite
from xray.models.reduced import Reduced, ReducedSegmenter
from xray.models.registry import models_by_name
from xray.models.smp import Smp
from xray.models.timm import Timm
from xray.models.torchvision import Torchvision
from xray.models.transformers import Transformers


def test_families() -> None:
    assert list(available(Classifier)) == ["hf", "lite", "reduced", "smp", "timm", "torchvision"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("timm:resnet50.a1_in1k", Timm(architecture="resnet50.a1_in1k")),
        ("timm:resnet50@s3://b/w@2.safetensors", Timm(architecture="resnet50", weights="s3://b/w@2.safetensors")),
        ("timm:hf-hub:timm/resnet50.a1_in1k", Timm(architecture="hf-hub:timm/resnet50.a1_in1k")),
        ("timm:local-dir:/a@b", Timm(architecture="local-dir:/a@b")),
        ("torchvision:vgg16", Torchvision(architecture="vgg16")),
        ("torchvision:vgg16.V1@a.b/w.pth", Torchvision(architecture="vgg16", version="V1", weights="a.b/w.pth")),
        ("hf:google/vit@abc", Transformers(model="google/vit", revision="abc")),
        ("hf:/models/v@1", Transformers(model="/models/v@1")),
        ("lite:efficientnet-lite2", Lite(architecture="efficientnet-lite2")),
        ("smp:upernet-resnet50", Smp(architecture="upernet", encoder="resnet50")),
        (
            "smp:dpt-tu-vit_base.augreg@s3://b/w-1.pth",
            Smp(architecture="dpt", encoder="tu-vit_base.augreg", weights="s3://b/w-1.pth"),
        ),
        ("reduced:vit", Reduced(architecture="vit")),
        ("reduced:fpn", ReducedSegmenter(architecture="fpn")),
    ],
)
def test_valid_specs(spec: str, expected: Classifier) -> None:
    assert parse_model(spec) == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("tim:resnet50", "'tim'; did you mean 'timm'"),
        ("resnet50", "unknown model family 'resnet50'"),
        ("timm:", "'timm:' names no architecture"),
        ("lite:efficientnet-lite3", "did you mean 'efficientnet-lite2'"),
        ("reduced:resnt", "did you mean 'resnet'"),
        ("smp:upernt-resnet50", "did you mean 'upernet'"),
        ("smp:upernet-", "names no encoder"),
        ("no.such.module:Class:x", "cannot import model family"),
        ("xray.models.lite:load_by_position:x", "is not a subclass"),
    ],
)
def test_invalid_specs(spec: str, message: str) -> None:
    with pytest.raises(XrayError, match=message):
        parse_model(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("timm:resnet5", "did you mean '.*resnet50'"),
        ("timm:resnet50.a1_in2k", "did you mean .*'resnet50.a1_in1k'"),
        ("timm:zzzzzzzzzz", r"none of \d+ names"),
        ("timm:resnet50@nowhere.safetensors", "no weights at 'nowhere.safetensors'"),
        ("torchvision:vgg61", "did you mean .*'vgg16'"),
        ("torchvision:fcn_resnet50", "unknown torchvision model 'fcn_resnet50'"),
        ("torchvision:resnet50.V1", r"'V1'.*choices: DEFAULT, IMAGENET1K_V1"),
        ("torchvision:vgg16@nowhere.pth", "no weights at 'nowhere.pth'"),
    ],
)
def test_check_and_load_refuse_what_does_not_exist(spec: str, message: str) -> None:
    classifier = parse_model(spec)
    with pytest.raises(XrayError, match=message):
        classifier.check()
    with pytest.raises(XrayError):
        classifier.load("cpu")


def test_folders(tmp_path: Path, timm_folder: Path, hf_folder: Path) -> None:
    assert parse_model(str(timm_folder)) == Timm(architecture=f"local-dir:{timm_folder}")
    assert parse_model(hf_folder.as_uri()) == Transformers(model=str(hf_folder))
    for content in (None, "", "[]", "{}", "[" * 100_000, '{"architecture": 7}'):
        if content is not None:
            (tmp_path / "config.json").write_text(content)
        with pytest.raises(XrayError, match=r"config\.json"):
            parse_model(str(tmp_path))


def test_models_are_named_by_the_mapping_or_their_architecture() -> None:
    assert models_by_name({"mine": "timm:resnet50"}) == {"mine": "timm:resnet50"}
    assert models_by_name("timm:resnet50") == {"resnet50": "timm:resnet50"}
    specs = ["timm:resnet50@weights/a.pth", "lite:efficientnet-lite0"]
    assert models_by_name(specs) == dict(zip(("resnet50", "efficientnet-lite0"), specs, strict=True))
    with pytest.raises(XrayError, match="two models are called 'resnet50'"):
        models_by_name(["timm:resnet50", "torchvision:resnet50"])
    with pytest.raises(XrayError, match="got 7"):
        models_by_name(7)


def test_a_family_outside_xray(monkeypatch: pytest.MonkeyPatch) -> None:
    @settings
    class Mine(Classifier):
        path: str

        @classmethod
        def parse(cls, rest: str) -> Mine:
            return cls(path=rest)

    module = ModuleType("somewhere.models")
    module.Mine = Mine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "somewhere", ModuleType("somewhere"))
    monkeypatch.setitem(sys.modules, "somewhere.models", module)
    mine = parse_model("somewhere.models:Mine:a:b")
    assert mine == Mine(path="a:b")
    for act in (mine.side, lambda: mine.trainable(2)):
        with pytest.raises(XrayError, match="Mine cannot be trained"):
            act()


def test_parsing_imports_no_torch() -> None:
    code = (
        "import sys; from xray.models import parse_model; parse_model('timm:resnet50'); parse_model('hf:a/b')\n"
        "assert not {'torch', 'timm', 'transformers', 'torchvision', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
