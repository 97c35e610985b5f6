"""Planned runs over drawn photographs, and their CPU time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil

from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.recipe import recipe_from

from .photographs import CATEGORIES, write_photographs


def planned(folder: Path, images: int, **more: Any) -> RunFolder:
    """Plan a run over new drawn photographs; `more` are entries of its recipe."""
    write_photographs(folder, images)
    recipe = recipe_from(
        {
            "categories": CATEGORIES,
            "source": {"kind": "imagefolder", "root": str(folder / "photos")},
            "masks": {"annotations": {"kind": "png", "root": str(folder / "masks")}},
            **more,
        }
    )
    run = RunFolder(str(folder / "plan"))
    write_plan(run, recipe, survey(recipe))
    return run


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its live descendants."""
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
