from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from support.drawn_photos import recipe_values, write, write_folder
from support.planned_runs import planned
from support.tiny_pools import kill_after_a_receipt, made_files

from xray.core.errors import ConfigError
from xray.pipeline.generate.estimate import forecast
from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE
from xray.runs.recipe import recipe_from

SCRIPT = """
import sys
from xray.pipeline.generate.generate import generate
from xray.runs.folder import RunFolder

generate(RunFolder(sys.argv[1]), workers=1)
"""

pytestmark = pytest.mark.usefixtures("ray_session")


def hashes(run: RunFolder) -> dict[str, str]:
    return {row["sample_id"]: row["sha256"] for row in run.store.table("images", ["sample_id", "sha256"]).to_pylist()}


def test_the_same_bytes_with_1_2_and_4_workers(tmp_path: Path) -> None:
    write_folder(tmp_path)
    made = []
    for workers in (1, 2, 4):
        run = planned(tmp_path, f"run{workers}")
        counts = generate(run, workers=workers)
        assert counts.rows == 30
        assert counts.counts["transparent"] == {"ok": 6}
        made.append((hashes(run), made_files(run)))
    assert len(made[0][0]) == 30
    assert made[0] == made[1] == made[2]


def test_resuming_makes_only_missing_shards(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path)
    generate(run)
    before, folder = made_files(run), tmp_path / "run"
    shard = run.plan.shards()[1]
    (folder / f"receipts/generate/{shard}.json").unlink()
    (folder / f"images/{shard}.parquet").write_bytes(b"torn")
    kept = (folder / f"images/{run.plan.shards()[0]}.parquet").stat().st_mtime_ns
    generate(run)
    assert made_files(run) == before
    assert (folder / f"images/{run.plan.shards()[0]}.parquet").stat().st_mtime_ns == kept


def test_a_new_scenario_makes_only_its_own_images(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path, scenarios=["segmented"])
    generate(run)
    before = made_files(run)
    run = planned(tmp_path, scenarios=["segmented", "original"])
    assert generate(run).counts == {"segmented": {"ok": 6}, "original": {"ok": 6}}
    assert before.items() <= made_files(run).items()
    assert len(run.store.table("masks")) == 6


def test_failed_reads_are_retried(tmp_path: Path) -> None:
    write_folder(tmp_path)
    golden = planned(tmp_path, "golden")
    generate(golden)
    run = planned(tmp_path)
    (tmp_path / "photos/ball/1.jpg").rename(tmp_path / "away.jpg")
    counts = generate(run, bad_rows=1.0)
    assert counts.refused()["failed missing_file"] >= 5
    (tmp_path / "away.jpg").rename(tmp_path / "photos/ball/1.jpg")
    assert generate(run).refused() == {}
    assert hashes(run) == hashes(golden)


def test_too_many_bad_rows_stop_a_run(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write(tmp_path / "photos/cup/x.jpg", b"broken")
    write(tmp_path / "photos/cup/y.jpg", b"")
    run = planned(tmp_path)
    with pytest.raises(ConfigError, match=r"of 40 rows.* 0: \d+ (unknown_format|empty_file)"):
        generate(run)
    counts = generate(run, bad_rows=0.3)
    assert counts.rows == 40
    assert counts.refused() == {"rejected unknown_format": 5, "rejected empty_file": 5}


@pytest.mark.slow
def test_a_killed_driver_loses_no_committed_shard(tmp_path: Path) -> None:
    """SIGKILL in the middle; the same command resumes, and every byte is that of an undisturbed run."""
    write_folder(tmp_path, per_category=8)
    golden = planned(tmp_path, "golden")
    generate(golden)
    run = planned(tmp_path)
    kill_after_a_receipt(run, [sys.executable, "-c", SCRIPT, run.uri])
    done = run.store.done(GENERATE)
    assert done
    assert all(
        len(json.loads((tmp_path / f"run/receipts/generate/{shard}.json").read_text())["files"]) == 2 for shard in done
    )
    generate(run)
    assert made_files(run) == made_files(golden)


def test_the_forecast_is_close_to_what_is_made(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path)
    (need,) = forecast(run).needs
    generate(run)
    mean = sum(len(cell["bytes"]) for cell in run.store.table("images", ["image"]).column("image").to_pylist()) / 30
    assert (need.stage, need.images, need.pool) == ("render", 30, None)
    assert need.seconds > 0
    assert 0.5 < need.bytes / (mean * 30) < 2
    assert forecast(run).needs == ()


def test_a_run_in_an_object_store_has_the_same_images(tmp_path: Path, bucket: str) -> None:
    write_folder(tmp_path)
    golden = planned(tmp_path)
    generate(golden)
    recipe = recipe_from(recipe_values(tmp_path))
    run = RunFolder(bucket.format("runs/mine"))
    write_plan(run, recipe, survey(recipe))
    counts = generate(run)
    assert counts.rows == 30
    assert hashes(run) == hashes(golden)
    assert run.store.table("images").sort_by("sample_id").equals(golden.store.table("images").sort_by("sample_id"))
