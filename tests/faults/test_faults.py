"""Disks, memory and workers that fail: one line of error, and the same command then finishes with the same bytes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from support.drawn_photos import recipe_values, write_folder
from support.paths import TESTS
from support.patience import PatientAtFirst
from support.saved_models import saved_model
from support.small_disks import disk, full, read_only, read_only_folder, without_inodes
from support.tiny_pools import made_files, planned

from xray.cli.main import main
from xray.core.errors import XrayError
from xray.core.yaml import dump
from xray.pipeline.generate.generate import generate
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, MASK, evaluation

pytestmark = pytest.mark.usefixtures("ray_session")
SHARDS = [f"00-00-{number:05d}" for number in range(16)]
SCENARIOS, WORKERS = 2, 4


def values(folder: Path, **changes: object) -> dict[str, Any]:
    faulty = {"kind": "support.faulty_scenario:Faulty", "name": "faulty", "desk": str(folder / "desk")}
    return recipe_values(folder, scenarios=[faulty, "transparent"], **changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write photographs for 16 shards, and a desk without orders."""
    folder = tmp_path_factory.mktemp("faults")
    write_folder(folder, len(SHARDS))
    (folder / "desk").mkdir()
    return folder


@pytest.fixture(scope="module")
def golden(folder: Path, ray_session: None) -> RunFolder:
    """Make an undisturbed run."""
    run = planned(folder, values(folder), "golden")
    assert run.plan.shards() == SHARDS
    assert generate(run).ok == 2 * SCENARIOS * len(SHARDS)
    return run


@pytest.fixture(autouse=True)
def _empty_desk(folder: Path, golden: RunFolder) -> None:
    """Remove the orders of the test before."""
    for path in (folder / "desk").iterdir():
        path.unlink()


def path_of(run: RunFolder) -> Path:
    return Path(run.uri.removeprefix("file://"))


def copy_two_shards(run: RunFolder, golden: RunFolder) -> list[Path]:
    """Copy the first two shards of the golden run into a run, and return their files."""
    for path in (path for name in SHARDS[:2] for path in sorted(path_of(golden).rglob(f"{name}.*"))):
        target = path_of(run) / path.relative_to(path_of(golden))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return [path for name in SHARDS[:2] for path in path_of(run).rglob(f"{name}.*")]


def wait_for_writers(run: RunFolder) -> None:
    """Wait for tasks that were running when a command ended: they may still write, the same bytes."""
    deadline = time.monotonic() + 60
    while list(path_of(run).rglob("*.partial")) and time.monotonic() < deadline:
        time.sleep(0.05)


def order(run: RunFolder, fault: str, shard: str) -> tuple[Path, str]:
    """Order a fault in the first image of a shard; return the order's file and the image's seed."""
    plan = run.store.table("plan", ["scenario", "shard", "seed"]).to_pylist()
    seed = next(str(row["seed"]) for row in plan if (row["scenario"], row["shard"]) == ("faulty", shard))
    path = path_of(run).parent / "desk" / fault
    path.write_text(seed)
    return path, seed


Command = Callable[..., tuple[int, str]]


@pytest.fixture
def xray(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return a function that runs a command; its exit code, and stderr without progress and Ray's lines on actors."""

    def run_command(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["xray", *map(str, arguments)])
        capfd.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        lines = capfd.readouterr().err.splitlines()
        return code, "\n".join(line for line in lines if " · " not in line and "core_worker.cc" not in line)

    return run_command


def assert_finished_like(run: RunFolder, golden: RunFolder) -> None:
    wait_for_writers(run)
    assert made_files(run) == made_files(golden)


@pytest.mark.parametrize(
    ("options", "fault", "reason"),
    [
        pytest.param(
            ["size=4m"],
            lambda folder: full(folder, 60_000),
            r"images/.*, [\d.]+ k?B \(No space left on device; [\d.]+ k?B free\)",
            id="full",
        ),
        pytest.param(
            ["size=4m", "nr_inodes=400"],
            lambda folder: without_inodes(folder, 6),
            r".*, [\d.]+ k?B \(No space left on device; [\d.]+ MB free, but no inode\)",
            id="inodes",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["size=4m"],
            read_only,
            r"leases/images/.* \(Read-only file system\)",
            id="read-only",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["size=4m"],
            lambda folder: read_only_folder(folder / "receipts/generate"),
            r"receipts/generate/.*\.json.* \(Read-only file system\)",
            id="read-only folder",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_generate_on_a_disk_that_cannot_be_written(
    options: list[str],
    fault: Callable[[Path], AbstractContextManager[None]],
    reason: str,
    folder: Path,
    golden: RunFolder,
    tmp_path: Path,
    xray: Command,
) -> None:
    with disk(tmp_path / "run", *options) as mounted:
        run = planned(tmp_path, values(folder))
        before = {path: path.stat().st_mtime_ns for path in copy_two_shards(run, golden)}
        with fault(mounted):
            code, error = xray("generate", mounted)
            done = run.store.done(GENERATE)
        assert code == 2
        assert re.fullmatch(rf"xray: .*{mounted}/{reason}.*", error), error
        assert set(SHARDS[:2]) <= done < set(SHARDS)
        before |= {path: path.stat().st_mtime_ns for name in done for path in mounted.rglob(f"{name}.*")}
        assert xray("generate", mounted) == (0, "")
        assert_finished_like(run, golden)
        assert {path: path.stat().st_mtime_ns for path in before} == before
        assert not list(mounted.rglob(".*.partial"))


@pytest.mark.slow
def test_plan_and_mask_on_a_full_disk(folder: Path, golden: RunFolder, tmp_path: Path, xray: Command) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(dump(values(folder)))
    with disk(tmp_path / "run", "size=4m") as mounted:
        run = RunFolder(str(mounted))
        with full(mounted, 6_000):
            code, error = xray("plan", recipe, mounted)
            assert (code, run.plan.exists) == (2, False)
            assert re.fullmatch(rf"xray: the images need about .*{mounted}.* free.*", error), error
        assert xray("plan", recipe, mounted)[0] == 0
        assert run.store.table("plan").equals(golden.store.table("plan"))
        with full(mounted, 30_000):
            code, error = xray("mask", mounted)
            assert (code, run.store.done(MASK) < set(run.plan.batches())) == (2, True)
            assert re.fullmatch(rf"xray: .*{mounted}/[\w/-]+\.(parquet|json).*No space left on device.*", error), error
        assert xray("mask", mounted) == (0, "")
        assert run.store.table("masks").equals(golden.store.table("masks"))


@pytest.mark.slow
def test_evaluate_on_a_full_disk_or_without_progress(
    folder: Path, golden: RunFolder, tmp_path: Path, xray: Command
) -> None:
    models, stage = {"net": saved_model(tmp_path / "models", "test_resnet")}, evaluation("net")
    with disk(tmp_path / "run", "size=4m") as mounted:
        run = planned(tmp_path, values(folder, models=models, pools={"stall_seconds": 0.001}))
        shutil.copytree(
            path_of(golden), mounted, dirs_exist_ok=True, ignore=shutil.ignore_patterns("recipe.yaml", "run.json")
        )
        evaluate = ("evaluate", mounted, "--actors", 1, "--gpus", 0)
        code, error = xray(*evaluate)
        assert (code, run.store.done(stage), error.count("\n")) == (2, set(), 0)
        assert re.search(r"for \d+ s ", error), error
        planned(tmp_path, values(folder, models=models))
        with full(mounted, 40_000):
            code, error = xray(*evaluate)
            assert (code, run.store.done(stage) < set(SHARDS)) == (2, True)
            assert re.fullmatch(rf"xray: .*{mounted}/[\w/-]+\.(parquet|json).*No space left on device.*", error), error
        code, error = xray(*evaluate)
        assert (code, error, run.store.done(stage)) == (0, "", set(SHARDS))
        assert len(run.store.table("predictions")) == len(run.store.table("images"))


@pytest.mark.parametrize(
    ("library", "reason"),
    [
        ("numpy", "Unable to allocate 1.00 EiB"),
        pytest.param("opencv", "Failed to allocate", marks=pytest.mark.slow),
    ],
)
def test_a_worker_without_memory(library: str, reason: str, folder: Path, golden: RunFolder, xray: Command) -> None:
    run = planned(folder, values(folder), library)
    ordered, _ = order(run, library, SHARDS[4])
    code, error = xray("generate", run.uri)
    assert code == 2
    assert re.fullmatch(rf"xray: .*{SHARDS[4]}.*{reason}.*", error), error
    ordered.unlink()
    generate(run)
    assert_finished_like(run, golden)


@pytest.mark.slow
def test_a_shard_that_kills_its_worker_each_time_is_given_up(folder: Path, golden: RunFolder) -> None:
    """It is the third shard of its task, whose other shards are repeated each time and are not to blame."""
    run = planned(folder, values(folder), "deadly")
    ordered, seed = order(run, "deadly", SHARDS[2])
    with pytest.raises(XrayError, match=rf"render.* 5 times .*{SHARDS[2]}"):
        generate(run)
    assert (folder / "desk/log").read_text().split().count(seed) == 5
    assert set(SHARDS[:2]) <= run.store.done(GENERATE) <= {*SHARDS} - {SHARDS[2]}
    ordered.unlink()
    generate(run)
    assert_finished_like(run, golden)


@pytest.mark.slow
def test_a_shard_that_never_ends_is_named(folder: Path, golden: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xray.cluster.executor.Monitor", PatientAtFirst)
    run = planned(folder, values(folder, pools={"stall_seconds": 4}), "stands")
    ordered, _ = order(run, "stand", SHARDS[0])
    with pytest.raises(XrayError, match=r"for \d+ s \(waiting for [-\d, ]+\)") as error:
        generate(run)
    named = re.findall(r"\d\d-\d\d-\d{5}", str(error.value))
    assert SHARDS[0] in named
    assert len(named) <= WORKERS  # neither finished shards nor those that no worker has started
    assert SHARDS[0] not in run.store.done(GENERATE)
    ordered.unlink()
    monkeypatch.undo()
    generate(planned(folder, values(folder), "stands"))
    assert_finished_like(run, golden)


@pytest.mark.slow
def test_more_images_than_the_object_store_holds(tmp_path: Path) -> None:
    """Only names of shards travel through it."""
    here = TESTS / "support"
    done = subprocess.run(
        [sys.executable, here / "small_object_store.py", tmp_path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"images": 24, "more_than_fit": True, "spilled": False}
