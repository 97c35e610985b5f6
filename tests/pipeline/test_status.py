from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.drawn_photos import recipe_values, write_folder
from support.tiny_pools import made_here, planned
from typer.testing import CliRunner

from xray.cli.main import app
from xray.core.uri import location
from xray.pipeline import status as module
from xray.pipeline.generate.workers import render_shard
from xray.pipeline.status import status
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    write_folder(tmp_path)
    return planned(tmp_path, recipe_values(tmp_path, scenarios=["original", "segmented"]))


def test_of_a_plan_nothing_is_made(run: RunFolder) -> None:
    found = status(run)
    assert found.table == [("original", 6, 0, 0, 0, 0), ("segmented", 6, 0, 0, 0, 0)]
    assert (found.total, found.photographs, found.masked, found.rate, found.seconds_left) == (12, 6, (0, 3), None, None)
    assert (found.predicted, found.trials, found.locks) == ({}, {}, {})


def test_a_third_is_made_and_the_rest_takes_twice_as_long(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    render_shard(run.uri, run.plan.shards()[0])
    committed = run.store.committed(GENERATE)[run.plan.shards()[0]]
    monkeypatch.setattr(time, "time", lambda: committed + 8.0)
    found = status(run)
    assert found.table == [("original", 6, 2, 2, 0, 0), ("segmented", 6, 2, 2, 0, 0)]
    assert found.rate == pytest.approx(4 / 8)
    assert found.seconds_left == pytest.approx(16)
    monkeypatch.setattr(time, "time", lambda: committed + module.WINDOW + 1)
    assert status(run).rate is None


def test_what_was_refused_and_what_failed_are_told_apart(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "photos/ball/0.jpg").unlink()
    (tmp_path / "masks/cup/1.png").write_bytes(b"no mask")
    made_here(run)
    assert status(run).table == [("original", 6, 6, 5, 0, 1), ("segmented", 6, 6, 4, 1, 1)]
    said = CliRunner().invoke(app, ["status", run.uri]).output
    assert "missing_file" in said
    assert "mask_changed" in said
    assert said.splitlines()[-1] == f"12 of 12 images of 6 photographs (100%): {location(run.uri)}"


def test_who_is_at_work_is_said_and_how_long_it_takes(run: RunFolder) -> None:
    render_shard(run.uri, run.plan.shards()[0])
    assert "no process is at work" in CliRunner().invoke(app, ["status", run.uri]).output
    with run.locked("images"):
        lines = CliRunner().invoke(app, ["status", run.uri]).output.splitlines()
    assert any(line.startswith("at work on images: process ") for line in lines)
    assert " per second, " in lines[-1]
    assert lines[-1].endswith(f" left: {location(run.uri)}")


def test_a_run_that_is_none(tmp_path: Path) -> None:
    for verb in ("status", "verify"):
        result = CliRunner().invoke(app, [verb, str(tmp_path)])
        assert "no run at" in str(result.exception)
