from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from drawn import drawn, recipe_values, write, write_folder
from test_evaluate import saved_model
from typer.testing import CliRunner

from xray.cli import app
from xray.codec import encode
from xray.errors import XrayError
from xray.run import Run
from xray.strict_yaml import dump

RUNNER = CliRunner()


def said(*arguments: str | Path) -> str:
    """What the command prints; its errors are raised."""
    result = RUNNER.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_folder(tmp_path)
    model = saved_model(tmp_path / "models", "test_resnet")
    path = tmp_path / "recipe.yaml"
    path.write_text(dump(recipe_values(tmp_path, models={"net": model})))
    return path


@pytest.mark.usefixtures("ray_session")
def test_from_photographs_to_a_report_and_again(recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    told = said("pipeline", recipe, run)
    assert "planned 30 images of 6 photographs" in told
    assert re.search(r"ok\s+30", told)
    assert "net: 30 predictions" in told
    assert f"report: {run / 'report.html'}" in told
    page = (run / "report.html").read_text()
    assert "random_background" in page
    assert "<script" not in page
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*/*.parquet")}
    again = said("pipeline", recipe, run)
    assert "30 images, " in again
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*/*.parquet")} == before


def test_dry_runs_write_nothing(recipe: Path, tmp_path: Path) -> None:
    assert "would plan 30 images: 6 new photographs of 2 categories" in said(
        "plan", recipe, tmp_path / "run", "--dry-run"
    )
    assert not (tmp_path / "run").exists()
    said("plan", recipe, tmp_path / "run")
    told = said("generate", tmp_path / "run", "--dry-run")
    assert "30 images planned, 0 done, 30 to do" in told
    assert re.search(r"image_r\s+6\s+0", told)
    assert re.search(r"expected: [\d.]+ [kM]B, \d+ s of one core", told)
    assert not (tmp_path / "run/images").exists()


def test_init_writes_a_recipe_that_works(tmp_path: Path) -> None:
    for seed, folder in enumerate(("red fox", "n02992211")):
        write(tmp_path / f"photos/{folder}/1.jpg", encode(drawn(seed)[0]))
    (tmp_path / "masks").mkdir()
    told = said("init", tmp_path / "photos", "--masks", tmp_path / "masks", "-o", tmp_path / "r.yaml")
    assert "next: xray pipeline" in told
    text = (tmp_path / "r.yaml").read_text()
    assert "[277]" in text
    assert "[486]" in text
    assert "would plan 28 images: 2 new photographs" in said("plan", tmp_path / "r.yaml", tmp_path / "run", "--dry-run")
    with pytest.raises(XrayError, match="is there already"):
        said("init", tmp_path / "photos", "-o", tmp_path / "r.yaml")


def test_init_marks_the_lines_to_check_for_other_names(tmp_path: Path) -> None:
    write(tmp_path / "photos/my fox/1.jpg", b"x")
    write(tmp_path / "photos/cello/1.jpg", b"x")
    told = said("init", tmp_path / "photos", "-o", tmp_path / "r.yaml")
    assert "1 folders are called as no ImageNet class" in told
    lines = (tmp_path / "r.yaml").read_text().splitlines()
    assert [line.split(":")[0].strip() for line in lines if "<- check" in line] == ['"my fox"']
    with pytest.raises(XrayError, match="no folder"):
        said("init", tmp_path / "nowhere", "-o", tmp_path / "other.yaml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(XrayError, match="no folders in"):
        said("init", tmp_path / "empty", "-o", tmp_path / "other.yaml")


@pytest.mark.parametrize("what", ["scenarios", "sources", "masks", "backgrounds", "models", "categories"])
def test_what_there_is_to_choose_from(what: str) -> None:
    wanted = {
        "scenarios": "blur_background",
        "sources": "imagefolder",
        "masks": "grabcut",
        "backgrounds": "photos",
        "models": "timm",
        "categories": "ximagenet12",
    }
    lines = [line for line in said("list", what).splitlines() if re.match(rf" *(\w+: )?{wanted[what]}\b", line)]
    assert lines
    assert len(lines[0].split()) > 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "nowhere"], "xray: no run at 'nowhere'"),
        (["plan", "nowhere.yaml", "run"], "xray: missing_file"),
        (["list", "scenario"], "xray: unknown kind of choices 'scenario'; did you mean 'scenarios'?"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from xray.cli import main; main()", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_help_teaches() -> None:
    told = said("--help")
    for command in ("init", "plan", "generate", "evaluate", "score", "report", "pipeline", "list"):
        assert command in told
    assert "--dry-run" in said("generate", "--help")


def test_a_run_needs_a_plan(tmp_path: Path) -> None:
    with pytest.raises(XrayError, match="`xray plan RECIPE"):
        Run.open(str(tmp_path))
