"""The fold in which each photograph of a plan is tested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from xray.core import schema
from xray.core.errors import ConfigError
from xray.runs.folder import RunFolder
from xray.runs.folds import assign_folds
from xray.runs.groups import Groups, members
from xray.runs.recipe import Recipe
from xray.sources.base import join_names


def plan_folds(
    run: RunFolder | None, recipe: Recipe, categories: Mapping[str, str], groups: Groups | None = None
) -> dict[str, int]:
    """Return the fold in which each photograph is tested, by id; empty if the recipe trains nothing.

    After a training, no photograph changes its fold. Before it, photographs that belong together and have different
    folds, since their group was not known earlier, get the fold that most of them have.

    Args:
        run: planned before or not; None: not.
        recipe: of the new plan.
        categories: of the usable photographs, by id.
        groups: of the photographs, by id; None: each is alone.

    Raises:
        ConfigError: models were trained with other folds.
    """
    training = recipe.training
    if training is None:
        return {}
    earlier = run.recipe.training if run is not None and run.plan.exists else None
    if run is None or earlier is None:
        return assign_folds(categories, training, recipe.seed, groups=groups)
    same = (earlier.folds, earlier.holdout) == (training.folds, training.holdout)
    trained = bool(run.store.trained())
    if not same and trained:
        raise ConfigError(
            f"models were trained with `folds: {earlier.folds}, holdout: {earlier.holdout}`, the recipe has "
            f"{training.folds}, {training.holdout}; use a new run"
        )
    table = run.store.table("folds").to_pylist() if same else []
    before = {row["image_id"]: row["fold"] for row in table if row["image_id"] in categories}
    if not trained:
        before |= _united(before, groups or {})
    return assign_folds(categories, training, recipe.seed, before, groups)


def _united(folds: Mapping[str, int], groups: Groups) -> dict[str, int]:
    """Return the fold that most photographs of each group have, for all of them that have one."""
    united: dict[str, int] = {}
    for images in members(groups).values():
        known = Counter(folds[image] for image in images if image in folds)
        united |= {image: min(known, key=lambda fold: (-known[fold], fold)) for image in images if image in folds}
    return united


def divided_notes(folds: Mapping[str, int], groups: Groups) -> list[str]:
    """Note photographs that belong together and keep different folds, since models were trained with these."""
    divided = [
        images for images in members(groups).values() if len({folds[image] for image in images if image in folds}) > 1
    ]
    if not divided:
        return []
    return [
        f"photographs that belong together are in different folds, which stay as models were trained with them "
        f"({join_names(map(' and '.join, divided), 3)}): some models are tested on what they were trained on. "
        "Plan a new run"
    ]


def folds_table(folds: Mapping[str, int], categories: Mapping[str, str]) -> pa.Table:
    """Build FOLDS, from folds and categories by photograph."""
    rows = [{"image_id": image, "category": categories[image], "fold": fold} for image, fold in folds.items()]
    return pa.Table.from_pylist(rows, schema=schema.FOLDS)
