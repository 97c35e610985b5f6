from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from support.drawn_photos import recipe_values, write_folder
from typer.testing import CliRunner

from xray.cli.main import app
from xray.cli.output import out
from xray.cli.understood import print_understood
from xray.pipeline.plan.survey import survey
from xray.runs.recipe import recipe_from


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path)
    return tmp_path


def plan(folder: Path, *options: str, **changes: object) -> list[list[str]]:
    """Return the words of each line that `xray plan` prints."""
    values = recipe_values(folder, scenarios=["original", "segmented"], **changes)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(values))
    result = CliRunner().invoke(app, ["plan", str(folder / "recipe.yaml"), str(folder / "run"), *options])
    assert result.exception is None, result.output
    return [line.split() for line in result.output.splitlines()]


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_the_plan_prints_photographs_and_annotations_by_category(folder: Path, options: tuple[str, ...]) -> None:
    (folder / "masks/cup/0.png").unlink()
    shutil.copy(folder / "photos/cup/1.jpg", folder / "photos/cup/9.jpg")
    (folder / "photos/ball/0.jpg").write_bytes(b"")
    lines = plan(folder, *options)
    assert ["category", "class", "photographs", "annotated", "refused", "copies"] in lines
    assert [line[-4:] for line in lines if line[:1] in (["ball"], ["cup"], ["all"])] == [
        ["3", "3", "1", "0"],
        ["4", "2", "0", "1"],
        ["7", "5", "1", "1"],
    ]
    assert next(line for line in lines if line[:1] == ["ball"])[1:3] == ["430", "basketball"]


def test_photographs_of_one_folder_are_planned_by_their_labels(folder: Path) -> None:
    flat = folder / "flat"
    flat.mkdir()
    for path in folder.glob("photos/*/*.jpg"):
        shutil.copy(path, flat / f"{'red_fox' if path.parent.name == 'cup' else 'cello'}_{path.name}")
    values = recipe_values(folder, scenarios=["original", "random_background"])
    del values["categories"]
    labels = {"pattern": "{label}_*"}
    values["source"] = {"kind": "imagefolder", "root": str(flat), "labels": labels}
    values["masks"] = {"refine": "guess"}
    source = survey(recipe_from(values)).source
    assert sorted(source["category"].to_pylist()) == ["cello"] * 3 + ["red_fox"] * 3


def test_a_range_of_classes_is_cut_at_its_end_alone(folder: Path) -> None:
    with out.capture() as captured:
        print_understood(survey(recipe_from(recipe_values(folder, categories={"ball": "dog"}))), annotated=True)
    assert captured.get().splitlines()[0].split() == ["category", "class", "photographs", "annotated"]
    (line,) = [line for line in captured.get().splitlines() if line.split()[:1] == ["ball"]]
    assert "118 classes: 151 Chihuahua … 268 Mexi" in line
    assert line.count("…") == 2


def test_many_categories_and_long_names_fit_a_terminal(folder: Path) -> None:
    for number in range(30):
        name = f"[bold]{number} " + "x" * 60
        shutil.copytree(folder / "photos/ball", folder / "photos" / name)
    names = [path.name for path in (folder / "photos").iterdir()]
    recipe = recipe_from(recipe_values(folder, categories={name: [430, 151, 277] for name in names}))
    with out.capture() as captured:
        print_understood(survey(recipe), annotated=True)
    lines = captured.get().splitlines()
    assert len(lines) == 22
    assert max(map(len, lines)) <= 80
    assert lines[-1].split()[-2:] == ["96", "96"] or lines[-1].split()[:1] == ["all"]
    assert any(line.split()[:1] == ["others"] for line in lines)
