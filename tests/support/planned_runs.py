"""Planned runs over a folder of photographs."""

from __future__ import annotations

from pathlib import Path

from support.drawn_photos import recipe_values
from support.tiny_pools import planned as planned_from
from xray.runs.folder import RunFolder


def planned(folder: Path, name: str = "run", **changes: object) -> RunFolder:
    """Plan a run over the folder of `write_folder`; `changes` replace entries of its recipe."""
    return planned_from(folder, recipe_values(folder, **changes), name)
