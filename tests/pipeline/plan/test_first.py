from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.drawn_photos import drawn, recipe_values, write, write_folder

from xray.core.images import encode
from xray.pipeline.plan.first import first_of_each
from xray.pipeline.plan.plan import compare_plans, replan, write_plan
from xray.pipeline.plan.survey import Survey, survey
from xray.runs.folder import RunFolder
from xray.runs.recipe import recipe_from


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path, per_category=4)
    return tmp_path


def names(rows: Any) -> list[str]:
    return [row["image_id"].rpartition("-")[0] + row["category"] for row in rows.to_pylist()]


def surveyed(folder: Path, run: RunFolder | None = None, **changes: object) -> Survey:
    return survey(recipe_from(recipe_values(folder, **changes)), run)


def plan(folder: Path, name: str, first: int | None = None, **changes: object) -> RunFolder:
    run, recipe = RunFolder(str(folder / name)), recipe_from(recipe_values(folder, **changes))
    inputs = survey(recipe, run)
    write_plan(run, recipe, first_of_each(inputs, first) if first else inputs)
    return RunFolder.open(run.uri)


def rows(run: RunFolder) -> dict[str, dict[str, Any]]:
    table = run.store.table("plan").to_pylist()
    return {row["sample_id"]: {**row, "shard": ""} for row in table}


def test_the_first_of_each_category_are_kept(folder: Path) -> None:
    inputs = surveyed(folder)
    first = first_of_each(inputs, 2)
    assert names(first.source) == ["0ball", "1ball", "0cup", "1cup"]
    assert names(first.left_out) == ["2ball", "3ball", "2cup", "3cup"]
    assert first.first == 2
    assert "4 of 8" in first.notes[0]
    assert first.backgrounds.equals(inputs.backgrounds)
    assert first_of_each(inputs, 4) is inputs


def test_photographs_that_can_be_used_come_first(folder: Path) -> None:
    write(folder / "photos/ball/0.jpg", b"no image")
    (folder / "masks/cup/0.png").unlink()
    assert names(first_of_each(surveyed(folder), 1).source) == ["1ball", "1cup"]
    (folder / "photos/ball/1.jpg").unlink()
    write(folder / "photos/ball/2.jpg", b"no image")
    write(folder / "photos/ball/3.jpg", b"no image")
    assert names(first_of_each(surveyed(folder), 1).source) == ["0ball", "1cup"]


def test_a_later_plan_adds_the_others_as_a_whole_plan_has_them(folder: Path) -> None:
    write(folder / "photos/cup/0.png", encode(drawn(7)[0], "png"))  # shares its mask with 0.jpg: neither gets it
    write(folder / "photos/ball/1.jpg", b"no image")
    whole = plan(folder, "whole")
    run = plan(folder, "run", first=1)
    assert run.plan.first == 1
    assert len(rows(run)) == 2 * 5
    assert rows(run).items() <= rows(whole).items()
    shards = run.plan.shards()

    run = plan(folder, "run", first=2)
    assert (run.plan.first, len(rows(run))) == (2, 4 * 5)
    run = plan(folder, "run")
    assert run.plan.first is None
    assert "first" not in run.plan.record()
    assert rows(run) == rows(whole)
    assert run.plan.shards()[: len(shards)] == shards
    sources = [{row["image_id"]: row for row in one.store.table("source").to_pylist()} for one in (run, whole)]
    assert sources[0] == sources[1]
    assert run.plan.record()["remarks"] == whole.plan.record()["remarks"]


def test_fewer_than_before_removes_nothing(folder: Path) -> None:
    plan(folder, "run", first=3)
    run = plan(folder, "run", first=1)
    assert (run.plan.first, sum(run.plan.rows_by_batch().values())) == (3, 6)
    plan(folder, "whole")
    assert plan(folder, "whole", first=1).plan.first is None


def test_new_scenarios_of_a_first_plan(folder: Path) -> None:
    plan(folder, "run", first=1, scenarios=["original"])
    run = plan(folder, "run", first=1, scenarios=["original", "image_grey"])
    assert (run.plan.first, run.plan.planned_rows()) == (1, 4)


def test_replanning_the_first_and_the_whole(folder: Path) -> None:
    run, recipe = plan(folder, "run"), recipe_from(recipe_values(folder))
    inputs = first_of_each(survey(recipe), 1)
    assert sum(compare_plans(run, recipe, inputs).removed.values()) == 6 * 5
    replan(run, recipe, inputs)
    assert (run.plan.first, run.plan.planned_rows()) == (1, 2 * 5)
    replan(run, recipe, survey(recipe))
    assert (run.plan.first, run.plan.planned_rows()) == (None, 8 * 5)


def test_a_run_that_is_planned_whole_says_that_nothing_is_left_out(folder: Path) -> None:
    run = plan(folder, "run")
    inputs = surveyed(folder, run)
    first = first_of_each(inputs, 1)
    assert first.notes[1:] == inputs.notes
    assert "--first 1" in first.notes[0]
    assert "all 8" in first.notes[0]
    assert first.left_out is inputs.left_out
    assert first_of_each(inputs, 4) is inputs


def test_folds_are_those_of_the_whole_run(folder: Path) -> None:
    training = {"models": ["reduced:resnet"], "folds": 2, "scenarios": ["original"]}
    whole, run = plan(folder, "whole", training=training), plan(folder, "run", first=1, training=training)
    assert run.store.table("folds").equals(whole.store.table("folds"))
    assert plan(folder, "run", training=training).store.table("folds").equals(whole.store.table("folds"))


def test_annotations_count_as_boxes_too(folder: Path) -> None:
    inputs = surveyed(folder)
    boxes = [[] for _ in range(7)] + [[[0.0, 0.0, 9.0, 9.0]]]
    empty = inputs.source.set_column(
        inputs.source.schema.get_field_index("boxes"),
        inputs.source.schema.field("boxes"),
        pa.array(boxes, inputs.source.schema.field("boxes").type),
    )
    masks = empty.schema.get_field_index("mask_uri")
    none = pa.nulls(8, empty.schema.field("mask_uri").type)
    source = empty.set_column(masks, empty.schema.field("mask_uri"), none)
    assert names(first_of_each(replace(inputs, source=source), 1).source) == ["0ball", "3cup"]
