"""Planned runs over a folder of photographs."""

from __future__ import annotations

from pathlib import Path

from support.drawn_photos import recipe_values
from xray.pipeline.plan.plan import survey, write_plan
from xray.runs.recipe import recipe_from
from xray.runs.run import Run


def planned(folder: Path, name: str = "run", **changes: object) -> Run:
    recipe = recipe_from(recipe_values(folder, **changes))
    run = Run(str(folder / name))
    write_plan(run, recipe, survey(recipe, run))
    return run
