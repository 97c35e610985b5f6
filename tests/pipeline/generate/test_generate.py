from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
from support.drawn_photos import recipe_values, write, write_folder
from support.planned_runs import planned
from support.tiny_pools import kill_after_a_receipt

from xray.core.errors import XrayError
from xray.pipeline.generate.estimate import forecast
from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import survey, write_plan
from xray.runs.receipts import GENERATE
from xray.runs.recipe import recipe_from
from xray.runs.run import Run

pytestmark = pytest.mark.usefixtures("ray_session")


def hashes(run: Run) -> dict[str, str]:
    return {row["sample_id"]: row["sha256"] for row in run.table("images", ["sample_id", "sha256"]).to_pylist()}


def files(run: Run) -> dict[str, str]:
    folder = Path(run.uri.removeprefix("file://"))
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for kind in ("images", "masks")
        for path in (folder / kind).iterdir()
    }


def test_the_same_bytes_with_1_2_and_4_workers(tmp_path: Path) -> None:
    write_folder(tmp_path)
    made = []
    for workers in (1, 2, 4):
        run = planned(tmp_path, f"run{workers}")
        told = generate(run, workers=workers)
        assert told.rows == 30
        assert told.counts["transparent"] == {"ok": 6}
        made.append((hashes(run), files(run)))
    assert len(made[0][0]) == 30
    assert made[0] == made[1] == made[2]


def test_going_on_makes_only_what_is_missing(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path)
    generate(run)
    before, folder = files(run), tmp_path / "run"
    shard = run.shards()[1]
    (folder / f"receipts/generate/{shard}.json").unlink()
    (folder / f"images/{shard}.parquet").write_bytes(b"torn")
    kept = (folder / f"images/{run.shards()[0]}.parquet").stat().st_mtime_ns
    generate(run)
    assert files(run) == before
    assert (folder / f"images/{run.shards()[0]}.parquet").stat().st_mtime_ns == kept


def test_a_new_scenario_makes_only_its_own_images(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path, scenarios=["original"])
    generate(run)
    before = files(run)
    run = planned(tmp_path, scenarios=["original", "segmented"])
    told = generate(run)
    assert before.items() <= files(run).items()
    assert {scenario: sum(counts.values()) for scenario, counts in told.counts.items()} == {
        "original": 6,
        "segmented": 6,
    }


def test_masks_are_kept_once_however_many_scenarios_are_added(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path, scenarios=["original"])
    generate(run)
    run = planned(tmp_path, scenarios=["original", "segmented"])
    generate(run)
    masks = run.table("masks").to_pandas()
    assert len(masks) == 6
    assert masks.image_id.is_unique


def test_what_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    write_folder(tmp_path)
    golden = planned(tmp_path, "golden")
    generate(golden)
    run = planned(tmp_path)
    (tmp_path / "photos/ball/1.jpg").rename(tmp_path / "away.jpg")
    told = generate(run, bad_rows=1.0)
    assert told.by_reason()["failed missing_file"] >= 5
    (tmp_path / "away.jpg").rename(tmp_path / "photos/ball/1.jpg")
    assert generate(run).by_reason() == {}
    assert hashes(run) == hashes(golden)


def test_the_budget_stops_a_run_that_goes_wrong(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write(tmp_path / "photos/cup/x.jpg", b"broken")
    write(tmp_path / "photos/cup/y.jpg", b"")
    run = planned(tmp_path)
    with pytest.raises(
        XrayError, match=r"of 40 rows are bad, more than the budget of 0: \d+ (unknown_format|empty_file)"
    ):
        generate(run)
    told = generate(run, bad_rows=0.3)
    assert told.rows == 40
    assert told.by_reason() == {"rejected unknown_format": 5, "rejected empty_file": 5}


def test_a_killed_driver_loses_nothing(tmp_path: Path) -> None:
    """SIGKILL in the middle; the same command goes on, and every byte is that of an undisturbed run."""
    write_folder(tmp_path, per_category=8)
    golden = planned(tmp_path, "golden")
    generate(golden)
    run = planned(tmp_path)
    script = "import sys; from xray.runs.run import Run; from xray.pipeline.generate.generate import generate; generate(Run(sys.argv[1]), workers=1)"
    kill_after_a_receipt(run, [sys.executable, "-c", script, run.uri])
    done = run.done(GENERATE)
    assert done
    assert all(
        len(json.loads((tmp_path / f"run/receipts/generate/{shard}.json").read_text())["files"]) == 2 for shard in done
    )
    generate(run)
    assert files(run) == files(golden)


def test_the_estimate_is_of_this_recipe(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path)
    (told,) = forecast(run).needs
    generate(run)
    mean = sum(len(cell["bytes"]) for cell in run.table("images", ["image"]).column("image").to_pylist()) / 30
    assert (told.stage, told.images, told.pool) == ("render", 30, None)
    assert told.seconds > 0
    assert 0.5 < told.bytes / (mean * 30) < 2
    assert forecast(run).needs == ()


def test_a_run_in_an_object_store_is_the_same(tmp_path: Path, bucket: str) -> None:
    write_folder(tmp_path)
    golden = planned(tmp_path)
    generate(golden)
    recipe = recipe_from(recipe_values(tmp_path))
    run = Run(bucket.format("runs/mine"))
    write_plan(run, recipe, survey(recipe))
    told = generate(run)
    assert told.rows == 30
    assert hashes(run) == hashes(golden)
    assert run.table("images").sort_by("sample_id").equals(golden.table("images").sort_by("sample_id"))
