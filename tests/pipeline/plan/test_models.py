"""Models, and weights that trainings start from, that cannot be had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.drawn_photos import recipe_values, write_folder

from xray.core.errors import ConfigError
from xray.models.registry import parse_model
from xray.pipeline.plan.models import check_models, check_pretrained
from xray.pipeline.plan.survey import survey
from xray.runs.recipe import recipe_from
from xray.sources.categories import load_categories


def saved_config(folder: Path, config: object, *, weights: bytes | None = b"PK") -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    if weights is not None:
        (folder / "pytorch_model.bin").write_bytes(weights)
    return str(folder)


TWO = load_categories({"ball": [430], "cup": [968, 504]})
VIT = {"architectures": ["ViTForImageClassification"]}


@pytest.mark.parametrize(
    ("config", "weights", "message"),
    [
        (VIT | {"id2label": {"0": "ball", "1": "hat"}}, b"PK", r"'net' cannot be asked about 'cup'.*ball, hat"),
        (VIT | {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, b"PK", "2 classes.*id2label"),
        (VIT, b"PK", "2 classes"),
        (VIT | {"id2label": {str(k): f"tree {k}" for k in range(1000)}}, b"PK", "tree 0"),
        (VIT | {"id2label": {str(k): f"LABEL_{k}" for k in range(1000)}}, None, "model.safetensors"),
        (VIT | {"id2label": {str(k): f"LABEL_{k}" for k in range(1000)}}, b"<html>", "torch checkpoint"),
        ({"architectures": ["BertModel"], "num_labels": 1000}, b"PK", "not an image classifier"),
        ({"architecture": "resnet18", "num_classes": 10}, b"PK", "10 classes"),
        ({"architecture": "resnet18", "num_classes": 1000}, None, "model.safetensors"),
        ({"neither": 1}, b"PK", "neither timm's"),
    ],
)
def test_folders_that_cannot_be_evaluated(tmp_path: Path, config: object, weights: bytes | None, message: str) -> None:
    model = saved_config(tmp_path / "net", config, weights=weights)
    with pytest.raises(ConfigError, match=message):
        check_models({"net": model}, TWO)


@pytest.mark.parametrize(
    "spec",
    ["hf:nobody/has-this", "hf:not a hub id", "timm:resnet50", "timm:hf-hub:nobody/has-this", "torchvision:vgg16"],
)
def test_models_that_cannot_be_had_are_one_line(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("xray.models.weights.availability.urlopen", _refuse)
    monkeypatch.setenv("HF_HOME", "/nonexistent")
    monkeypatch.setenv("TORCH_HOME", "/nonexistent")
    with pytest.raises(ConfigError) as error:
        check_models({"net": spec}, TWO)
    assert spec in str(error.value)
    assert "\n" not in str(error.value)


def test_a_server_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xray.models.weights.availability.HUB_SECONDS", 0.05)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: _sleep())
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(ConfigError, match="no answer"):
        parse_model("hf:nobody/has-this").check_evaluation()


def test_all_problems_are_named_at_once_and_only_noted_on_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {
        "a": "/no/such/folder",
        "b": "reduced:resnet",
        "c": "smp:fpn-resnet18",
        "d": "lite:efficientnet-lite0",
    }
    with pytest.raises(ConfigError) as error:
        check_models(models, TWO)
    assert [line.partition(":")[2][2] for line in str(error.value).splitlines()] == ["a", "b", "c"]
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert len(check_models(models, TWO)) == 3


def test_models_of_several_libraries_are_checked_at_once_in_a_new_process(tmp_path: Path) -> None:
    code = (
        "from xray.pipeline.plan.models import check_models\n"
        "specs = ['timm:no_a', 'torchvision:no_b', 'hf:no c', 'timm:no_d', 'torchvision:no_e']\n"
        "try: check_models({spec: spec for spec in specs}, ())\n"
        "except ValueError as error: print(len(str(error).splitlines()))"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "5\n"


@pytest.mark.parametrize("data", [b"", b"not safetensors", b"\x08\0\0\0\0\0\0\0{"])
def test_damaged_weights_are_refused_by_their_header(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="safetensors"):
        parse_model(f"timm:resnet18@{path}").check_evaluation()


def _refuse(*_: object, **__: object) -> None:
    raise OSError("no network")


def _sleep() -> None:
    import time

    time.sleep(1)


NOT_PUBLISHED = ["reduced:resnet", "timm:coatnet_0_224", "smp:fpn-dpn92", "smp:unet-tu-coatnet_0_224"]
NOT_HERE = ["hf:nobody/has-this", "timm:resnet18", "torchvision:vgg16", "smp:fpn-resnet18", "smp:fpn-tu-resnet18"]


@pytest.mark.parametrize("spec", [*NOT_PUBLISHED, *NOT_HERE])
def test_trainings_need_the_weights_that_they_start_from(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xray.models.weights.availability.urlopen", _refuse)
    monkeypatch.setenv("HF_HOME", "/nonexistent")
    monkeypatch.setenv("TORCH_HOME", "/nonexistent")
    with pytest.raises(ConfigError, match=r"pretrained.*has no published|pretrained.*cannot") as error:
        check_pretrained({"net": spec})
    assert "\n" not in str(error.value)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert len(check_pretrained({"net": spec})) == 1


def test_weights_in_files_and_packages_are_here(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"PK")
    models = {"lite": "lite:efficientnet-lite0", "own": f"timm:coatnet_0_224@{tmp_path / 'w.pt'}"}
    assert check_pretrained(models) == []
    with pytest.raises(ConfigError, match="no published"):
        check_models({"net": "timm:coatnet_0_224"}, TWO)


def test_the_plan_asks_for_them(tmp_path: Path) -> None:
    write_folder(tmp_path)
    training = {"models": {"net": "reduced:resnet"}, "folds": 2, "pretrained": True}
    with pytest.raises(ConfigError, match="no published weights"):
        survey(recipe_from(recipe_values(tmp_path, scenarios=["original", "no_object"], training=training)))
    training["pretrained"] = False
    survey(recipe_from(recipe_values(tmp_path, scenarios=["original", "no_object"], training=training)))
