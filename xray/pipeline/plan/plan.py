"""Plan a run: write down every image before any is made.

Everything random is decided here, by a hash of (run seed, image_id, scenario, variant): neither the order of rows nor
the number of workers can change an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace as changed

import pyarrow as pa

from xray.core import schema
from xray.core.errors import ConfigError, ResourceError
from xray.models.weights import pinned
from xray.pipeline.plan.checks import weight_references
from xray.pipeline.plan.donors import Donors, Sampler
from xray.pipeline.plan.replan import ExistingImages, Fingerprints, PlanDiff, revoke_trainings
from xray.pipeline.plan.rows import plan_rows
from xray.pipeline.plan.survey import Survey, usable_photographs
from xray.pipeline.plan.upload import upload_cache
from xray.pipeline.plan.writer import PlanWriter, Progress
from xray.runs.folder import RunFolder
from xray.runs.folds import assign_folds
from xray.runs.lock import exclusive
from xray.runs.recipe import Recipe, ScenarioEntry, recipe_values

_FIXED = ("seed", "categories", "source", "masks", "backgrounds", "filter", "images", "limits", "shard_size")
"""Keys of a recipe that a larger recipe of the same run must not change."""


@exclusive("images")
def write_plan(run: RunFolder, recipe: Recipe, survey: Survey, progress: Progress = lambda planned: None) -> None:
    """Plan what is missing: new photographs in all scenarios, known ones in new scenarios.

    Args:
        run: the run, planned before or not.
        recipe: the new recipe.
        survey: of the recipe and this run.
        progress: called with the number of photographs planned since the last call.

    Raises:
        ConfigError: the recipe contradicts the earlier plan.
        ResourceError: another process planned the run in the meantime.
    """
    if sum(run.plan.rows_by_batch().values()) != len(survey.known):
        raise ResourceError(f"another process planned {run.uri} in the meantime; plan again")
    survey, recipe = upload_cache(run, recipe, survey), completed(recipe, survey)
    added: Mapping[str, ScenarioEntry] = {}
    pins: dict[str, str] = {}
    if run.plan.exists:
        added = added_scenarios(run.recipe, recipe)
        recipe = changed(recipe, scenarios={**run.recipe.scenarios, **recipe.scenarios})
        pins = run.plan.record()["weights"]
    pins |= pinned(sorted(weight_references(recipe) - pins.keys()))
    writer = PlanWriter(run, _sampler(recipe, survey), progress)
    parts = run.plan.parts("plan")
    for source_part in run.plan.parts("source") if added else ():
        parts += writer.scenarios(parts, source_part, added)
    if len(survey.source):
        parts += writer.photographs(parts, survey.source, recipe)
    _commit(run, recipe, survey, parts, pins)


@exclusive("images")
def replan(run: RunFolder, recipe: Recipe, survey: Survey, progress: Progress = lambda planned: None) -> PlanDiff:
    """Replace a plan by one of the current recipe and photographs, reusing images that would come out the same.

    The files of the earlier plan stay until everything is made; then `xray verify --clean` removes them. Trainings
    within scenarios, or tests on them, in which an image has changed, appeared or disappeared are revoked.

    Args:
        run: with a plan.
        recipe: the new recipe; nothing of the earlier one is kept.
        survey: of the recipe alone.
        progress: called with the number of photographs planned since the last call.

    Raises:
        ConfigError: an inpainter refuses a prompt, or models were trained with other folds; the earlier plan stays.
    """
    survey, recipe = upload_cache(run, recipe, survey), completed(recipe, survey)
    pins = pinned(sorted(weight_references(recipe)))
    diff = PlanDiff(ExistingImages.of(run), Fingerprints(recipe, pins))
    writer = PlanWriter(run, _sampler(recipe, survey), progress, diff)
    parts = writer.photographs([], diff.photographs(survey.source), recipe)
    if diff.changes or recipe_values(recipe) != run.recipe_values:
        _commit(run, recipe, survey, parts, pins, diff)
        diff.written = True
    else:
        run.plan.drop_parts(parts)
    return diff


def compare_plans(run: RunFolder, recipe: Recipe, survey: Survey) -> PlanDiff:
    """Compute what `replan` would reuse and make, without writing anything."""
    recipe = completed(recipe, survey)
    diff = PlanDiff(ExistingImages.of(run), Fingerprints(recipe, pinned(sorted(weight_references(recipe)))))
    sampler = _sampler(recipe, survey)
    for start in range(0, len(survey.source), recipe.shard_size):
        batch = survey.source.slice(start, recipe.shard_size)
        diff.images(plan_rows(batch, recipe.scenarios, sampler, "").to_pylist(), batch.to_pylist())
    return diff


def completed(recipe: Recipe, survey: Survey) -> Recipe:
    """Return the recipe with what the survey decided: its categories, the meaning of its masks, its backgrounds."""
    masks = recipe.masks if survey.annotations is None else changed(recipe.masks, annotations=survey.annotations)
    backgrounds = survey.bank or recipe.backgrounds
    return changed(recipe, categories=survey.categories, masks=masks, backgrounds=backgrounds)


def added_scenarios(old: Recipe, new: Recipe) -> dict[str, ScenarioEntry]:
    """The scenarios that only the new recipe has.

    Raises:
        ConfigError: the new recipe contradicts the old one.
    """
    before, after = recipe_values(old), recipe_values(new)
    if new.needs_masks and not old.needs_masks:
        needing = [name for name, entry in new.scenarios.items() if entry.scenario.needs_mask]
        raise ConfigError(
            f"the run was planned without masks; {', '.join(needing) or 'a segmenter'} needs them: use a new run, or "
            "`--replan` this one"
        )
    for key in _FIXED:
        if before[key] != after[key]:
            raise ConfigError(
                f"the run was planned with `{key}: {before[key]}`, the recipe has {after[key]}; use a new run, or "
                "`--replan` this one"
            )
    for name in old.scenarios.keys() & new.scenarios.keys():
        if (was := before["scenarios"][name]) != (now := after["scenarios"][name]):
            raise ConfigError(
                f"scenario {name!r} was planned as {was}, the recipe has {now}; rename it, or `--replan` the run"
            )
    return {name: entry for name, entry in new.scenarios.items() if name not in old.scenarios}


def _sampler(recipe: Recipe, survey: Survey) -> Sampler:
    return Sampler(recipe.seed, Donors(survey.backgrounds), {item.name: item for item in survey.categories})


def _commit(
    run: RunFolder,
    recipe: Recipe,
    survey: Survey,
    parts: list[str],
    pins: Mapping[str, str],
    diff: PlanDiff | None = None,
) -> None:
    """Commit written parts; everything that may refuse them comes before the first change."""
    new = [part for part in parts if part not in run.plan.parts("plan")]
    inpaints = any(entry.scenario.inpaints for entry in recipe.scenarios.values())
    notes = [*survey.notes, *(_check_prompts(run, filter(run.plan.inpaints, new), recipe) if inpaints else ())]
    folds = _folds(run, recipe, survey) if recipe.training is not None else None
    if diff is not None:
        revoke_trainings(run, diff)
    if len(survey.backgrounds):
        run.plan.write_table("backgrounds", survey.backgrounds)
    if folds is not None:
        run.plan.write_table("folds", folds)
    run.commit_plan(recipe, parts, notes, pins, survey.first)


def _folds(run: RunFolder, recipe: Recipe, survey: Survey) -> pa.Table:
    """The fold in which each usable photograph is tested; after a training, no photograph changes its fold."""
    training = recipe.training
    assert training is not None
    earlier = run.recipe.training if run.plan.exists else None
    same = earlier is not None and (earlier.folds, earlier.holdout) == (training.folds, training.holdout)
    if earlier is not None and not same and run.store.trained():
        raise ConfigError(
            f"models were trained with `folds: {earlier.folds}, holdout: {earlier.holdout}`, the recipe has "
            f"{training.folds}, {training.holdout}; use a new run"
        )
    categories = usable_photographs([survey.known, survey.source, survey.left_out])
    table = run.store.table("folds").to_pylist() if same else []
    before = {row["image_id"]: row["fold"] for row in table if row["image_id"] in categories}
    folds = assign_folds(categories, training, recipe.seed, before)
    rows = [{"image_id": image, "category": categories[image], "fold": fold} for image, fold in folds.items()]
    return pa.Table.from_pylist(rows, schema=schema.FOLDS)


def _check_prompts(run: RunFolder, parts: Iterable[str], recipe: Recipe) -> list[str]:
    """Let inpainters refuse the prompts that are planned for them, and return their notes."""
    prompts: dict[str, set[str]] = {}
    for part in parts:
        with run.plan.open_part("plan", part) as file:
            pairs = file.read(["scenario", "prompt"]).group_by(["scenario", "prompt"]).aggregate([])
        for row in pairs.drop_null().to_pylist():
            prompts.setdefault(row["scenario"], set()).add(row["prompt"])
    notes = []
    for scenario, texts in prompts.items():
        notes += recipe.scenarios[scenario].scenario.painter.check(sorted(texts))
    return list(dict.fromkeys(notes))
