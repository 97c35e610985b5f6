"""Small runs to train on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from support.drawn_photos import recipe_values, write_folder
from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.recipe import recipe_from

SIDE = 32
QUICK: dict[str, Any] = {
    "models": {"net": "reduced:vit"},
    "folds": 3,
    "side": SIDE,
    "epochs": 2,
    "batch": 4,
    "cpus": 2,
    "gpus": 0,
}


def plan(folder: Path, name: str = "run", **changes: Any) -> RunFolder:
    """Plan or extend a run with trainings; `training` updates `QUICK`."""
    changes["training"] = {**QUICK, **changes.get("training", {})}
    recipe = recipe_from(recipe_values(folder, **{"scenarios": ["original", "blur_background"], **changes}))
    run = RunFolder(str(folder / name))
    write_plan(run, recipe, survey(recipe, run))
    return run


def made(folder: Path, name: str = "run", **changes: Any) -> RunFolder:
    """Return a run with images of twelve photographs, in two categories."""
    if not (folder / "photos").exists():
        write_folder(folder, per_category=6)
    run = plan(folder, name, **changes)
    generate(run)
    return run


def copied(made: RunFolder, folder: Path, name: str = "run", **training: Any) -> RunFolder:
    """Copy a run with images into a folder, with other trainings; `training` updates `QUICK`."""
    shutil.copytree(made.uri.removeprefix("file://"), folder / name)
    run = RunFolder(str(folder / name))
    recipe = recipe_from({**run.recipe_values, "training": {**QUICK, **training}})
    write_plan(run, recipe, survey(recipe, run))
    return run
