"""Plan a run: write down every image before any is made.

Everything random is decided here, by a hash of (run seed, image_id, scenario, variant): neither the order of rows nor
the number of workers can change an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace as changed
from typing import Any

import pyarrow as pa

from xray.core import yaml
from xray.core.errors import ConfigError, ResourceError
from xray.models.weights import pinned
from xray.pipeline.plan.checks import weight_references
from xray.pipeline.plan.donor_checks import check_earlier_donors, check_first
from xray.pipeline.plan.donors import Donors, Sampler
from xray.pipeline.plan.folds import divided_notes, folds_table, plan_folds
from xray.pipeline.plan.groups import check_regrouping
from xray.pipeline.plan.near_duplicates import write_near_duplicates
from xray.pipeline.plan.removal import removable_donors
from xray.pipeline.plan.replan import ExistingImages, Fingerprints, PlanDiff, revoke_trainings
from xray.pipeline.plan.rings import Pool
from xray.pipeline.plan.rows import plan_rows
from xray.pipeline.plan.survey import Survey
from xray.pipeline.plan.upload import upload_cache
from xray.pipeline.plan.writer import PlanWriter, Progress
from xray.runs.folder import RunFolder
from xray.runs.lock import exclusive
from xray.runs.recipe import Recipe, ScenarioEntry, recipe_values

_FIXED = ("seed", "categories", "groups", "source", "masks", "backgrounds", "filter", "images", "limits", "shard_size")
"""Keys of a recipe that a larger recipe of the same run must not change."""


@exclusive("images")
def write_plan(run: RunFolder, recipe: Recipe, survey: Survey, progress: Progress = lambda planned: None) -> None:
    """Plan what is missing: new photographs in all scenarios, known ones in new scenarios.

    When a plan of the first photographs is completed, images whose donors were to be among those get other donors.

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
        raise ResourceError(f"another process planned {run.location} in the meantime; plan again")
    survey, recipe = upload_cache(run, recipe, survey), completed(recipe, survey)
    added: Mapping[str, ScenarioEntry] = {}
    pins: dict[str, str] = {}
    if run.plan.exists:
        added = added_scenarios(run.recipe, recipe)
        recipe = changed(recipe, scenarios={**run.recipe.scenarios, **recipe.scenarios})
        pins = run.plan.record()["weights"]
        if run.plan.first is not None and survey.first is None and recipe.removes_donors:
            everything = pa.concat_tables([survey.known, survey.source])
            with run.locked("predictions", "trials"):
                _replan(run, recipe, changed(survey, known=survey.known.slice(0, 0), source=everything), progress)
            return
    check_first(recipe, survey.first, survey.left_out)
    pins |= pinned(sorted(weight_references(recipe) - pins.keys()))
    folds = _folds(run, recipe, survey)
    if folds:
        survey = changed(survey, notes=(*survey.notes, *divided_notes(folds, survey.groups)))
    if survey.first is None:
        survey = changed(survey, notes=(*survey.notes, *check_earlier_donors(run, recipe, folds)))
    writer = PlanWriter(run, _sampler(run, recipe, survey, folds), progress)
    parts = run.plan.parts("plan")
    for source_part in run.plan.parts("source") if added else ():
        parts += writer.scenarios(parts, source_part, added)
    if len(survey.source):
        parts += writer.photographs(parts, survey.source, recipe)
    del writer  # and the sampler: their memory would come on top of the file of the background pool
    _commit(run, recipe, survey, parts, pins, folds)


@exclusive("images", "predictions", "trials")
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
        ConfigError: an inpainter refuses a prompt, or models were trained with other folds or groups; the earlier plan
            stays.
        ResourceError: another process works on the run.
    """
    check_first(completed(recipe, survey), survey.first, survey.left_out)
    return _replan(run, completed(recipe, survey), upload_cache(run, recipe, survey), progress)


def _replan(run: RunFolder, recipe: Recipe, survey: Survey, progress: Progress) -> PlanDiff:
    pins = pinned(sorted(weight_references(recipe)))
    diff = PlanDiff(ExistingImages.of(run), Fingerprints(recipe, pins, survey.source, survey.backgrounds))
    regrouped = check_regrouping(run, survey.source)
    folds = _folds(run, recipe, survey)
    writer = PlanWriter(run, _sampler(run, recipe, survey, folds), progress, diff)
    parts = writer.photographs([], diff.photographs(survey.source), recipe)
    del writer
    if regrouped or diff.changes or recipe_values(recipe) != run.recipe_values:
        survey = changed(survey, notes=(*survey.notes, *divided_notes(folds, survey.groups)))
        _commit(run, recipe, survey, parts, pins, folds, diff)
        diff.written = True
        revoke_trainings(run, diff)
    else:
        run.plan.drop_parts(parts)
    return diff


def compare_plans(run: RunFolder, recipe: Recipe, survey: Survey) -> PlanDiff:
    """Compute what `replan` would reuse and make, without writing anything.

    Raises:
        ConfigError: models were trained with other folds or groups.
    """
    recipe = completed(recipe, survey)
    check_regrouping(run, survey.source)
    pins = pinned(sorted(weight_references(recipe)))
    diff = PlanDiff(ExistingImages.of(run), Fingerprints(recipe, pins, survey.source, survey.backgrounds))
    sampler = _sampler(run, recipe, survey, _folds(run, recipe, survey))
    for start in range(0, len(survey.source), recipe.shard_size):
        batch = survey.source.slice(start, recipe.shard_size)
        diff.images(plan_rows(batch, recipe.scenarios, sampler, "").to_pylist(), batch.to_pylist())
    return diff


def completed(recipe: Recipe, survey: Survey) -> Recipe:
    """Return the recipe with what the survey decided: categories, the meaning of masks, backgrounds, the remover."""
    masks = recipe.masks if survey.annotations is None else changed(recipe.masks, annotations=survey.annotations)
    backgrounds = survey.bank or recipe.backgrounds
    remover = survey.remover or recipe.remover
    return changed(recipe, categories=survey.categories, masks=masks, backgrounds=backgrounds, remover=remover)


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
    for key in (*_FIXED, *(["remover"] if old.needs_removed else [])):
        if before[key] != after[key]:
            raise ConfigError(
                f"the run was planned with `{key}: {before[key]}`, the recipe has {after[key]}; use a new run, or "
                "`--replan` this one"
            )
    for name in old.scenarios.keys() & new.scenarios.keys():
        if (was := before["scenarios"][name]) != (now := after["scenarios"][name]):
            raise ConfigError(
                f"scenario {name!r} was planned as {was}, the recipe has {now}; write {_difference(was, now)} as "
                "planned, rename it, or `--replan` the run"
            )
    return {name: entry for name, entry in new.scenarios.items() if name not in old.scenarios}


def _difference(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the settings that differ as they were, as YAML."""
    before = {key: value for key, value in was.items() if key not in now or now[key] != value}
    return f"`{yaml.dump(before).strip()}`".replace("\n", ", ")


def _folds(run: RunFolder, recipe: Recipe, survey: Survey) -> dict[str, int]:
    return plan_folds(run, recipe, survey.usable, survey.groups) if recipe.training is not None else {}


def _sampler(run: RunFolder, recipe: Recipe, survey: Survey, folds: Mapping[str, int]) -> Sampler:
    own_folds = folds if folds and recipe.backgrounds.shows_objects else None
    removable = None
    if recipe.removes_donors:
        planned = pa.concat_tables([survey.known, survey.source])
        removable = removable_donors(survey.backgrounds, planned, recipe.masks, survey.left_out)
    groups = survey.groups if recipe.groups is not None and recipe.backgrounds.shows_objects else None
    pool = Pool(survey.backgrounds, own_folds, removable, partial=survey.first is not None, groups=groups)
    donors = Donors(pool, uniform=run.plan.uniform_donors)
    pa.default_memory_pool().release_unused()  # or what building the pool took would come on top of the plan's files
    return Sampler(recipe.seed, donors, {item.name: item for item in survey.categories})


def _commit(
    run: RunFolder,
    recipe: Recipe,
    survey: Survey,
    parts: list[str],
    pins: Mapping[str, str],
    folds: Mapping[str, int],
    diff: PlanDiff | None = None,
) -> None:
    """Commit written parts; everything that may refuse them comes before the first change."""
    pa.default_memory_pool().release_unused()  # or what the parts took would come on top of the background pool's file
    new = [part for part in parts if part not in run.plan.parts("plan")]
    inpaints = any(entry.scenario.inpaints for entry in recipe.scenarios.values())
    notes = [*survey.notes, *(_check_prompts(run, filter(run.plan.inpaints, new), recipe) if inpaints else ())]
    if len(survey.backgrounds):
        run.plan.write_table("backgrounds", survey.backgrounds)
    if folds:
        run.plan.write_table("folds", folds_table(folds, survey.usable))
    run.commit_plan(recipe, parts, notes, pins, survey.first, diff.changes if diff is not None else ())
    if survey.near_duplicates is not None:
        write_near_duplicates(run.uri, survey.near_duplicates, recipe)


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
