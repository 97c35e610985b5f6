from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.drawn_photos import WHOLE_DONORS, drawn, recipe_values, write, write_folder
from support.tiny_pools import logged, made_here, planned, pooled_folder, pooled_values
from typer.testing import CliRunner

from xray.cli.main import app
from xray.core.errors import XrayError
from xray.core.files import paths_below
from xray.core.images import encode
from xray.core.uri import location
from xray.core.yaml import dump
from xray.pipeline.generate.workers import _open, render_shard
from xray.pipeline.plan.plan import compare_plans, replan
from xray.pipeline.plan.replan import PlanDiff
from xray.pipeline.plan.survey import survey
from xray.pipeline.verify.verify import verify
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, MASK
from xray.runs.recipe import recipe_from

Values = Mapping[str, Any]


def replanned(run: RunFolder, values: Values) -> PlanDiff:
    recipe = recipe_from(values)
    return replan(run, recipe, survey(recipe))


def counts(diff: PlanDiff) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    return dict(diff.missing), dict(diff.reused), dict(diff.removed)


def rows(run: RunFolder) -> list[dict[str, Any]]:
    return run.store.table("images").sort_by("sample_id").to_pylist()  # type: ignore[no-any-return]


def assert_as_if_planned_so(run: RunFolder, folder: Path, values: Values) -> None:
    """Every row and byte is what a new run makes of the same recipe and photographs."""
    made_here(run)
    fresh = planned(folder, values, "fresh")
    made_here(fresh)
    assert rows(run) == rows(fresh)
    assert verify(run).sound
    assert verify(run, clean=True).removed
    assert verify(run).sound
    assert rows(RunFolder(run.uri)) == rows(fresh)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path)
    _open.cache_clear()
    return tmp_path


@pytest.fixture
def run(folder: Path) -> RunFolder:
    run = planned(folder, recipe_values(folder))
    made_here(run)
    return run


def changed(folder: Path, name: str) -> None:
    image, mask = drawn(77)
    write(folder / f"photos/{name}.jpg", encode(image))
    write(folder / f"masks/{name}.png", encode(mask, "png"))


def test_one_scenario_that_has_changed_is_made_and_no_other(run: RunFolder, folder: Path) -> None:
    scenarios = ["original", {"kind": "blur_background", "sigma": 2.0}, "image_r", "transparent", WHOLE_DONORS]
    values = recipe_values(folder, scenarios=scenarios)
    decoded = [row["sample_id"] for row in rows(run) if row["scenario"] != "blur_background"]
    diff = replanned(run, values)
    assert counts(diff) == (
        {"blur_background": 6},
        {"original": 6, "image_r": 6, "transparent": 6, "random_background": 6},
        {},
    )
    plan = run.store.table("plan").to_pylist()
    assert {row["sample_id"] for row in plan if row["carried_from"]} == set(decoded)
    assert run.store.done(GENERATE) == set()
    assert_as_if_planned_so(run, folder, values)


def test_a_photograph_that_has_changed_and_what_it_was_the_background_of(run: RunFolder, folder: Path) -> None:
    donors = run.store.table("plan", ["donor_id", "image_id"]).to_pylist()
    changed(folder, "ball/1")
    name = next(row["image_id"] for row in run.store.table("source").to_pylist() if row["uri"].endswith("ball/1.jpg"))
    behind = {row["image_id"] for row in donors if row["donor_id"] == name}
    diff = replanned(run, recipe_values(folder))
    assert counts(diff)[0] == {
        "original": 1, "blur_background": 1, "image_r": 1, "transparent": 1, "random_background": len(behind | {name}),
    }  # fmt: skip
    assert_as_if_planned_so(run, folder, recipe_values(folder))


def test_a_mask_that_has_changed_is_refused_or_planned_anew(run: RunFolder, folder: Path) -> None:
    _, mask = drawn(78)
    write(folder / "masks/cup/0.png", encode(mask, "png"))
    unmade = planned(folder, recipe_values(folder, seed=5), "unmade")
    write(folder / "masks/cup/0.png", encode(drawn(79)[1], "png"))
    made_here(unmade)
    bad = [row for row in rows(unmade) if row["status"] != "ok"]
    assert {(row["reason"], row["image_id"].partition("-")[0]) for row in bad} == {("mask_changed", "0")}
    assert len(bad) == 4  # the original needs no mask
    diff = replanned(run, recipe_values(folder))
    assert sum(diff.missing.values()) == 5
    assert_as_if_planned_so(run, folder, recipe_values(folder))


def test_photographs_come_and_go(run: RunFolder, folder: Path) -> None:
    (folder / "photos/ball/0.jpg").unlink()
    changed(folder, "cup/9")
    diff = replanned(run, recipe_values(folder, scenarios=["original", "image_r"]))
    assert counts(diff) == (
        {"original": 1, "image_r": 1},
        {"original": 5, "image_r": 5},
        {"original": 1, "blur_background": 6, "image_r": 1, "transparent": 6, "random_background": 6},
    )
    assert_as_if_planned_so(run, folder, recipe_values(folder, scenarios=["original", "image_r"]))


def test_shards_without_change_keep_their_files(run: RunFolder, folder: Path) -> None:
    values = recipe_values(folder, scenarios=["original", "image_r"])
    replanned(run, values)
    made_here(run)
    before = {shard: run.store.receipt(GENERATE, shard).files["images"] for shard in run.plan.shards()}
    changed(folder, "ball/0")
    replanned(run, values)
    made_here(run)
    after = {shard: run.store.receipt(GENERATE, shard).files["images"] for shard in run.plan.shards()}
    assert len(after) == 3
    assert [new == old for new, old in zip(after.values(), before.values(), strict=True)] == [False, True, True]
    assert_as_if_planned_so(run, folder, values)


def test_where_nothing_has_changed_nothing_is_written(run: RunFolder, folder: Path) -> None:
    before = {name: (folder / "run" / name).read_bytes() for name in paths_below(run.uri)}
    diff = replanned(run, recipe_values(folder))
    assert (diff.changes, sum(diff.reused.values())) == (set(), 30)
    assert {name: (folder / "run" / name).read_bytes() for name in paths_below(run.uri)} == before


def test_comparing_writes_nothing_and_says_the_same(run: RunFolder, folder: Path) -> None:
    changed(folder, "ball/1")
    before = paths_below(run.uri)
    recipe = recipe_from(recipe_values(folder, scenarios=["original", "random_background"]))
    diff = compare_plans(run, recipe, survey(recipe))
    assert paths_below(run.uri) == before
    assert counts(diff) == counts(replan(run, recipe, survey(recipe)))


def test_twice_before_anything_is_made(run: RunFolder, folder: Path) -> None:
    changed(folder, "ball/1")
    replanned(run, recipe_values(folder, scenarios=["original", "image_r", "segmented"]))
    render_shard(run.uri, run.plan.shards()[1])  # not that of the photograph that has changed
    values = recipe_values(folder, scenarios=["original", "image_r"])
    diff = replanned(run, values)
    assert counts(diff)[:2] == ({"original": 1, "image_r": 1}, {"original": 5, "image_r": 5})
    assert_as_if_planned_so(run, folder, values)


def test_what_is_to_be_carried_over_is_not_cleaned_away(run: RunFolder, folder: Path) -> None:
    values = recipe_values(folder, scenarios=["original"])
    replanned(run, values)
    verify(run, clean=True)
    assert len(list((folder / "run/images").iterdir())) == 3
    for shard in run.plan.shards()[1:]:
        (folder / f"run/images/{shard.replace('01-01', '00-00')}.parquet").unlink()
    assert_as_if_planned_so(run, folder, values)


def test_a_file_that_has_rotted_is_not_carried_over(run: RunFolder, folder: Path) -> None:
    path = folder / "run/images/00-00-00000.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    values = recipe_values(folder, scenarios=["original", "image_r"])
    replanned(run, values)
    assert_as_if_planned_so(run, folder, values)


def test_other_libraries_make_all_anew(run: RunFolder, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xray.core.environment import environment

    summary = environment()
    other = {**summary, "libraries": {**summary["libraries"], "simplejpeg": "9.9"}}
    monkeypatch.setattr("xray.runs.versions.environment", lambda: other)
    monkeypatch.setattr("xray.pipeline.generate.workers.environment", lambda: other)
    run.store.revoke(GENERATE, run.plan.shards()[0])
    _open.cache_clear()
    with pytest.raises(XrayError, match="simplejpeg"):
        render_shard(run.uri, run.plan.shards()[0])
    diff = replanned(run, recipe_values(folder))
    assert (sum(diff.missing.values()), sum(diff.reused.values())) == (30, 0)
    made_here(run)
    assert verify(run).sound


def test_a_replan_that_was_cut_off_leaves_the_plan_before(
    run: RunFolder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(run)

    def killed(self: RunFolder, *_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "commit_plan", killed)
        with pytest.raises(KeyboardInterrupt):
            replanned(run, recipe_values(folder, scenarios=["original"]))
    assert rows(RunFolder(run.uri)) == before
    values = recipe_values(folder, scenarios=["original"])
    replanned(RunFolder(run.uri), values)
    assert_as_if_planned_so(RunFolder(run.uri), folder, values)


def test_masks_and_painted_worlds_are_carried_over(tmp_path: Path) -> None:
    folder = pooled_folder(tmp_path)
    run = planned(folder, pooled_values(folder))
    made_here(run)
    (folder / "desk/log").unlink()
    changed(folder, "ball/0")
    diff = replanned(run, pooled_values(folder))
    assert counts(diff)[0] == {"original": 1, "generated_background": 2}
    made_here(run)
    assert (len(logged(folder, "refine")), len(logged(folder, "paint"))) == (1, 2)
    assert_as_if_planned_so(run, folder, pooled_values(folder))
    assert len(run.store.table("masks")) == 6
    assert run.store.done(MASK) == set(run.plan.batches())


def test_the_command_says_what_is_made_and_what_is_kept(run: RunFolder, folder: Path) -> None:
    recipe = folder / "new.yaml"
    recipe.write_text(dump(recipe_values(folder, scenarios=["original", {"kind": "image_r", "mode": "channel"}])))
    invoke = CliRunner().invoke
    assert "or `--replan`" in str(invoke(app, ["plan", str(recipe), run.uri]).exception)
    said = invoke(app, ["plan", str(recipe), run.uri, "--replan", "--dry-run"])
    summary = "6 images to make, 6 reused, 18 no longer planned"
    assert said.output.splitlines()[-1] == f"{summary}; nothing written: {location(run.uri)}"
    said = invoke(app, ["plan", str(recipe), run.uri, "--replan"])
    assert f"\nreplanned: {summary}" in said.output
    made_here(RunFolder(run.uri))
    said = invoke(app, ["plan", str(recipe), run.uri, "--replan"])
    assert f"; nothing written: {location(run.uri)}\n" in said.output
    recipe.write_text(recipe.read_text() + "name: another\n")
    said = invoke(app, ["plan", str(recipe), run.uri, "--replan"])
    assert "\nreplanned: " in said.output  # the recipe was written, though no image changes
    assert RunFolder(run.uri).recipe.name == "another"
    shutil.rmtree(folder / "run")
    assert "no plan yet" in str(invoke(app, ["plan", str(recipe), run.uri, "--replan"]).exception)
