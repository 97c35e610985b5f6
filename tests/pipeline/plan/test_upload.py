from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from support.drawn_photos import recipe_values, write_folder
from support.paths import ROOT
from support.tiny_pools import made_here

from xray.core.files import read_bytes
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.counts import RowCounts
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE
from xray.runs.recipe import load_recipe, recipe_from


def test_what_was_drawn_goes_along_with_a_run_in_a_bucket(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_CACHE", str(tmp_path))
    recipe, run = load_recipe(str(ROOT / "jobs/recipes/smoke.yaml")), RunFolder(bucket.format("smoke"))
    write_plan(run, recipe, survey(recipe, run))
    for table, columns in (("source", ("uri", "mask_uri")), ("backgrounds", ("uri",))):
        for row in run.store.table(table).to_pylist():
            assert all(row[column].startswith("s3://photos/smoke/photographs/") for column in columns)
            assert hashlib.sha256(read_bytes(row["uri"])).hexdigest() == row["sha256"]
    shutil.rmtree(tmp_path)  # as on another machine
    made_here(run)
    assert RowCounts.of(run.store.receipts(GENERATE)).ok == run.plan.planned_rows() == 112


def test_photographs_of_ones_own_stay_where_they_are(bucket: str, tmp_path: Path) -> None:
    write_folder(tmp_path, per_category=1)
    recipe, run = recipe_from(recipe_values(tmp_path)), RunFolder(bucket.format("own"))
    write_plan(run, recipe, survey(recipe, run))
    assert all(row["uri"].startswith(tmp_path.as_uri()) for row in run.store.table("source").to_pylist())


def test_a_run_in_a_folder_reads_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_CACHE", str(tmp_path / "cache"))
    recipe, run = load_recipe(str(ROOT / "jobs/recipes/smoke.yaml")), RunFolder(str(tmp_path / "run"))
    write_plan(run, recipe, survey(recipe, run))
    assert all(row["uri"].startswith((tmp_path / "cache").as_uri()) for row in run.store.table("source").to_pylist())
    assert not (tmp_path / "run" / "photographs").exists()
