"""A run of the first photographs of each category, through the command line."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from support.drawn_photos import recipe_values, write_folder
from support.saved_models import saved_model
from typer.testing import CliRunner

from xray.cli.main import app
from xray.core.errors import ConfigError
from xray.core.yaml import dump
from xray.pipeline.train.sweep import select_trials
from xray.runs.folder import RunFolder

SCENARIOS = ["original", {"kind": "random_background", "variants": 2}, "transparent"]


def xray(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def images(
    run: Path, scenarios: Collection[str] = ("original", "random_background", "transparent")
) -> dict[str, bytes]:
    rows = RunFolder.open(str(run)).store.table("images").to_pylist()
    assert len({row["sample_id"] for row in rows}) == len(rows)
    return {row["sample_id"]: row["image"]["bytes"] for row in rows if row["scenario"] in scenarios}


@pytest.mark.usefixtures("without_gpus")
def test_the_whole_run_keeps_the_images_of_the_first(tmp_path: Path) -> None:
    write_folder(tmp_path, per_category=3)
    recipe, run, whole = (tmp_path / name for name in ("recipe.yaml", "run", "whole"))
    training = {"models": ["reduced:resnet"], "holdout": 0.4, "scenarios": ["original"], "epochs": 1}
    model = saved_model(tmp_path / "models", "test_resnet")
    recipe.write_text(dump(recipe_values(tmp_path, models={"net": model}, scenarios=SCENARIOS, training=training)))

    output = xray("pipeline", recipe, run, "--first", 1)
    assert "2 of 6 photographs" in output
    assert "net: 8 predictions" in output
    assert "the first 1 photographs" in output
    assert "first 1 of each category" in (run / "report.html").read_text()
    assert "first 1 of each category" in xray("status", run)
    assert "complete" in xray("verify", run)
    with pytest.raises(ConfigError, match="--first"):
        select_trials(RunFolder.open(str(run)))
    first, donors = images(run, ("original", "transparent")), images(run, ("random_background",))
    made = {path: path.stat().st_mtime_ns for path in run.rglob("*/*.parquet")}

    recipe.write_text(dump(recipe_values(tmp_path, models={"net": model}, scenarios=SCENARIOS)))
    assert "--first" not in xray("pipeline", recipe, run)
    xray("plan", recipe, whole)
    xray("generate", whole)
    assert images(run) == images(whole)
    assert first.items() <= images(run).items()
    assert (len(first), len(donors)) == (4, 4)
    assert set(donors) <= set(images(run))
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert "photographs (100%)" in xray("status", run)


def test_the_number_is_at_least_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["plan", "recipe.yaml", str(tmp_path / "run"), "--first", "0"])
    assert result.exit_code == 2


def test_the_only_photograph_of_its_category_has_none_of_it_behind_it(tmp_path: Path) -> None:
    write_folder(tmp_path, per_category=3)
    recipe, scenarios = tmp_path / "recipe.yaml", ["original", {"kind": "random_background", "category": "same"}]
    recipe.write_text(dump(recipe_values(tmp_path, scenarios=scenarios)))
    with pytest.raises(ConfigError, match="--first 2"):
        xray("plan", recipe, tmp_path / "run", "--first", 1)
    xray("plan", recipe, tmp_path / "run", "--first", 2)
    run = RunFolder.open(str(tmp_path / "run"))
    source, rows = run.store.table("source"), run.store.table("plan").to_pylist()
    assert {row["donor_id"] for row in rows if row["donor_id"]} == set(source["image_id"].to_pylist())
