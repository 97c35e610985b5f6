"""Check, before anything expensive, all that a run needs: models, weights, categories, donors, folds, disk."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.core.errors import ConfigError, StorageError, XrayError, extra
from xray.core.progress import readable_bytes
from xray.core.uri import local_path
from xray.models.base import Labels
from xray.models.registry import is_folder, parse_model
from xray.models.weights import locate
from xray.runs.accepted import accepted_outputs
from xray.runs.folder import RunFolder
from xray.runs.folds import assign_folds, fold_notes
from xray.runs.recipe import Recipe, ScenarioEntry
from xray.runs.trial import check_training
from xray.sources.base import join_names
from xray.sources.categories import Category

_BYTES_PER_PIXEL = {"jpeg": 0.8, "png": 2.2}
"""Of photographs as JPEG of quality 95 (4:4:4) and as PNG, roughly."""
_TIGHT, _TOO_SMALL = 0.8, 2.0
"""Estimated need as a share of the free space: noted above the first, refused above the second."""
_FEW_DONORS = 5
_LIBRARIES = {
    "torchvision.models": ("torchvision", "timm", "lite"),
    "timm": ("timm", "lite"),
    "huggingface_hub.hf_api": ("timm", "hf"),
}
"""Libraries that checks of model families import, in an order in which none imports a later one."""


def check_recipe(recipe: Recipe, scenarios: Mapping[str, ScenarioEntry]) -> tuple[tuple[Category, ...], list[str]]:
    """Check what a recipe needs besides photographs; return its categories, and notes for readers of the run.

    Raises:
        XrayError: weights, a model, a training, the filter or prompts are missing or contradictory.
    """
    _check_weights(weight_references(recipe))
    if recipe.training is not None:
        check_training(recipe.training, scenarios)
    inpaints = any(entry.scenario.inpaints for entry in scenarios.values())
    notes = recipe.filter.check(recipe.models, recipe.masks.refine) if inpaints else []
    categories = recipe.categories or tuple(recipe.source.categories())
    if inpaints and recipe.filter.classifier is not None:
        accepted_outputs(f"filter: {recipe.filter.classifier}", None, categories)
    notes += [*check_models(recipe.models, categories), *_shared_classes(categories)]
    for entry in scenarios.values():
        for category in categories:
            entry.scenario.prompt(category, draw=0, variant=0)
    return categories, notes


def _check_weights(references: Iterable[str]) -> None:
    missing = []
    for reference in sorted(references):
        try:
            locate(reference)
        except XrayError as error:
            missing.append(str(error))
    if missing:
        raise ConfigError("\n".join(missing))


def weight_references(recipe: Recipe) -> set[str]:
    """References of all weights that images and masks need."""
    inpainters = [entry.scenario.painter for entry in recipe.scenarios.values() if entry.scenario.inpaints]
    parts = [inpainter.weights() for inpainter in inpainters]
    if recipe.needs_masks:
        parts.append(recipe.masks.refiner.weights())
    if inpainters:
        parts.append(recipe.filter.weights())
    return {reference for part in parts for reference in part.values()}


def check_models(models: Mapping[str, str], categories: Sequence[Category]) -> list[str]:
    """Check, without loading them, that models can predict here, and have an output for every category.

    On a cluster (`RAY_ADDRESS`), models that are not here are only noted.

    Args:
        models: model strings by name.
        categories: of the run.

    Raises:
        ConfigError: one line for each model that cannot be evaluated.
    """
    _import_libraries(models.values())
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(models, pool.map(_labels, models.values()), strict=True))
    missing = [f"`models: {{{name}: {models[name]!r}}}`: {e}" for name, e in found.items() if isinstance(e, XrayError)]
    problems = []
    for name, labels in found.items():
        if isinstance(labels, XrayError):
            continue
        try:
            accepted_outputs(name, labels, categories)
        except ConfigError as error:
            problems.append(f"`models`: {error}")
    on_cluster = bool(os.environ.get("RAY_ADDRESS"))
    if problems or (missing and not on_cluster):
        raise ConfigError("\n".join([*problems, *missing]))
    return [f"{problem}. The cluster's machines must have it" for problem in missing]


def _import_libraries(specs: Iterable[str]) -> None:
    """Import the libraries of models one by one: imports in several threads find modules that are half initialized."""
    families = {spec.partition(":")[0] for spec in specs}
    for library, users in _LIBRARIES.items():
        if not families.isdisjoint(users):
            with contextlib.suppress(ImportError):  # the check of the model names what is not installed
                importlib.import_module(library)


def _labels(spec: str) -> Labels | XrayError | None:
    """Return the labels of a model's outputs, or the error that keeps it from being evaluated here."""
    try:
        if is_folder(spec) and (folder := local_path(spec) or Path(spec).expanduser()) and not folder.is_dir():
            raise ConfigError(f"no such folder: {str(folder.absolute())!r}")
        with extra("models"):
            return parse_model(spec).check_evaluation()
    except XrayError as error:
        return error


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


def check_categories(recipe: Recipe, categories: Sequence[Category], usable: Mapping[str, str]) -> list[str]:
    """Note categories without photographs, and check that photographs suffice for the folds of the recipe's trainings.

    Args:
        recipe: with or without `training`.
        categories: of the run.
        usable: categories of the readable photographs, by id.

    Raises:
        ConfigError: a category has fewer than two photographs, or there are fewer photographs than folds.
    """
    training, present = recipe.training, {*usable.values()}
    empty = [repr(category.name) for category in categories if category.name not in present]
    if training is None:
        return [f"no usable photograph of {join_names(empty)}"] if empty else []
    if empty:
        raise ConfigError(f"`training`: no usable photograph of {join_names(empty)}; add some, or remove the category")
    assign_folds(usable, training, recipe.seed)
    return fold_notes(usable, training)


def check_donors(source: pa.Table, pool: pa.Table, scenarios: Mapping[str, ScenarioEntry]) -> list[str]:
    """Check that every category has photographs of other categories to put its objects on.

    Args:
        source: all photographs (SOURCE).
        pool: BACKGROUNDS.
        scenarios: of the run.

    Raises:
        ConfigError: some categories have none.
    """
    names = join_names(name for name, entry in scenarios.items() if entry.scenario.needs_donor)
    usable = source.filter(pc.equal(source["status"], schema.OK))
    in_pool = Counter(pool["category"].to_pylist())
    donors = {category: len(pool) - in_pool[category] for category in usable["category"].unique().to_pylist()}
    if none := sorted(category for category, count in donors.items() if not count):
        raise ConfigError(
            f"{names}: all {len(pool):,} backgrounds show the category of {join_names(map(repr, none))} itself. Write "
            "`backgrounds: {kind: photos, root: FOLDER}` with photographs without it, or `backgrounds: {kind: drawn}`"
        )
    few = [f"{category!r} {count}" for category, count in sorted(donors.items()) if count < _FEW_DONORS]
    return [f"{names}: few backgrounds to choose from: {join_names(few)}"] if few else []


def mask_notes(source: pa.Table, recipe: Recipe, scenarios: Mapping[str, ScenarioEntry]) -> list[str]:
    """Note which scenarios the photographs without an annotation miss, and whether `bad_rows` allows that many."""
    needing = [name for name, entry in scenarios.items() if entry.scenario.needs_mask]
    others = [name for name in scenarios if name not in needing]
    hints = [pc.equal(pc.list_value_length(source[name]), 0) for name in ("boxes", "points")]
    readable = pc.equal(source["status"], schema.OK)
    lacks = pc.and_(readable, pc.and_(pc.is_null(source["mask_uri"]), pc.and_(*hints)))
    without = pc.sum(lacks).as_py() or 0
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
