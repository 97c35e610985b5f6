from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from support.clusters import ROOT
from support.drawn_photos import recipe_values, write_folder
from support.tiny_pools import made_here

from xray.core.files import read_bytes
from xray.pipeline.plan.plan import survey, write_plan
from xray.runs.counts import Progressed
from xray.runs.receipts import GENERATE
from xray.runs.recipe import load_recipe, recipe_from
from xray.runs.run import Run


def test_what_was_drawn_goes_along_with_a_run_in_a_bucket(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_CACHE", str(tmp_path))
    recipe, run = load_recipe(str(ROOT / "jobs/recipes/smoke.yaml")), Run(bucket.format("smoke"))
    write_plan(run, recipe, survey(recipe, run))
    for table, columns in (("source", ("uri", "mask_uri")), ("backgrounds", ("uri",))):
        for row in run.table(table).to_pylist():
            assert all(row[column].startswith("s3://photos/smoke/photographs/") for column in columns)
            assert hashlib.sha256(read_bytes(row["uri"])).hexdigest() == row["sha256"]
    shutil.rmtree(tmp_path)  # as on another machine
    made_here(run)
    assert Progressed.of(run.receipts(GENERATE)).ok == run.planned_rows() == 112


def test_photographs_of_ones_own_stay_where_they_are(bucket: str, tmp_path: Path) -> None:
    write_folder(tmp_path, per_category=1)
    recipe, run = recipe_from(recipe_values(tmp_path)), Run(bucket.format("own"))
    write_plan(run, recipe, survey(recipe, run))
    assert all(row["uri"].startswith(tmp_path.as_uri()) for row in run.table("source").to_pylist())


def test_a_run_in_a_folder_reads_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_CACHE", str(tmp_path / "cache"))
    recipe, run = load_recipe(str(ROOT / "jobs/recipes/smoke.yaml")), Run(str(tmp_path / "run"))
    write_plan(run, recipe, survey(recipe, run))
    assert all(row["uri"].startswith((tmp_path / "cache").as_uri()) for row in run.table("source").to_pylist())
    assert not (tmp_path / "run" / "photographs").exists()
