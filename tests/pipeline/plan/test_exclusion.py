"""Plans that are written while others work, or by a process that was suspended or killed meanwhile."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.drawn_photos import WHOLE_DONORS, recipe_values, write_folder
from support.tiny_pools import made_here, planned
from typer.testing import CliRunner

from xray.cli.main import app
from xray.core import yaml
from xray.core.errors import ResourceError, XrayError
from xray.core.files import paths_below, write_bytes
from xray.core.schema import PREDICTIONS
from xray.core.uri import local_path
from xray.pipeline.generate.workers import _open
from xray.pipeline.plan.plan import replan
from xray.pipeline.plan.replan import PlanDiff
from xray.pipeline.plan.survey import survey
from xray.pipeline.status import status
from xray.pipeline.verify.verify import verify
from xray.runs import receipt_files
from xray.runs.folder import RunFolder
from xray.runs.lock import Lease
from xray.runs.receipts import GENERATE, training
from xray.runs.recipe import recipe_from
from xray.runs.store import WORKS

TRAINED = {scenario: training("net", scenario) for scenario in ("original", "blur_background")}


def values_of(folder: Path, *, sigma: float = 3.0, seed: int = 0, **changes: object) -> dict[str, Any]:
    """A recipe that trains; another `sigma` changes one scenario."""
    scenarios = ["original", {"kind": "blur_background", "sigma": sigma}, WHOLE_DONORS]
    models = {"models": {"net": "reduced:resnet"}, "folds": 2, "tests": "own"}
    return recipe_values(folder, scenarios=scenarios, seed=seed, training=models, **changes)


def replanned(run: RunFolder, values: dict[str, Any]) -> PlanDiff:
    recipe = recipe_from(values)
    return replan(run, recipe, survey(recipe))


def train(run: RunFolder) -> None:
    """Commit a training within each scenario, of the images that the run has."""
    for scenario, stage in TRAINED.items():
        made_from = run.store.dependencies().of_training([scenario])
        tables = {"predictions": (PREDICTIONS.empty_table(), None)}
        counts, photographs = {scenario: {"ok": 1}}, {"train": 1, "validation": 1, "test": 1}
        facts = {"photographs": photographs, **dict.fromkeys(("epochs", "best_epoch", "workers"), 1)}
        facts |= dict.fromkeys(("spec", "weights", "origin", "preprocessing", "device"), "")
        run.store.commit(stage, "0", tables, counts, 0.0, facts, made_from=made_from)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("exclusion")
    write_folder(folder)
    _open.cache_clear()
    run = planned(folder, values_of(folder))
    made_here(run)
    train(run)
    return run


@pytest.fixture
def run(trained: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copytree(local_path(trained.uri) or "", tmp_path / "run")
    _open.cache_clear()
    return RunFolder(str(tmp_path / "run"))


@pytest.fixture
def folder(trained: RunFolder) -> Path:
    return Path(local_path(trained.uri) or "").parent


def suspend(uri: str, seconds: float) -> None:
    """Make the locks of this process as old as if it had been suspended."""
    for path in Path(local_path(uri) or "").glob("leases/*/*.json"):
        os.utime(path, (time.time() - seconds,) * 2)


def commits(monkeypatch: pytest.MonkeyPatch, at: int, act: Callable[[], None]) -> list[None]:
    """Act before the file of that number (from 0) is committed by a planner; return what counts them."""
    seen: list[None] = []
    check = Lease.check

    def check_later(self: Lease) -> None:
        if not seen or len(seen) <= at:
            seen.append(None)
            if len(seen) == at + 1:
                monkeypatch.setattr(Lease, "check", check)
                act()
        check(self)

    monkeypatch.setattr(Lease, "check", check_later)
    return seen


@pytest.mark.parametrize("at", range(5), ids=["source", "plan", "backgrounds", "recipe.yaml", "run.json"])
def test_a_planner_that_was_suspended_does_not_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    write_folder(tmp_path)
    run = RunFolder(str(tmp_path / "run"))

    def take_over() -> None:
        suspend(run.uri, 61)
        other = planned(tmp_path, recipe_values(tmp_path, seed=2))
        _open.cache_clear()
        made_here(other)

    commits(monkeypatch, at, take_over)
    with pytest.raises(ResourceError, match=r"suspended|in the meantime"):
        planned(tmp_path, recipe_values(tmp_path, seed=1))
    assert run.recipe_values["seed"] == 2
    assert verify(run).sound
    assert not verify(run).orphans


def test_a_planner_that_slept_alone_does_not_commit_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    commits(monkeypatch, 4, lambda: suspend((tmp_path / "run").as_uri(), 61))
    with pytest.raises(ResourceError, match="suspended"):
        planned(tmp_path, recipe_values(tmp_path))
    assert not RunFolder(str(tmp_path / "run")).plan.exists
    made_here(run := planned(tmp_path, recipe_values(tmp_path)))
    assert verify(run).sound


def test_images_of_another_plan_are_found(run: RunFolder, folder: Path, tmp_path: Path) -> None:
    """A plan of another seed is put over the run, with the same ids."""
    other = planned(folder, values_of(folder, seed=2), "another")
    for name in ("run.json", "plan", "recipe.yaml", "backgrounds.parquet", "folds.parquet"):
        source, target = Path(local_path(other.uri) or "") / name, tmp_path / "run" / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    again = RunFolder(run.uri)
    kinds = {(problem.kind, problem.path.split("/")[1]) for problem in verify(again).problems}
    assert kinds >= {("stale", "generate"), ("rows", "generate")}
    assert again.store.done(GENERATE) == set()
    assert status(again).stale[GENERATE].keys() == set(again.plan.shards())
    shutil.rmtree(local_path(other.uri) or "")


@pytest.mark.parametrize("work", WORKS)
def test_a_replan_excludes_all_work(run: RunFolder, folder: Path, work: str) -> None:
    before = run.plan.record()
    with run.locked(work), pytest.raises(XrayError, match=f"process {os.getpid()} on .* at work on the {work}"):
        replanned(RunFolder(run.uri), values_of(folder, sigma=2.0))
    assert run.plan.record() == before


def test_trainings_on_images_that_were_replaced_meanwhile_do_not_count(run: RunFolder, folder: Path) -> None:
    """The lock of the sweep had expired, for the process that replans."""
    made_from = {scenario: run.store.dependencies().of_training([scenario]) for scenario in TRAINED}
    replanned(run, values_of(folder, sigma=2.0))
    made_here(run)
    assert set(run.store.trained()) == {("net", "original")}
    tables = {"predictions": (PREDICTIONS.empty_table(), None)}
    for scenario, stage in TRAINED.items():
        run.store.commit(stage, "0", tables, {scenario: {"ok": 1}}, 0.0, made_from=made_from[scenario])
    assert set(run.store.trained()) == {("net", "original")}
    assert run.store.stale().keys() == {TRAINED["blur_background"]}
    report = verify(run, repair=True)
    assert [(problem.kind, problem.stage) for problem in report.problems] == [("stale", TRAINED["blur_background"])]
    assert verify(run).problems == []


class Killed(BaseException):
    """The process ends here."""


def killed_at(monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> list[str]:
    """End the process before or after the change of that number (from 0) in the folder; return their names."""
    changes: list[str] = []

    def dying(change: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        def change_or_die(*args: Any) -> Any:
            if "leases" in name(*args):
                return change(*args)
            changes.append(name(*args))
            if len(changes) == at + 1 and not after:
                raise Killed
            result = change(*args)
            if len(changes) == at + 1:
                raise Killed
            return result

        return change_or_die

    monkeypatch.setattr(Path, "replace", dying(Path.replace, lambda path, target: str(target)))
    monkeypatch.setattr(receipt_files, "delete_file", dying(receipt_files.delete_file, str))
    return changes


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(11))
def test_a_replan_that_is_killed_leaves_the_plan_before_with_all_its_trainings(
    run: RunFolder, folder: Path, monkeypatch: pytest.MonkeyPatch, at: int, after: bool
) -> None:
    before, values = run.plan.record(), values_of(folder, sigma=2.0, backgrounds={"kind": "drawn"})
    with monkeypatch.context() as patch:
        changes = killed_at(patch, at, after=after)
        try:
            replanned(run, values)
        except Killed:
            pass
        else:
            assert len(changes) <= at  # there are no more
    survivor = RunFolder(run.uri)
    committed = survivor.plan.record() != before
    assert [problem for problem in verify(survivor).problems if problem.kind != "stale"] == []
    assert {len(survivor.store.table(name)) for name in ("backgrounds", "folds")} != {0}
    if not committed:
        assert verify(survivor).sound
        assert set(survivor.store.trained()) == {("net", "original"), ("net", "blur_background")}
    parts = survivor.plan.parts("plan")
    diff = replanned(survivor, values)
    assert diff.written != committed
    if committed:
        assert survivor.plan.parts("plan") == parts
    made_here(survivor)
    assert set(survivor.store.trained()) == {("net", "original")}
    stale = {problem.stage for problem in verify(survivor, clean=True, repair=True).problems}
    assert stale <= {TRAINED["blur_background"]}  # if it was killed before it revoked that training
    assert verify(survivor).sound


def test_a_replan_before_the_images_are_made_does_nothing_twice(run: RunFolder, folder: Path) -> None:
    values = values_of(folder, sigma=2.0)
    assert replanned(run, values).written
    parts = run.plan.parts("plan")
    again = replanned(run, values)
    assert (again.written, dict(again.missing)) == (False, {"blur_background": 6})
    assert run.plan.parts("plan") == parts
    assert not list(Path(local_path(run.uri) or "").glob("plan/02-*"))


def test_a_replan_in_an_object_store(trained: RunFolder, folder: Path, bucket: str) -> None:
    run = RunFolder(bucket.format("replanned"))
    for name in paths_below(trained.uri):
        write_bytes(run.store.path(*name.split("/")), (Path(local_path(trained.uri) or "") / name).read_bytes())
    assert replanned(run, values_of(folder, sigma=2.0, backgrounds={"kind": "drawn"})).written
    assert set(run.store.trained()) == {("net", "original")}
    made_here(run)
    assert verify(run, clean=True).problems == []
    assert verify(run).sound
    with run.locked("images"), pytest.raises(XrayError, match="images"):
        replanned(RunFolder(run.uri), values_of(folder))


def test_a_donor_of_another_category_changes_what_shows_it(tmp_path: Path) -> None:
    """The photograph stays the same, and so do its name and the choice of donors."""
    from xray.pipeline.plan.replan import Fingerprints
    from xray.runs.recipe import recipe_values as spelled_out

    write_folder(tmp_path)
    run = planned(tmp_path, recipe_values(tmp_path))
    assert spelled_out(run.recipe)["scenarios"]
    source, pool = run.store.table("source"), run.store.table("backgrounds")
    relabelled = pool.set_column(pool.schema.get_field_index("category"), "category", pa.array(["other"] * len(pool)))
    prints = [Fingerprints(run.recipe, {}, source, one) for one in (pool, relabelled)]
    photographs = {row["image_id"]: row for row in source.to_pylist()}
    differing = {
        row["scenario"]
        for row in run.store.table("plan").to_pylist()
        if len({one.image(row, photographs[row["image_id"]]) for one in prints}) == 2
    }
    assert differing == {"random_background"}


@pytest.mark.parametrize(("work", "options"), [("images", []), ("trials", ["--replan"])])
def test_a_plan_is_refused_before_it_looks_at_photographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str, options: list[str]
) -> None:
    write_folder(tmp_path)
    values = recipe_values(tmp_path)
    run, recipe = planned(tmp_path, values), tmp_path / "recipe.yaml"
    recipe.write_text(yaml.dump(values))
    monkeypatch.setattr("xray.pipeline.plan.survey.survey", lambda *arguments: pytest.fail("photographs are read"))
    with run.locked(work):
        result = CliRunner().invoke(app, ["plan", str(recipe), run.uri, *options])
    assert isinstance(result.exception, XrayError)
    assert f"the {work} of {tmp_path / 'run'} " in str(result.exception)
