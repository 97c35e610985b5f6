"""Verification of photographs without their objects."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from support.drawn_photos import write
from support.tiny_pools import made_files, made_here, planned, pooled_folder
from support.tiny_remover import removing_values
from typer.testing import CliRunner

from xray.cli.main import app
from xray.core.files import paths_below
from xray.pipeline.generate.workers import remove_shards
from xray.pipeline.verify.verify import VerifyReport, verify
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, MASK, REMOVE


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = pooled_folder(tmp_path_factory.mktemp("verify-removed"))
    run = planned(folder, removing_values(folder), "golden")
    made_here(run)
    return run


@pytest.fixture
def run(golden: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy to be damaged."""
    shutil.copytree(golden.uri.removeprefix("file://"), tmp_path / "run")
    return RunFolder(str(tmp_path / "run"))


def problems(report: VerifyReport) -> list[tuple[str, str]]:
    return [(problem.kind, problem.path) for problem in report.problems]


def test_a_sound_run_is_left_unchanged(golden: RunFolder) -> None:
    before = paths_below(golden.uri)
    report = verify(golden)
    assert report.sound
    assert (report.receipts, report.files) == (9, 9)
    assert (report.orphans, dict(report.missing)) == ([], {MASK: 0, REMOVE: 0, GENERATE: 0})
    assert paths_below(golden.uri) == before


def test_a_flipped_byte_is_found_and_made_again(golden: RunFolder, run: RunFolder, tmp_path: Path) -> None:
    first, second, third = run.plan.batches()
    path = tmp_path / f"run/removed/{second}.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    (tmp_path / f"run/removed/{third}.parquet").unlink()
    write(tmp_path / "run/removed/00-00009.parquet", b"left by a killed process")
    report = verify(run, clean=True, repair=True)
    assert problems(report) == [("changed", f"removed/{second}.parquet"), ("missing", f"removed/{third}.parquet")]
    assert (report.orphans, dict(report.revoked)) == (["removed/00-00009.parquet"], {REMOVE: 2})
    assert dict(verify(run).missing)[REMOVE] == 2
    said = CliRunner().invoke(app, ["verify", run.uri]).output
    assert "remove: 2 shards missing" in said
    for batch in (first, second, third):
        remove_shards(run.uri, 1, batch)
    assert verify(run).sound
    assert made_files(run) == made_files(golden)


@pytest.mark.parametrize(
    "damage",
    [
        {"patch": {"bytes": b"no image", "path": "x.png"}},
        {"patch": None},
        {"x": 95},
        {"y": -1},
        {"area": 0.9},
    ],
)
def test_patches_that_differ_from_their_rows(run: RunFolder, damage: dict[str, object]) -> None:
    batch = run.plan.batches()[0]
    receipt, table = run.store.receipt(REMOVE, batch), run.store.shard_table(REMOVE, "removed", batch)
    rows = table.to_pylist()
    rows[1] |= damage
    run.store.commit(REMOVE, batch, {"removed": (pa.Table.from_pylist(rows, table.schema), None)}, receipt.counts, 0)
    report = verify(run)
    assert [one for one in problems(report) if one[0] != "stale"] == [("picture", f"removed/{batch}.parquet")]
    assert {problem.kind for problem in verify(run, pictures=False).problems} == {"stale"}  # what shows other patches


def test_rows_that_differ_from_the_plan(run: RunFolder) -> None:
    first, second, _ = run.plan.batches()
    other = run.store.shard_table(REMOVE, "removed", second)
    run.store.commit(REMOVE, first, {"removed": (other, None)}, {"removed": {"ok": 2}}, 0)
    found = [problem for problem in problems(verify(run)) if problem[0] != "stale"]
    assert found == [("rows", f"receipts/remove/{first}.json")]


def test_a_run_without_images_is_not_complete(run: RunFolder) -> None:
    for shard in run.plan.shards():
        run.store.revoke(GENERATE, shard)
    report = verify(run)
    assert not report.problems
    assert (report.sound, report.images, dict(report.missing)) == (False, 0, {MASK: 0, REMOVE: 0, GENERATE: 3})


def test_status_tells_how_many_are_removed(run: RunFolder) -> None:
    run.store.revoke(REMOVE, run.plan.batches()[0])
    said = CliRunner().invoke(app, ["status", run.uri]).output
    assert "objects removed: 2 of 3 photo batches" in said
