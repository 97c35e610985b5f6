"""Disks, memory and workers that fail: a line that says what to do, and the same command goes on to the same bytes."""

from __future__ import annotations

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

from xray.cli.app import main
from xray.core.errors import XrayError
from xray.core.yaml import dump
from xray.pipeline.generate.generate import generate
from xray.runs.receipts import GENERATE, MASK, evaluation
from xray.runs.run import Run

pytestmark = pytest.mark.usefixtures("ray_session")
SHARDS = [f"00-00-{number:05d}" for number in range(16)]
SCENARIOS, WORKERS = 2, 4


def values(folder: Path, **changes: object) -> dict[str, Any]:
    faulty = {"kind": "support.faulty_scenario:Faulty", "name": "faulty", "desk": str(folder / "desk")}
    return recipe_values(folder, scenarios=[faulty, "transparent"], **changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs for 16 shards, and a desk without orders."""
    folder = tmp_path_factory.mktemp("faults")
    write_folder(folder, len(SHARDS))
    (folder / "desk").mkdir()
    return folder


@pytest.fixture(scope="module")
def golden(folder: Path, ray_session: None) -> Run:
    """A run that nothing disturbed."""
    run = planned(folder, values(folder), "golden")
    assert run.shards() == SHARDS
    assert generate(run).ok == 2 * SCENARIOS * len(SHARDS)
    return run


@pytest.fixture(autouse=True)
def _desk(folder: Path, golden: Run) -> None:
    """No orders are left of another test."""
    for path in (folder / "desk").iterdir():
        path.unlink()


def path_of(run: Run) -> Path:
    return Path(run.uri.removeprefix("file://"))


def begin(run: Run, golden: Run) -> list[Path]:
    """Let a run have its first two shards, and return their files."""
    for path in (path for name in SHARDS[:2] for path in sorted(path_of(golden).rglob(f"{name}.*"))):
        there = path_of(run) / path.relative_to(path_of(golden))
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, there)
    return [path for name in SHARDS[:2] for path in path_of(run).rglob(f"{name}.*")]


def settle(run: Run) -> None:
    """Wait for tasks that were at work when a command ended: they may still write, the same bytes."""
    deadline = time.monotonic() + 60
    while list(path_of(run).rglob("*.partial")) and time.monotonic() < deadline:
        time.sleep(0.05)


def order(run: Run, what: str, shard: str) -> tuple[Path, str]:
    """Order something of the first picture of a shard: the order, and the seed of the picture."""
    plan = run.table("plan", ["scenario", "shard", "seed"]).to_pylist()
    seed = next(str(row["seed"]) for row in plan if (row["scenario"], row["shard"]) == ("faulty", shard))
    path = path_of(run).parent / "desk" / what
    path.write_text(seed)
    return path, seed


def said_by(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[int, str]:
    """Exit code of a command, and what it says to stderr beside its progress and what Ray's core says of actors."""
    monkeypatch.setattr(sys, "argv", ["xray", *map(str, arguments)])
    capfd.readouterr()
    try:
        main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    lines = [line for line in capfd.readouterr().err.splitlines() if " · " not in line and "core_worker.cc" not in line]
    return code, "\n".join(lines)


@pytest.mark.parametrize(
    ("options", "fault", "words"),
    [
        (
            ["size=4m"],
            lambda folder: full(folder, 60_000),
            r"no space left for '{run}/.*', [\d.]+ k?B \(No space left on device; [\d.]+ k?B free\): make room, or raise the quota\.",
        ),
        (
            ["size=4m", "nr_inodes=400"],
            lambda folder: without_inodes(folder, 6),
            r"no space left for '{run}/.*', [\d.]+ k?B \(No space left on device; [\d.]+ MB free, but no file more\): make room, .*",
        ),
        (
            ["size=4m"],
            read_only,
            r"cannot write '{run}/leases/images/.*' \(Read-only file system\): its folder must be writable.*",
        ),
        (
            ["size=4m"],
            lambda folder: read_only_folder(folder / "receipts/generate"),
            r"cannot write '{run}/receipts/generate/.*\.json' \(Read-only file system\): its folder must be writable.*",
        ),
    ],
    ids=["full", "inodes", "read-only", "read-only folder"],
)
def test_a_disk_that_cannot_be_written_is_one_line_and_the_same_command_goes_on(
    options: list[str],
    fault: Callable[[Path], AbstractContextManager[None]],
    words: str,
    folder: Path,
    golden: Run,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with disk(tmp_path / "run", *options) as place:
        run = planned(tmp_path, values(folder))
        before = {path: path.stat().st_mtime_ns for path in begin(run, golden)}
        with fault(place):
            code, said = said_by(capfd, monkeypatch, "generate", place)
            done = run.done(GENERATE)
        assert code == 2
        stays = "What was there before stays, and the same command goes on"
        assert re.fullmatch(rf"xray: {words.format(run=place)} {stays}", said), said
        assert set(SHARDS[:2]) <= done < set(SHARDS)
        before |= {path: path.stat().st_mtime_ns for name in done for path in place.rglob(f"{name}.*")}
        assert said_by(capfd, monkeypatch, "generate", place) == (0, "")
        settle(run)
        assert made_files(run) == made_files(golden)
        assert {path: path.stat().st_mtime_ns for path in before} == before
        assert not list(place.rglob(".*"))


def test_masks_and_a_plan_that_find_no_room_are_one_line_too(
    folder: Path, golden: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(dump(values(folder)))
    with disk(tmp_path / "run", "size=4m") as place:
        run = Run(str(place))
        with full(place, 6_000):
            code, said = said_by(capfd, monkeypatch, "plan", recipe, place)
            assert (code, run.planned) == (2, False)
            assert re.fullmatch(rf"xray: no space left for '{place}/.*', .*", said), said
        assert said_by(capfd, monkeypatch, "plan", recipe, place)[0] == 0
        assert run.table("plan").equals(golden.table("plan"))
        with full(place, 30_000):
            code, said = said_by(capfd, monkeypatch, "mask", place)
            assert (code, run.done(MASK) < set(run.units())) == (2, True)
            assert re.fullmatch(rf"xray: no space left for '{place}/[\w/-]+\.(parquet|json)', .*", said), said
        assert said_by(capfd, monkeypatch, "mask", place) == (0, "")
        assert run.table("masks").equals(golden.table("masks"))


def test_an_evaluation_that_finds_no_room_or_stands_still_is_one_line_too(
    folder: Path, golden: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    models, stage = {"net": saved_model(tmp_path / "models", "test_resnet")}, evaluation("net")
    with disk(tmp_path / "run", "size=4m") as place:
        run = planned(tmp_path, values(folder, models=models, pools={"stall_seconds": 0.001}))
        shutil.copytree(
            path_of(golden), place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("recipe.yaml", "run.json")
        )
        code, said = said_by(capfd, monkeypatch, "evaluate", place, "--actors", 1)
        assert (code, run.done(stage)) == (2, set())
        assert re.fullmatch(r"xray: nothing got further for \d+ s \(no worker began to work\); what is .*", said), said
        planned(tmp_path, values(folder, models=models))
        with full(place, 40_000):
            code, said = said_by(capfd, monkeypatch, "evaluate", place, "--actors", 1)
            assert (code, run.done(stage) < set(SHARDS)) == (2, True)
            assert re.fullmatch(rf"xray: no space left for '{place}/[\w/-]+\.(parquet|json)', .*", said), said
        code, said = said_by(capfd, monkeypatch, "evaluate", place, "--actors", 1)
        assert (code, said, run.done(stage)) == (0, "", set(SHARDS))
        assert len(run.table("predictions")) == len(run.table("images"))


@pytest.mark.parametrize(
    ("what", "words"), [("numpy", "Unable to allocate 1.00 EiB .*"), ("opencv", ".*Failed to allocate .*")]
)
def test_want_of_memory_is_one_line_and_the_same_command_goes_on(
    what: str,
    words: str,
    folder: Path,
    golden: Run,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = planned(folder, values(folder), what)
    ordered, _ = order(run, what, SHARDS[4])
    code, said = said_by(capfd, monkeypatch, "generate", run.uri)
    assert code == 2
    assert re.fullmatch(rf"xray: a worker had no memory left for {SHARDS[4]} \({words}\); what is committed .*", said)
    ordered.unlink()
    generate(run)
    settle(run)
    assert made_files(run) == made_files(golden)


def test_work_that_kills_its_worker_each_time_is_given_up(folder: Path, golden: Run) -> None:
    """It is the third shard of its task, whose other ones are begun again each time: they are not to blame."""
    run = planned(folder, values(folder), "deadly")
    ordered, seed = order(run, "deadly", SHARDS[2])
    with pytest.raises(
        XrayError, match=rf"^a worker of the render stage died 5 times over the same photographs \({SHARDS[2]}\); what"
    ):
        generate(run)
    assert (folder / "desk/log").read_text().split().count(seed) == 5
    assert set(SHARDS[:2]) <= run.done(GENERATE) <= {*SHARDS} - {SHARDS[2]}
    ordered.unlink()
    generate(run)
    settle(run)
    assert made_files(run) == made_files(golden)


def test_a_shard_that_is_never_done_ends_the_run_and_is_named(
    folder: Path, golden: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xray.cluster.executor.Watch", PatientAtFirst)
    run = planned(folder, values(folder, pools={"stall_seconds": 4}), "stands")
    ordered, _ = order(run, "stand", SHARDS[0])
    with pytest.raises(XrayError, match=r"^nothing got further for \d+ s \(waiting for [-\d, ]+\); what is") as error:
        generate(run)
    named = re.findall(r"\d\d-\d\d-\d{5}", str(error.value))
    assert SHARDS[0] in named
    assert len(named) <= WORKERS  # what is done is not waited for, nor what nobody has begun
    assert SHARDS[0] not in run.done(GENERATE)
    ordered.unlink()
    monkeypatch.undo()
    generate(planned(folder, values(folder), "stands"))
    settle(run)
    assert made_files(run) == made_files(golden)


def test_more_images_than_the_object_store_holds(tmp_path: Path) -> None:
    """Only names of shards travel through it."""
    here = TESTS / "support"
    done = subprocess.run(
        [sys.executable, here / "small_object_store.py", tmp_path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout.strip() == "24 images, more than fit, spilled: False", done.stderr[-4000:]
