"""What `xray plan` checks before anything expensive."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from support.drawn_photos import recipe_values, write_folder
from support.planned_runs import planned

from xray.core.errors import ConfigError, StorageError, XrayError
from xray.models.registry import parse_model
from xray.pipeline.plan import checks
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.recipe import parse_recipe, recipe_from
from xray.sources.categories import load_categories


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path)
    return tmp_path


def surveyed(folder: Path, **changes: object):
    return survey(recipe_from(recipe_values(folder, **changes)), RunFolder(str(folder / "run")))


def saved_config(folder: Path, config: object, *, weights: bytes | None = b"PK") -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    if weights is not None:
        (folder / "pytorch_model.bin").write_bytes(weights)
    return str(folder)


TWO = load_categories({"ball": [430], "cup": [968, 504]})
VIT = {"architectures": ["ViTForImageClassification"]}


class TestModels:
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
    def test_folders_that_cannot_be_evaluated(
        self, tmp_path: Path, config: object, weights: bytes | None, message: str
    ) -> None:
        model = saved_config(tmp_path / "net", config, weights=weights)
        with pytest.raises(ConfigError, match=message):
            checks.check_models({"net": model}, TWO)

    @pytest.mark.parametrize(
        "spec",
        ["hf:nobody/has-this", "hf:not a hub id", "timm:resnet50", "timm:hf-hub:nobody/has-this", "torchvision:vgg16"],
    )
    def test_models_that_cannot_be_had_are_one_line(self, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.setattr("xray.models.weights.availability.urlopen", _refuse)
        monkeypatch.setenv("HF_HOME", "/nonexistent")
        monkeypatch.setenv("TORCH_HOME", "/nonexistent")
        with pytest.raises(ConfigError) as error:
            checks.check_models({"net": spec}, TWO)
        assert spec in str(error.value)
        assert "\n" not in str(error.value)

    def test_a_server_that_never_answers_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("xray.models.weights.availability.HUB_SECONDS", 0.05)
        monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: _sleep())
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        with pytest.raises(ConfigError, match="no answer"):
            parse_model("hf:nobody/has-this").check_evaluation()

    def test_all_problems_are_named_at_once_and_only_noted_on_a_cluster(self, monkeypatch: pytest.MonkeyPatch) -> None:
        models = {
            "a": "/no/such/folder",
            "b": "reduced:resnet",
            "c": "smp:fpn-resnet18",
            "d": "lite:efficientnet-lite0",
        }
        with pytest.raises(ConfigError) as error:
            checks.check_models(models, TWO)
        assert [line.partition(":")[2][2] for line in str(error.value).splitlines()] == ["a", "b", "c"]
        monkeypatch.setenv("RAY_ADDRESS", "auto")
        assert len(checks.check_models(models, TWO)) == 3

    def test_models_of_several_libraries_are_checked_at_once_in_a_new_process(self, tmp_path: Path) -> None:
        code = (
            "from xray.pipeline.plan.checks import check_models\n"
            "specs = ['timm:no_a', 'torchvision:no_b', 'hf:no c', 'timm:no_d', 'torchvision:no_e']\n"
            "try: check_models({spec: spec for spec in specs}, ())\n"
            "except ValueError as error: print(len(str(error).splitlines()))"
        )
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == "5\n"

    @pytest.mark.parametrize("data", [b"", b"not safetensors", b"\x08\0\0\0\0\0\0\0{"])
    def test_damaged_weights_are_refused_by_their_header(self, tmp_path: Path, data: bytes) -> None:
        path = tmp_path / "net.safetensors"
        path.write_bytes(data)
        with pytest.raises(ConfigError, match="safetensors"):
            parse_model(f"timm:resnet18@{path}").check_evaluation()


def _refuse(*_: object, **__: object) -> None:
    raise OSError("no network")


def _sleep() -> None:
    import time

    time.sleep(1)


class TestCategories:
    def test_own_categories_are_planned_and_only_imagenet_models_refused(self, folder: Path) -> None:
        own = {"ball": {}, "cup": [968, 504]}
        run = planned(folder, categories=own)
        assert [category.own for category in run.recipe.categories or ()] == [True, False]
        with pytest.raises(ConfigError, match=r"efficientnet-lite0.*'ball'"):
            surveyed(folder, categories=own, models=["lite:efficientnet-lite0"])

    @pytest.mark.parametrize("entry", [[], None, {"indices": []}])
    def test_open_lines_are_refused(self, entry: object) -> None:
        with pytest.raises(ConfigError, match="ball"):
            load_categories({"ball": entry})

    def test_an_own_category_survives_the_stored_recipe(self, folder: Path) -> None:
        run = planned(folder, categories={"ball": {"prompts": ["on a lawn"]}, "cup": {}})
        assert recipe_from(run.recipe_values).categories == run.recipe.categories

    def test_categories_that_share_classes_are_noted(self, folder: Path) -> None:
        (note,) = [
            note for note in surveyed(folder, categories={"ball": [430, 504], "cup": [504]}).notes if "504" in note
        ]
        assert "'ball' and 'cup'" in note
        assert "430" not in note


class TestBackgrounds:
    def test_a_bank_of_the_only_category_is_refused(self, folder: Path) -> None:
        found = surveyed(folder)
        same = found.source.filter([category == "ball" for category in found.source["category"].to_pylist()])
        pool = found.backgrounds.filter([category == "ball" for category in found.backgrounds["category"].to_pylist()])
        scenarios = recipe_from(recipe_values(folder)).scenarios
        with pytest.raises(ConfigError, match="backgrounds"):
            checks.check_donors(same, pool, scenarios)
        assert "3" in checks.check_donors(found.source, found.backgrounds, scenarios)[0]

    def test_one_photograph_is_put_on_drawn_landscapes(self, tmp_path: Path) -> None:
        write_folder(tmp_path, per_category=1)
        shutil.rmtree(tmp_path / "photos/cup")
        run = planned(tmp_path, categories={"ball": [430]}, scenarios=["original", "random_background"])
        assert run.recipe_values["backgrounds"]["kind"] == "drawn"
        assert any("landscapes" in note for note in run.plan.record()["remarks"])
        again = planned(tmp_path, categories={"ball": [430]}, scenarios=["original", "random_background", "segmented"])
        assert again.recipe_values["backgrounds"]["kind"] == "drawn"


def test_trainings_need_photographs_of_every_category(folder: Path) -> None:
    training = {"models": ["reduced:resnet"], "folds": 3}
    assert surveyed(folder, training=training)
    for path in sorted((folder / "photos/cup").iterdir())[1:]:
        path.unlink()
    with pytest.raises(XrayError, match="cup"):
        surveyed(folder, training=training)
    with pytest.raises(XrayError, match="hat"):
        surveyed(folder, categories={"ball": [430], "hat": [515]}, training=training)


def test_categories_without_photographs_are_said(folder: Path) -> None:
    assert any("'hat'" in note for note in surveyed(folder, categories={"ball": [430], "hat": [515]}).notes)


def test_more_missing_masks_than_bad_rows_allow_are_said(folder: Path) -> None:
    for path in sorted((folder / "masks").rglob("*.png"))[:2]:
        path.unlink()
    found = "\n".join(surveyed(folder, scenarios=["original", "segmented"]).notes)
    assert "(2)" in found
    assert "bad_rows: 0.17" in found
    assert "will stop" not in "\n".join(surveyed(folder, scenarios=["original", "segmented"], bad_rows=0.17).notes)


def test_recipes_without_need_read_no_annotations(folder: Path) -> None:
    shutil.rmtree(folder / "masks")
    found = surveyed(folder, scenarios=["original", "image_grey"])
    assert found.source["mask_uri"].null_count == 6
    assert not any("annotation" in note for note in found.notes)


DiskUsage = namedtuple("DiskUsage", ["total", "used", "free"])


@pytest.mark.parametrize(("free", "outcome"), [(10_000_000_000, ""), (150_000, "tight"), (1_000, "refused")])
def test_disk_space(folder: Path, monkeypatch: pytest.MonkeyPatch, free: int, outcome: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: DiskUsage(free, 0, free))
    if outcome == "refused":
        with pytest.raises(StorageError, match="free"):
            surveyed(folder)
    else:
        assert any("tight" in note for note in surveyed(folder).notes) == bool(outcome)


def test_a_run_below_a_file_cannot_be_written(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        survey(recipe_from(recipe_values(folder)), RunFolder(str(folder / "file/run")))


def test_missing_weights_say_how_to_pull_them(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XRAY_WEIGHTS", str(tmp_path / "none"))
    values = recipe_values(folder)
    values["masks"] = {**values["masks"], "refine": {"kind": "sam"}}
    with pytest.raises(XrayError, match="xray weights pull"):
        survey(recipe_from(values))
    values["scenarios"] = ["original"]
    assert survey(recipe_from(values))  # no masks, no weights


def test_recipes_with_own_categories_parse() -> None:
    recipe = parse_recipe("source: {kind: shapes}\ncategories: {widget: {}, dog: [151, 152]}\n")
    assert [category.own for category in recipe.categories or ()] == [True, False]
