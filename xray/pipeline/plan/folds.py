"""The fold in which each photograph of a plan is tested."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from xray.core import schema
from xray.core.errors import ConfigError
from xray.runs.folder import RunFolder
from xray.runs.folds import assign_folds
from xray.runs.recipe import Recipe


def plan_folds(run: RunFolder | None, recipe: Recipe, categories: Mapping[str, str]) -> dict[str, int]:
    """Return the fold in which each photograph is tested, by id; empty if the recipe trains nothing.

    After a training, no photograph changes its fold.

    Args:
        run: planned before or not; None: not.
        recipe: of the new plan.
        categories: of the usable photographs, by id.

    Raises:
        ConfigError: models were trained with other folds.
    """
    training = recipe.training
    if training is None:
        return {}
    earlier = run.recipe.training if run is not None and run.plan.exists else None
    if run is None or earlier is None:
        return assign_folds(categories, training, recipe.seed)
    same = (earlier.folds, earlier.holdout) == (training.folds, training.holdout)
    if not same and run.store.trained():
        raise ConfigError(
            f"models were trained with `folds: {earlier.folds}, holdout: {earlier.holdout}`, the recipe has "
            f"{training.folds}, {training.holdout}; use a new run"
        )
    table = run.store.table("folds").to_pylist() if same else []
    before = {row["image_id"]: row["fold"] for row in table if row["image_id"] in categories}
    return assign_folds(categories, training, recipe.seed, before)


def folds_table(folds: Mapping[str, int], categories: Mapping[str, str]) -> pa.Table:
    """Build FOLDS, from folds and categories by photograph."""
    rows = [{"image_id": image, "category": categories[image], "fold": fold} for image, fold in folds.items()]
    return pa.Table.from_pylist(rows, schema=schema.FOLDS)
