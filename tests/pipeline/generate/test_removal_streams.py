from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.drawn_photos import write
from support.paths import TESTS
from support.tiny_pools import (
    kill_after_a_receipt,
    logged,
    made_files,
    made_here,
    planned,
    pooled_folder,
    pools_on_cpus,
)
from support.tiny_remover import EDIT, removals, removing_values
from typer.testing import CliRunner

from xray.cli.main import app
from xray.cluster.placement import PoolState
from xray.pipeline.generate.generate import generate
from xray.pipeline.generate.preparation import remove
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.pipeline.verify.verify import verify
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId
from xray.runs.receipts import GENERATE, REMOVE, Stage
from xray.runs.recipe import recipe_from

SCRIPT = """
import os, sys
os.environ["PYTHONPATH"] = os.pathsep.join([sys.argv[2], os.environ.get("PYTHONPATH", "")])
sys.path.insert(0, sys.argv[2])
from xray.pipeline.generate.generate import generate
from xray.runs.folder import RunFolder

generate(RunFolder(sys.argv[1], trust=True), workers=1)
"""
PHOTOGRAPHS = 12

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photographs in six photo batches, and the weight of a remover that works in a pool."""
    folder = pooled_folder(tmp_path_factory.mktemp("removal"), PHOTOGRAPHS // 2)
    write(folder / "weight.txt", b"5")
    return folder


@pytest.fixture(scope="module")
def golden(folder: Path) -> dict[str, dict[str, str]]:
    """Hashes of all files of runs that were made in one process: without and with a pool."""
    made = {}
    for name, values in (("tasks", removing_values(folder)), ("pools", pooled(folder))):
        run = planned(folder, values, f"golden-{name}")
        made_here(run)
        made[name] = made_files(run)
    return made


@pytest.fixture
def desk(folder: Path, golden: dict[str, dict[str, str]]) -> Path:
    """Return the desk, emptied."""
    for path in (folder / "desk").iterdir():
        path.unlink()
    return folder / "desk"


def pooled(folder: Path, actors: int = 1) -> dict[str, Any]:
    """Return a recipe whose masks, removals and backgrounds are made by pools of actors."""
    desk = str(folder / "desk")
    painter = {"kind": "support.tiny_pools:Noise", "model": str(folder / "noise.txt"), "desk": desk}
    refiner = {"kind": "support.tiny_pools:Shrink", "model": str(folder / "rim.txt"), "desk": desk}
    return removing_values(
        folder,
        remover={"kind": "support.tiny_remover:Mean", "model": str(folder / "weight.txt"), "desk": desk},
        masks={"annotations": {"kind": "png", "root": str(folder / "masks")}, "refine": refiner},
        scenarios=["original", EDIT, "random_background", {"kind": "generated_background", "painter": painter}],
        pools={**pools_on_cpus(), "remove": {"device": "cpu", "actors": actors}},
    )


def assert_complete(run: RunFolder, scenarios: int) -> None:
    rows = run.store.table("images", ["sample_id", "status"]).to_pydict()
    assert len(set(rows["sample_id"])) == len(rows["sample_id"]) == PHOTOGRAPHS * scenarios
    assert set(rows["status"]) == {"ok"}
    assert len(run.store.table("removed")) == PHOTOGRAPHS
    assert verify(run).sound


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_same_bytes_with_any_number_of_workers(
    folder: Path, desk: Path, golden: dict[str, dict[str, str]], workers: int
) -> None:
    run = planned(folder, removing_values(folder), f"run-{workers}")
    (desk / "late").write_text(str(20 + workers))
    assert generate(run, workers=workers).rows == 3 * PHOTOGRAPHS
    assert made_files(run) == golden["tasks"]
    assert removals(folder) == Counter(removals(folder).keys())
    assert len(removals(folder)) == PHOTOGRAPHS
    assert_complete(run, 3)


def test_masks_removals_and_backgrounds_in_three_pools(
    folder: Path, desk: Path, golden: dict[str, dict[str, str]]
) -> None:
    run = planned(folder, pooled(folder), "pools")
    states: dict[str, PoolState] = {}
    generate(run, watch=states.update)
    assert made_files(run) == golden["pools"]
    assert {name: state.items for name, state in states.items()} == dict.fromkeys(
        ("refine", "remove", "paint"), PHOTOGRAPHS
    )
    assert set(removals(folder).values()) == {1}
    assert_complete(run, 4)


def test_removal_alone_comes_first_and_is_not_repeated(
    folder: Path, desk: Path, golden: dict[str, dict[str, str]]
) -> None:
    run = planned(folder, removing_values(folder), "alone")
    assert remove(run) == ({"ok": PHOTOGRAPHS}, {})
    assert run.store.done(GENERATE) == set()
    said = CliRunner().invoke(app, ["remove", run.uri], catch_exceptions=False).output
    assert said.splitlines()[-1].startswith(f"{PHOTOGRAPHS} photographs without their objects: /")
    generate(run)
    assert made_files(run) == golden["tasks"]
    assert set(removals(folder).values()) == {1}


@pytest.mark.parametrize("kills", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_one_batch_of_many_photographs_keeps_all_cpus_busy(
    folder: Path, desk: Path, golden: dict[str, dict[str, str]], kills: bool
) -> None:
    values = removing_values(folder, shard_size=PHOTOGRAPHS)
    whole = planned(folder, values, f"whole-{kills}")
    made_here(whole)
    (desk / "log").unlink()
    run = planned(folder, values, f"spread-{kills}")
    (desk / "late").write_text("300")
    if kills:
        (desk / "die-remove").touch()
    generate(run)
    assert made_files(run) == made_files(whole)
    assert not (desk / "die-remove").exists()
    assert len({process for process, _ in logged(folder, "remove")}) > 1
    assert len(removals(folder)) == PHOTOGRAPHS
    assert sum(removals(folder).values()) <= PHOTOGRAPHS + kills
    assert_complete(run, 3)


@pytest.mark.slow
def test_a_killed_remover_loses_at_most_one_batch(folder: Path, desk: Path, golden: dict[str, dict[str, str]]) -> None:
    for name, values in (("tasks", removing_values(folder)), ("pools", pooled(folder, actors=2))):
        for path in desk.iterdir():
            path.unlink()
        run = planned(folder, values, f"killed-{name}")
        (desk / "late").write_text("50")
        (desk / "die-remove").touch()
        generate(run)
        assert made_files(run) == golden[name]
        assert not (desk / "die-remove").exists(), "no worker was killed"
        times = removals(folder)
        assert len(times) == PHOTOGRAPHS
        assert max(times.values()) == 2
        assert len([seed for seed, n in times.items() if n > 1]) <= 2
        assert_complete(run, 3 if name == "tasks" else 4)


@pytest.mark.slow
def test_a_worker_killed_while_it_renders_repeats_no_removal(folder: Path, desk: Path) -> None:
    bare = {"kind": "support.tiny_remover:Background", "desk": str(desk)}
    values = removing_values(folder, scenarios=["original", bare, "random_background"])
    run, other = planned(folder, values, "rendering"), planned(folder, values, "undisturbed")
    (desk / "late").write_text("50")
    (desk / "die-render").touch()
    generate(run)
    assert not (desk / "die-render").exists(), "no worker was killed"
    assert set(removals(folder).values()) == {1}
    assert max(Counter(seed for _, seed in logged(folder, "render")).values()) == 2
    generate(other)
    assert made_files(run) == made_files(other)
    assert_complete(run, 3)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [REMOVE, GENERATE])
def test_a_killed_driver_repeats_nothing_that_was_committed(
    folder: Path, desk: Path, golden: dict[str, dict[str, str]], stage: Stage
) -> None:
    run = planned(folder, removing_values(folder), f"driver-{stage[0]}")
    (desk / "late").write_text("200")
    kill_after_a_receipt(run, [sys.executable, "-c", SCRIPT, run.uri, str(TESTS)], stage)
    batches = run.store.done(REMOVE)
    before = {batch: run.store.receipt(REMOVE, batch) for batch in batches}
    generate(run)
    assert made_files(run) == golden["tasks"]
    assert {batch: run.store.receipt(REMOVE, batch) for batch in batches} == before
    assert_complete(run, 3)


def test_a_run_in_an_object_store_has_the_same_rows(
    folder: Path, desk: Path, golden: dict[str, dict[str, str]], bucket: str
) -> None:
    recipe = recipe_from(removing_values(folder))
    run = RunFolder(bucket.format("runs/removal"))
    write_plan(run, recipe, survey(recipe))
    generate(run)
    local = RunFolder(str(folder / "golden-tasks"))
    for table, key in (("images", "sample_id"), ("removed", "image_id")):
        assert run.store.table(table).sort_by(key).equals(local.store.table(table).sort_by(key))
    assert {ShardId(shard).batch for shard in run.store.done(GENERATE)} == run.store.done(REMOVE)
