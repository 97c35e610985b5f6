"""Planned runs over drawn photographs, and their CPU time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.recipe import default_scenarios, recipe_from

from .photographs import CATEGORIES, write_photographs


def with_whole_donors(names: Iterable[str]) -> list[dict[str, str]]:
    """Return entries of scenarios that need no removal, so that each shard is rendered on its own, as rivals do it."""
    return [{"kind": name, **({"donor": "whole"} if name == "random_background" else {})} for name in names]


def planned(folder: Path, images: int, **more: Any) -> RunFolder:
    """Plan a run over new drawn photographs; `more` are entries of its recipe, by default the classical scenarios."""
    write_photographs(folder, images)
    recipe = recipe_from(
        {
            "categories": CATEGORIES,
            "source": {"kind": "imagefolder", "root": str(folder / "photos")},
            "masks": {"annotations": {"kind": "png", "root": str(folder / "masks")}},
            "scenarios": with_whole_donors(default_scenarios()),
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
