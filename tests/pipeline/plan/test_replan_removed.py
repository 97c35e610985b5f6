"""Replanning runs that show photographs without their objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.drawn_photos import write
from support.tiny_pools import made_here, planned, pooled_folder
from support.tiny_remover import EDIT, removals, removing_values

from xray.core.images import encode
from xray.pipeline.generate.workers import _open
from xray.pipeline.plan.plan import compare_plans, replan
from xray.pipeline.plan.replan import PlanDiff
from xray.pipeline.plan.survey import survey
from xray.pipeline.verify.verify import verify
from xray.runs.folder import RunFolder
from xray.runs.recipe import recipe_from

Values = Mapping[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _open.cache_clear()
    return pooled_folder(tmp_path)


@pytest.fixture
def run(folder: Path) -> RunFolder:
    run = planned(folder, removing_values(folder))
    made_here(run)
    (folder / "desk/log").unlink()
    return run


def replanned(run: RunFolder, values: Values) -> PlanDiff:
    recipe = recipe_from(values)
    found = survey(recipe)
    before = compare_plans(run, recipe, found)
    diff = replan(run, recipe, found)
    assert (before.missing, before.reused) == (diff.missing, diff.reused)
    return diff


def assert_as_if_planned_so(run: RunFolder, folder: Path, values: Values) -> None:
    """Every row is what a new run makes of the same recipe and photographs."""
    made_here(run)
    log = (folder / "desk/log").read_text() if (folder / "desk/log").exists() else ""
    fresh = planned(folder, values, "fresh")
    made_here(fresh)
    for table, key in (("images", "sample_id"), ("removed", "image_id")):
        assert run.store.table(table).sort_by(key).equals(fresh.store.table(table).sort_by(key))
    assert verify(run).sound
    verify(run, clean=True)
    assert verify(run).sound
    write(folder / "desk/log", log.encode())


def grey(folder: Path, value: int) -> dict[str, Any]:
    return removing_values(
        folder, remover={"kind": "support.tiny_remover:Logging", "desk": str(folder / "desk"), "grey": value}
    )


def test_another_remover_changes_exactly_the_images_that_show_it(run: RunFolder, folder: Path) -> None:
    diff = replanned(run, grey(folder, 90))
    assert (dict(diff.missing), dict(diff.reused)) == ({"pasted": 6, "random_background": 6}, {"original": 6})
    assert_as_if_planned_so(run, folder, grey(folder, 90))
    assert set(removals(folder).values()) == {1}
    assert len(removals(folder)) == 6


def test_what_no_removal_depends_on_makes_none_again(run: RunFolder, folder: Path) -> None:
    scenarios = ["original", {"kind": "edit", "name": "pasted", "flip": True}, "random_background"]
    values = removing_values(folder, scenarios=scenarios)
    diff = replanned(run, values)
    assert dict(diff.missing) == {"pasted": 6}
    assert_as_if_planned_so(run, folder, values)
    assert not removals(folder)


def test_a_mask_that_has_changed_changes_what_shows_its_photograph_as_donor(run: RunFolder, folder: Path) -> None:
    mask = cv2.imread(str(folder / "masks/cup/0.png"), cv2.IMREAD_GRAYSCALE)
    assert mask is not None
    write(folder / "masks/cup/0.png", encode(cv2.dilate(mask, np.ones((9, 9), np.uint8)), "png"))  # type: ignore[arg-type]
    plan = run.store.table("plan").to_pylist()
    source = run.store.table("source").to_pylist()
    changed = next(row["image_id"] for row in source if row["uri"].endswith("cup/0.jpg"))
    behind = {
        row["image_id"]
        for row in plan
        if changed in (row["donor_id"], *(donor["donor_id"] for donor in row["donor_spares"] or ()))
    }
    diff = replanned(run, removing_values(folder))
    assert dict(diff.missing) == {"original": 1, "pasted": 1, "random_background": len(behind | {changed})}
    assert_as_if_planned_so(run, folder, removing_values(folder))
    assert sum(removals(folder).values()) == 1


def test_removals_are_reused_also_where_the_first_plan_to_reuse_them_was_never_made(
    run: RunFolder, folder: Path
) -> None:
    for flip in (True, False):
        values = removing_values(folder, scenarios=["original", {**EDIT, "flip": flip}, "random_background"])
        replanned(run, values)
    assert_as_if_planned_so(run, folder, values)
    assert not removals(folder)
