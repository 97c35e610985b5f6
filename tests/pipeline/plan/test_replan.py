from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.drawn_photos import drawn, recipe_values, write, write_folder
from support.tiny_pools import logged, made_here, planned, pooled_folder, pooled_values
from typer.testing import CliRunner

from xray.cli.app import app
from xray.core.errors import XrayError
from xray.core.files import paths_below
from xray.core.images import encode
from xray.core.yaml import dump
from xray.pipeline.generate.stages import _opened, make_shard
from xray.pipeline.plan.plan import compare_anew, survey, write_plan_anew
from xray.pipeline.plan.replan import Carrying
from xray.pipeline.verify.verify import clean, verify
from xray.runs.receipts import GENERATE, MASK
from xray.runs.recipe import recipe_from
from xray.runs.run import Run

Values = Mapping[str, Any]


def replanned(run: Run, values: Values) -> Carrying:
    recipe = recipe_from(values)
    return write_plan_anew(run, recipe, survey(recipe))


def counts(carrying: Carrying) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    return dict(carrying.anew), dict(carrying.carried), dict(carrying.gone)


def rows(run: Run) -> list[dict[str, Any]]:
    return run.table("images").sort_by("sample_id").to_pylist()  # type: ignore[no-any-return]


def assert_as_if_planned_so(run: Run, folder: Path, values: Values) -> None:
    """Every row and byte is what a new run makes of the same recipe and photographs."""
    made_here(run)
    fresh = planned(folder, values, "fresh")
    made_here(fresh)
    assert rows(run) == rows(fresh)
    assert verify(run).sound
    assert clean(run, verify(run))
    assert verify(run).sound
    assert rows(Run(run.uri)) == rows(fresh)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path)
    _opened.cache_clear()
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    run = planned(folder, recipe_values(folder))
    made_here(run)
    return run


def changed(folder: Path, name: str) -> None:
    image, mask = drawn(77)
    write(folder / f"photos/{name}.jpg", encode(image))
    write(folder / f"masks/{name}.png", encode(mask, "png"))


def test_one_scenario_that_has_changed_is_made_and_no_other(run: Run, folder: Path) -> None:
    scenarios = ["original", {"kind": "blur_background", "sigma": 2.0}, "image_r", "transparent", "random_background"]
    values = recipe_values(folder, scenarios=scenarios)
    decoded = [row["sample_id"] for row in rows(run) if row["scenario"] != "blur_background"]
    carrying = replanned(run, values)
    assert counts(carrying) == (
        {"blur_background": 6},
        {"original": 6, "image_r": 6, "transparent": 6, "random_background": 6},
        {},
    )
    plan = run.table("plan").to_pylist()
    assert {row["sample_id"] for row in plan if row["carried_from"]} == set(decoded)
    assert run.done(GENERATE) == set()
    assert_as_if_planned_so(run, folder, values)


def test_a_photograph_that_has_changed_and_what_it_was_the_background_of(run: Run, folder: Path) -> None:
    donors = run.table("plan", ["donor_id", "image_id"]).to_pylist()
    changed(folder, "ball/1")
    name = next(row["image_id"] for row in run.table("source").to_pylist() if row["uri"].endswith("ball/1.jpg"))
    behind = {row["image_id"] for row in donors if row["donor_id"] == name}
    carrying = replanned(run, recipe_values(folder))
    assert counts(carrying)[0] == {
        "original": 1, "blur_background": 1, "image_r": 1, "transparent": 1, "random_background": len(behind | {name}),
    }  # fmt: skip
    assert_as_if_planned_so(run, folder, recipe_values(folder))


def test_a_mask_that_has_changed_is_refused_or_planned_anew(run: Run, folder: Path) -> None:
    _, mask = drawn(78)
    write(folder / "masks/cup/0.png", encode(mask, "png"))
    unmade = planned(folder, recipe_values(folder, seed=5), "unmade")
    write(folder / "masks/cup/0.png", encode(drawn(79)[1], "png"))
    made_here(unmade)
    bad = [row for row in rows(unmade) if row["status"] != "ok"]
    assert {(row["reason"], row["image_id"].partition("-")[0]) for row in bad} == {("mask_changed", "0")}
    assert len(bad) == 5
    carrying = replanned(run, recipe_values(folder))
    assert sum(carrying.anew.values()) == 5
    assert_as_if_planned_so(run, folder, recipe_values(folder))


def test_photographs_come_and_go(run: Run, folder: Path) -> None:
    (folder / "photos/ball/0.jpg").unlink()
    changed(folder, "cup/9")
    carrying = replanned(run, recipe_values(folder, scenarios=["original", "image_r"]))
    assert counts(carrying) == (
        {"original": 1, "image_r": 1},
        {"original": 5, "image_r": 5},
        {"original": 1, "blur_background": 6, "image_r": 1, "transparent": 6, "random_background": 6},
    )
    assert_as_if_planned_so(run, folder, recipe_values(folder, scenarios=["original", "image_r"]))


def test_shards_without_change_keep_their_files(run: Run, folder: Path) -> None:
    values = recipe_values(folder, scenarios=["original", "image_r"])
    replanned(run, values)
    made_here(run)
    before = {shard: run.receipt(GENERATE, shard).files["images"] for shard in run.shards()}
    changed(folder, "ball/0")
    replanned(run, values)
    made_here(run)
    after = {shard: run.receipt(GENERATE, shard).files["images"] for shard in run.shards()}
    assert len(after) == 3
    assert [new == old for new, old in zip(after.values(), before.values(), strict=True)] == [False, True, True]
    assert_as_if_planned_so(run, folder, values)


def test_where_nothing_has_changed_nothing_is_written(run: Run, folder: Path) -> None:
    before = {name: (folder / "run" / name).read_bytes() for name in paths_below(run.uri)}
    carrying = replanned(run, recipe_values(folder))
    assert (carrying.changes, sum(carrying.carried.values())) == (set(), 30)
    assert {name: (folder / "run" / name).read_bytes() for name in paths_below(run.uri)} == before


def test_comparing_writes_nothing_and_says_the_same(run: Run, folder: Path) -> None:
    changed(folder, "ball/1")
    before = paths_below(run.uri)
    recipe = recipe_from(recipe_values(folder, scenarios=["original", "random_background"]))
    told = compare_anew(run, recipe, survey(recipe))
    assert paths_below(run.uri) == before
    assert counts(told) == counts(write_plan_anew(run, recipe, survey(recipe)))


def test_twice_before_anything_is_made(run: Run, folder: Path) -> None:
    changed(folder, "ball/1")
    replanned(run, recipe_values(folder, scenarios=["original", "image_r", "segmented"]))
    make_shard(run.uri, run.shards()[1])  # not that of the photograph that has changed
    values = recipe_values(folder, scenarios=["original", "image_r"])
    carrying = replanned(run, values)
    assert counts(carrying)[:2] == ({"original": 1, "image_r": 1}, {"original": 5, "image_r": 5})
    assert_as_if_planned_so(run, folder, values)


def test_what_is_to_be_carried_over_is_not_cleaned_away(run: Run, folder: Path) -> None:
    values = recipe_values(folder, scenarios=["original"])
    replanned(run, values)
    clean(run, verify(run))
    assert len(list((folder / "run/images").iterdir())) == 3
    for shard in run.shards()[1:]:
        (folder / f"run/images/{shard.replace('01-01', '00-00')}.parquet").unlink()
    assert_as_if_planned_so(run, folder, values)


def test_a_file_that_has_rotted_is_not_carried_over(run: Run, folder: Path) -> None:
    path = folder / "run/images/00-00-00000.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    values = recipe_values(folder, scenarios=["original", "image_r"])
    replanned(run, values)
    assert_as_if_planned_so(run, folder, values)


def test_other_libraries_make_all_anew(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xray.core.environment import environment

    told = environment()
    other = {**told, "libraries": {**told["libraries"], "simplejpeg": "9.9"}}
    monkeypatch.setattr("xray.runs.versions.environment", lambda: other)
    monkeypatch.setattr("xray.pipeline.generate.stages.environment", lambda: other)
    run.take_back(GENERATE, run.shards()[0])
    _opened.cache_clear()
    with pytest.raises(XrayError, match="begun with simplejpeg"):
        make_shard(run.uri, run.shards()[0])
    carrying = replanned(run, recipe_values(folder))
    assert (sum(carrying.anew.values()), sum(carrying.carried.values())) == (30, 0)
    made_here(run)
    assert verify(run).sound


def test_a_replan_that_was_cut_off_leaves_the_plan_before(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(run)

    def killed(self: Run, *_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "commit_plan", killed)
        with pytest.raises(KeyboardInterrupt):
            replanned(run, recipe_values(folder, scenarios=["original"]))
    assert rows(Run(run.uri)) == before
    values = recipe_values(folder, scenarios=["original"])
    replanned(Run(run.uri), values)
    assert_as_if_planned_so(Run(run.uri), folder, values)


def test_masks_and_painted_worlds_are_carried_over(tmp_path: Path) -> None:
    folder = pooled_folder(tmp_path)
    run = planned(folder, pooled_values(folder))
    made_here(run)
    (folder / "desk/log").unlink()
    changed(folder, "ball/0")
    carrying = replanned(run, pooled_values(folder))
    assert counts(carrying)[0] == {"original": 1, "generated_background": 2}
    made_here(run)
    assert (len(logged(folder, "refine")), len(logged(folder, "paint"))) == (1, 2)
    assert_as_if_planned_so(run, folder, pooled_values(folder))
    assert len(run.table("masks")) == 6
    assert run.done(MASK) == set(run.units())


def test_the_command_says_what_is_made_and_what_is_kept(run: Run, folder: Path) -> None:
    recipe = folder / "new.yaml"
    recipe.write_text(dump(recipe_values(folder, scenarios=["original", {"kind": "image_r", "mode": "channel"}])))
    invoke = CliRunner().invoke
    assert "or `--replan`" in str(invoke(app, ["plan", str(recipe), run.uri]).exception)
    said = invoke(app, ["plan", str(recipe), run.uri, "--replan", "--dry-run"])
    told = "6 images to make, 6 kept as they are, 18 no longer planned"
    assert said.output.splitlines()[-1] == f"{told}; nothing written: {run.uri}"
    said = invoke(app, ["plan", str(recipe), run.uri, "--replan"])
    assert said.output.splitlines()[-1].startswith(f"replanned: {told}; xray generate {run.uri} goes on")
    made_here(Run(run.uri))
    said = invoke(app, ["plan", str(recipe), run.uri, "--replan"])
    assert said.output.splitlines()[-1].endswith(f"; nothing written: {run.uri}")
    recipe.write_text(recipe.read_text() + "name: another\n")
    said = invoke(app, ["plan", str(recipe), run.uri, "--replan"])
    assert said.output.splitlines()[-1].startswith("replanned: ")  # the recipe was written, though no image changes
    assert Run(run.uri).recipe["name"] == "another"
    shutil.rmtree(folder / "run")
    assert "nothing to replan" in str(invoke(app, ["plan", str(recipe), run.uri, "--replan"]).exception)
