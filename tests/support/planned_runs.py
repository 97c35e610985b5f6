"""Planned runs over a folder of photographs."""

from __future__ import annotations

from pathlib import Path

from support.drawn_photos import recipe_values
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.recipe import recipe_from


def planned(folder: Path, name: str = "run", **changes: object) -> RunFolder:
    """Plan a run over the folder of `write_folder`; `changes` replace entries of its recipe."""
    recipe = recipe_from(recipe_values(folder, **changes))
    run = RunFolder(str(folder / name))
    write_plan(run, recipe, survey(recipe, run))
    return run
