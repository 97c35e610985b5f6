from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from xray.core.errors import XrayError
from xray.core.plugins import settings
from xray.models import Classifier, parse_model
from xray.models.lite import Lite
from xray.models.registry import families
from xray.models.timm import Timm
from xray.models.torchvision import Torchvision
from xray.models.transformers import Transformers


def test_families() -> None:
    assert families() == ["hf", "lite", "reduced", "smp", "timm", "torchvision"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("timm:resnet50", Timm(architecture="resnet50")),
        ("timm:resnet50.a1_in1k", Timm(architecture="resnet50.a1_in1k")),
        ("timm:resnet50@s3://b/w@2.safetensors", Timm(architecture="resnet50", weights="s3://b/w@2.safetensors")),
        ("timm:hf-hub:timm/resnet50.a1_in1k", Timm(architecture="hf-hub:timm/resnet50.a1_in1k")),
        ("timm:local-dir:/a@b", Timm(architecture="local-dir:/a@b")),
        ("torchvision:vgg16", Torchvision(architecture="vgg16")),
        (
            "torchvision:resnet50.IMAGENET1K_V1@a.b/w.pth",
            Torchvision(architecture="resnet50", version="IMAGENET1K_V1", weights="a.b/w.pth"),
        ),
        ("hf:google/vit-base-patch16-224", Transformers(model="google/vit-base-patch16-224")),
        ("hf:google/vit@abc", Transformers(model="google/vit", revision="abc")),
        ("hf:/models/v@1", Transformers(model="/models/v@1")),
        ("lite:efficientnet-lite2", Lite(architecture="efficientnet-lite2")),
    ],
)
def test_names(spec: str, expected: Classifier) -> None:
    assert parse_model(spec) == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("tim:resnet50", "unknown model family 'tim'; did you mean 'timm'"),
        ("resnet50", "unknown model family 'resnet50'"),
        ("timm", "model 'timm' names no architecture"),
        ("timm:", "model 'timm:' names no architecture"),
        ("lite:efficientnet-lite3", "unknown lite model 'efficientnet-lite3'; did you mean 'efficientnet-lite2'"),
        ("no.such.module:Class:x", "cannot import model family"),
        ("xray.models.lite:pair_by_position:x", "is not a subclass of xray.models.base.Classifier"),
    ],
)
def test_what_cannot_be_parsed(spec: str, message: str) -> None:
    with pytest.raises(XrayError, match=message):
        parse_model(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("timm:resnet5", "unknown timm model 'resnet5'; did you mean '.*resnet50'"),
        ("timm:resnet50.a1_in2k", "unknown timm model 'resnet50.a1_in2k'; did you mean .*'resnet50.a1_in1k'"),
        ("timm:zzzzzzzzzz", r"none of \d+ names is like it"),
        ("timm:resnet50@nowhere.safetensors", "no weights at 'nowhere.safetensors'"),
        ("torchvision:vgg61", "unknown torchvision model 'vgg61'; did you mean .*'vgg16'"),
        ("torchvision:fcn_resnet50", "unknown torchvision model 'fcn_resnet50'; did you mean .*resnet50'"),
        ("torchvision:resnet50.V1", r"unknown weights of torchvision:resnet50 'V1';.*choices: DEFAULT, IMAGENET1K_V1"),
        ("torchvision:vgg16@nowhere.pth", "no weights at 'nowhere.pth'"),
    ],
)
def test_what_check_refuses(spec: str, message: str) -> None:
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


def test_a_family_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert parse_model("somewhere.models:Mine:a:b") == Mine(path="a:b")


def test_parsing_needs_no_torch() -> None:
    import subprocess

    code = (
        "import sys; from xray.models import parse_model; parse_model('timm:resnet50'); parse_model('hf:a/b')\n"
        "assert not {'torch', 'timm', 'transformers', 'torchvision', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
