"""Runs to train on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from support.drawn_photos import recipe_values, write_folder
from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import survey, write_plan
from xray.runs.recipe import recipe_from
from xray.runs.run import Run

SIDE = 32
QUICK: dict[str, Any] = {"models": {"net": "reduced:vit"}, "folds": 3, "side": SIDE, "epochs": 2, "batch": 4, "cpus": 2}


def plan(folder: Path, name: str = "run", **changes: Any) -> Run:
    """Plan or enlarge a run that trains; `training` is laid over `QUICK`."""
    changes["training"] = {**QUICK, **changes.get("training", {})}
    recipe = recipe_from(recipe_values(folder, **{"scenarios": ["original", "blur_background"], **changes}))
    run = Run(str(folder / name))
    write_plan(run, recipe, survey(recipe, run))
    return run


def made(folder: Path, name: str = "run", **changes: Any) -> Run:
    """A run with images of twelve drawn photographs, in two categories."""
    if not (folder / "photos").exists():
        write_folder(folder, per_category=6)
    run = plan(folder, name, **changes)
    generate(run)
    return run


def copied(made: Run, folder: Path, name: str = "run", **training: Any) -> Run:
    """A copy of a run with images, in a folder; `training` is laid over `QUICK`."""
    shutil.copytree(made.uri.removeprefix("file://"), folder / name)
    run = Run(str(folder / name))
    recipe = recipe_from({**run.recipe, "training": {**QUICK, **training}})
    write_plan(run, recipe, survey(recipe, run))
    return run
