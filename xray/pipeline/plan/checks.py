"""Check, before anything expensive, all that a run needs: weights, categories, donors, folds, disk."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.core.errors import ConfigError, StorageError, XrayError
from xray.core.progress import readable_bytes
from xray.core.uri import local_path
from xray.models.weights import locate
from xray.pipeline.plan.models import check_features, check_models, check_pretrained
from xray.pipeline.plan.removal import lacks_annotation
from xray.runs.accepted import accepted_outputs
from xray.runs.folder import RunFolder
from xray.runs.folds import assign_folds, fold_notes
from xray.runs.groups import Groups
from xray.runs.recipe import Recipe, ScenarioEntry
from xray.runs.trial import check_training
from xray.sources.base import join_names
from xray.sources.categories import Category

_BYTES_PER_PIXEL = {"jpeg": 0.8, "png": 2.2}
"""Of photographs as JPEG of quality 95 (4:4:4) and as PNG, roughly."""
_TIGHT, _TOO_SMALL = 0.8, 2.0
"""Estimated need as a share of the free space: noted above the first, refused above the second."""


def check_recipe(recipe: Recipe, scenarios: Mapping[str, ScenarioEntry]) -> tuple[tuple[Category, ...], list[str]]:
    """Check what a recipe needs besides photographs; return its categories, and notes for readers of the run.

    Raises:
        XrayError: weights, a model, a training, the filter or prompts are missing or contradictory.
    """
    _check_weights(weight_references(recipe, of_remover=False))  # a remover checks its own
    notes = list[str]()
    if recipe.training is not None:
        check_training(recipe.training, scenarios)
        check_weights = check_features if recipe.training.tune == "head" else check_pretrained
        notes += check_weights(recipe.training.models) if recipe.training.pretrained else []
    inpaints = any(entry.scenario.inpaints for entry in scenarios.values())
    notes += recipe.filter.check(recipe.models, recipe.masks.refine) if inpaints else []
    categories = recipe.categories or tuple(recipe.source.categories())
    if inpaints and recipe.filter.classifier is not None:
        accepted_outputs(f"filter: {recipe.filter.classifier}", None, categories)
    notes += [*check_models(recipe.models, categories), *_shared_classes(categories)]
    for entry in scenarios.values():
        for category in categories:
            entry.scenario.prompt(category, draw=0, variant=0)
    painters = dict.fromkeys(entry.scenario.painter for entry in scenarios.values() if entry.scenario.inpaints)
    for painter in painters:
        notes += painter.check_models(recipe.models, categories)
    return categories, list(dict.fromkeys(notes))


def _check_weights(references: Iterable[str]) -> None:
    missing = []
    for reference in sorted(references):
        try:
            locate(reference)
        except XrayError as error:
            missing.append(str(error))
    if missing:
        raise ConfigError("\n".join(missing))


def weight_references(recipe: Recipe, *, of_remover: bool = True) -> set[str]:
    """References of all weights that images and masks need; `of_remover`: also those of the remover."""
    inpainters = [entry.scenario.painter for entry in recipe.scenarios.values() if entry.scenario.inpaints]
    parts = [inpainter.weights() for inpainter in inpainters]
    if recipe.needs_masks:
        parts.append(recipe.masks.refiner.weights())
    if of_remover and recipe.needs_removed and recipe.remover is not None:
        parts.append(recipe.remover.weights())
    if inpainters:
        parts.append(recipe.filter.weights())
    return {reference for part in parts for reference in part.values()}


def _shared_classes(categories: Sequence[Category]) -> list[str]:
    by_index: dict[int, list[str]] = defaultdict(list)
    for category in categories:
        for index in dict.fromkeys(category.indices):
            by_index[index].append(category.name)
    pairs: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, names in sorted(by_index.items()):
        if len(names) > 1:
            pairs[tuple(names)].append(index)
    return [
        f"the categories {' and '.join(map(repr, names))} share {'class' if len(indices) == 1 else 'classes'} "
        f"{join_names(map(str, indices), 5)}: such a prediction is right for each of them"
        for names, indices in pairs.items()
    ]


def check_categories(
    recipe: Recipe, categories: Sequence[Category], usable: Mapping[str, str], groups: Groups | None = None
) -> list[str]:
    """Note categories without photographs, and check that photographs suffice for the folds of the recipe's trainings.

    Args:
        recipe: with or without `training`.
        categories: of the run.
        usable: categories of the readable photographs, by id.
        groups: of the photographs, by id; None: each is alone.

    Raises:
        ConfigError: a category has fewer than two photographs, or there are fewer photographs than folds.
    """
    training, present = recipe.training, {*usable.values()}
    empty = [repr(category.name) for category in categories if category.name not in present]
    if training is None:
        return [f"no usable photograph of {join_names(empty)}"] if empty else []
    if empty:
        raise ConfigError(f"`training`: no usable photograph of {join_names(empty)}; add some, or remove the category")
    assign_folds(usable, training, recipe.seed, groups=groups)
    return fold_notes(usable, training, groups)


def mask_notes(source: pa.Table, recipe: Recipe) -> list[str]:
    """Note which scenarios the photographs without an annotation miss, and whether `bad_rows` allows that many."""
    scenarios = recipe.scenarios
    needing = [name for name, entry in scenarios.items() if entry.scenario.needs_mask]
    others = [name for name in scenarios if name not in needing]
    readable = pc.equal(source["status"], schema.OK)
    without = pc.sum(lacks_annotation(source)).as_py() or 0
    if not without or not recipe.masks.annotations.separate:
        return []
    notes = [f"photographs without an annotation ({without:,}) are left out of {join_names(needing)}"]
    if others:
        notes[0] += f", and only in {join_names(others)}; cross terms and S_robust leave them out"
    rejected = len(source) - (pc.sum(readable).as_py() or 0)
    variants = {name: entry.variants for name, entry in scenarios.items()}
    refused = without * sum(variants[name] for name in needing) + rejected * sum(variants.values())
    share = refused / (len(source) * sum(variants.values()))
    if share > recipe.bad_rows:
        allowed = min(1.0, -(-share * 100 // 1) / 100)
        notes.append(
            f"{share:.0%} of the images cannot be made, more than `bad_rows: {recipe.bad_rows:g}` allows, so that "
            f"`xray generate` will stop: add annotations, or write `bad_rows: {allowed:g}`"
        )
    return notes


def check_disk(run: RunFolder, recipe: Recipe, source: pa.Table, known: pa.Table) -> list[str]:
    """Check that the run's folder can be written, and has space for the images; object stores are not checked.

    Args:
        run: planned before or not.
        recipe: of the new plan.
        source: new photographs (SOURCE).
        known: photographs of an earlier plan (SOURCE).

    Raises:
        StorageError: the folder cannot be written, or the images clearly do not fit.
    """
    folder = local_path(run.uri)
    if folder is None:
        return []
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise StorageError(f"cannot write the run to {str(folder)!r}: {str(existing)!r} is not a writable folder")
    planned = run.recipe.scenarios if run.plan.exists else {}
    added = {name: entry for name, entry in recipe.scenarios.items() if name not in planned}
    pixels = _pixels(source) * _variants({**planned, **added}) + _pixels(known) * _variants(added)
    need, free = int(pixels * _BYTES_PER_PIXEL[recipe.images.format]), shutil.disk_usage(existing).free
    said = f"the images need about {readable_bytes(need)}, and {str(existing)!r} has {readable_bytes(free)} free"
    if need > _TOO_SMALL * free:
        raise StorageError(f"{said}: free some space, choose another folder for the run, or plan fewer images")
    return [f"{said}: that is tight"] if need > _TIGHT * free else []


def _pixels(source: pa.Table) -> int:
    size = pc.multiply(source["width"].cast(pa.int64()), source["height"].cast(pa.int64()))
    return pc.sum(size).as_py() or 0


def _variants(scenarios: Mapping[str, ScenarioEntry]) -> int:
    return sum(entry.variants for entry in scenarios.values())
