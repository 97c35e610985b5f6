"""What `xray plan` checks before anything expensive."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from support.drawn_photos import recipe_values, write_folder
from support.planned_runs import planned

from xray.core.errors import ConfigError, StorageError, XrayError
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
