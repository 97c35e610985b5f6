from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.answers import answer
from support.drawn_photos import recipe_values, write_folder
from typer.testing import CliRunner

import xray
from xray.cli.main import app
from xray.core.errors import XrayError
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.recipe import recipe_from

RUNNER = CliRunner()


def printed(*arguments: str | Path) -> str:
    result = RUNNER.invoke(app, ["regress", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("run")
    write_folder(folder, per_category=12)
    names = [f"{name}/{number}.jpg" for name in ("ball", "cup") for number in range(12)]
    (folder / "groups.csv").write_text(
        "\n".join(["image,group", *(f"{name},{k // 2}" for k, name in enumerate(names))])
    )
    scenarios = ["original", "blur_background", "random_background", "no_object"]
    recipe = recipe_from(recipe_values(folder, scenarios=scenarios, groups=str(folder / "groups.csv")))
    planned = RunFolder(str(folder / "run"))
    write_plan(planned, recipe, survey(recipe))
    for model in ("resnet50", "vit"):
        answer(planned, model, {"random_background": 0.6})
    return planned.uri


def test_a_run_is_regressed_as_in_a_notebook(run: str, tmp_path: Path) -> None:
    text = printed(run, "--out", tmp_path / "cells")
    made = pd.read_csv(tmp_path / "cells/parameters.csv")
    wanted = xray.open(run).regression().parameters
    assert made["term"].tolist() == wanted["term"].tolist()
    np.testing.assert_allclose(made["std_error"], wanted["std_error"])
    assert "no_object is left out" in text


def test_single_predictions_of_a_run_with_everything_beside_them(run: str, tmp_path: Path) -> None:
    words = ["--cluster", "group", "--glm", "--mixed", "image_id", "--factors", "model", "scenario"]
    text = printed(run, *words, "--reference", "model=vit", "--out", tmp_path)
    opened, factors = xray.open(run), ["model", "scenario"]
    reference = {"model": "vit"}
    linear = opened.regression(reference, factors, rows="predictions").clustered
    counts = opened.binomial_regression(reference, factors).clustered
    random = opened.mixed_regression(reference, factors, group="image_id")
    assert linear is not None
    assert counts is not None
    for name, wanted in (("parameters_clustered", linear), ("binomial_clustered", counts), ("mixed", random)):
        np.testing.assert_allclose(pd.read_csv(tmp_path / f"{name}.csv")["std_error"], wanted.parameters["std_error"])
    assert json.loads((tmp_path / "fit.json").read_text())["mixed"]["icc"] == pytest.approx(random.icc)
    assert text.count("no_object is left out") == 1
    assert "duplicates" not in text


def test_clusters_by_photograph_are_questioned_where_photographs_belong_together(run: str) -> None:
    assert "'group' instead of 'image_id'" in printed(run, "--cluster", "image_id", "--factors", "scenario")
    assert "'group' instead of 'image_id'" not in printed(run, "--cluster", "group", "--factors", "scenario")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--factors", "breed"], "'breed'"),
        (["--cluster", "burst"], "'burst'"),
        (["--mixed", "burst"], "'burst'"),
        (["--reference", "scenario=blur"], "'blur'"),
        (["--reference", "place=sea"], "'place'"),
        (["--weights", "images"], "'images'"),
    ],
)
def test_mistakes_are_named(arguments: list[str], named: str, run: str) -> None:
    with pytest.raises(XrayError, match=named):
        printed(run, *arguments)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(XrayError, match=r"run\.json"):
        printed(tmp_path)
