"""The plan: every photograph looked at once, every image that will be made written down beforehand.

All that is random is decided here, by a hash of (run seed, image_id, scenario, variant): neither the order of rows nor
the number of workers can change an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pyarrow as pa

from xray.core import schema
from xray.core.errors import XrayError
from xray.models.weights import pinned
from xray.pipeline.plan.donors import Donors, Draw
from xray.pipeline.plan.replan import Carrying, Earlier, Fingerprints, take_back_trainings
from xray.pipeline.plan.rows import plan_rows, sample_id
from xray.pipeline.plan.survey import Survey, image_id, references, survey, usable
from xray.pipeline.plan.upload import gathered
from xray.pipeline.plan.writer import Tick, Writing, untold
from xray.runs.folds import assign
from xray.runs.lock import alone
from xray.runs.recipe import Recipe, ScenarioEntry, recipe_values
from xray.runs.run import Run

__all__ = ["Survey", "added_scenarios", "image_id", "plan_rows", "sample_id", "survey", "write_plan", "write_plan_anew"]


@alone("images")
def write_plan(run: Run, recipe: Recipe, found: Survey, tick: Tick = untold) -> None:
    """Write down what is not planned yet: new photographs in all scenarios, known ones in new scenarios.

    Args:
        run: that the plan is of.
        recipe: what is wanted.
        found: by `xray.pipeline.plan.survey.survey` for this run.
        tick: called with the number of photographs that were just planned, known ones for new scenarios, too.

    Raises:
        XrayError: the recipe contradicts what the run has planned already.
    """
    if sum(run.rows_by_unit().values()) != len(found.known):
        raise XrayError(f"{run.uri} was planned by somebody else while photographs were looked at; plan again")
    found, recipe = gathered(run, recipe, found), replace(recipe, categories=found.categories)
    added: Mapping[str, ScenarioEntry] = {}
    pins: dict[str, str] = {}
    if run.planned:
        added = added_scenarios(run.recipe_object, recipe)
        recipe = replace(recipe, scenarios={**run.recipe_object.scenarios, **recipe.scenarios})
        pins = run.record()["weights"]
    pins |= pinned(sorted(references(recipe) - pins.keys()))
    _commit(run, recipe, found, _write_missing(run, recipe, found, added, tick), pins)


def _write_missing(
    run: Run, recipe: Recipe, found: Survey, added: Mapping[str, ScenarioEntry], tick: Tick
) -> list[str]:
    """All parts of the plan, after those that were missing were written."""
    writing = Writing(run, _draw(recipe, found), tick)
    parts = run.parts("plan")
    for old in run.parts("source") if added else ():
        parts += writing.scenarios(parts, old, added)
    if len(found.source):
        parts += writing.photographs(parts, found.source, recipe)
    return parts


@alone("images")
def write_plan_anew(run: Run, recipe: Recipe, found: Survey, tick: Tick = untold) -> Carrying:
    """Plan all of it as recipe and photographs are now; an image that would come out the same is carried over.

    The files of the earlier plan stay until everything is made: `xray verify --clean` removes them then. Trainings
    within scenarios, or tests of them, in which an image has changed, come or gone are taken back.

    Args:
        run: with a plan.
        recipe: what is wanted; nothing of the earlier recipe is kept.
        found: by `xray.pipeline.plan.survey.survey` without a run.
        tick: called with the number of photographs that were just planned.

    Returns:
        What is carried over, and what is to be made; whether anything was written.

    Raises:
        XrayError: painters refuse a prompt, or models were trained in other folds; the plan before stays.
    """
    found, recipe = gathered(run, recipe, found), replace(recipe, categories=found.categories)
    pins = pinned(sorted(references(recipe)))
    carrying = Carrying(Earlier.of(run), Fingerprints(recipe, pins))
    writing = Writing(run, _draw(recipe, found), tick, carrying)
    parts = writing.photographs([], carrying.photographs(found.source), recipe)
    if carrying.changes or recipe_values(recipe) != run.recipe:
        _commit(run, recipe, found, parts, pins, carrying)
        carrying.written = True
    else:
        run.drop_parts(parts)
    return carrying


def compare_anew(run: Run, recipe: Recipe, found: Survey) -> Carrying:
    """What `write_plan_anew` would carry over and make; nothing is written."""
    recipe = replace(recipe, categories=found.categories)
    carrying = Carrying(Earlier.of(run), Fingerprints(recipe, pinned(sorted(references(recipe)))))
    draw = _draw(recipe, found)
    for start in range(0, len(found.source), recipe.shard_size):
        some = found.source.slice(start, recipe.shard_size)
        carrying.images(plan_rows(some, recipe.scenarios, draw, "").to_pylist(), some.to_pylist())
    return carrying


def _draw(recipe: Recipe, found: Survey) -> Draw:
    return Draw(recipe.seed, Donors(found.backgrounds), {item.name: item for item in found.categories})


def _commit(
    run: Run,
    recipe: Recipe,
    found: Survey,
    parts: list[str],
    pins: Mapping[str, str],
    carrying: Carrying | None = None,
) -> None:
    """Write down what parts rest on, and let them count; what may be refused is, before anything changes."""
    new = [part for part in parts if part not in run.parts("plan")]
    paints = any(entry.scenario.paints for entry in recipe.scenarios.values())
    remarks = [*found.remarks, *(_check_prompts(run, filter(run.has_prompts, new), recipe) if paints else ())]
    folds = _folds(run, recipe, found) if recipe.training is not None else None
    if carrying is not None:
        take_back_trainings(run, carrying)
    if len(found.backgrounds):
        run.write_table("backgrounds", found.backgrounds)
    if folds is not None:
        run.write_table("folds", folds)
    run.write_recipe(recipe, parts, remarks, pins)


def _folds(run: Run, recipe: Recipe, found: Survey) -> pa.Table:
    """In which fold each usable photograph is tested; once a model was trained, no photograph changes its fold."""
    assert recipe.training is not None
    categories = usable([found.known, found.source])
    earlier = run.recipe_object.training if run.planned else None
    same = earlier is not None and (earlier.folds, earlier.holdout) == (recipe.training.folds, recipe.training.holdout)
    if earlier is not None and not same and run.trained():
        said = (
            "models were trained with `folds: {0.folds}, holdout: {0.holdout}`, the recipe says {1.folds}, {1.holdout}"
        )
        raise XrayError(f"{said.format(earlier, recipe.training)}; use a new run")
    table = run.table("folds").to_pylist() if same else []
    before = {row["image_id"]: row["fold"] for row in table if row["image_id"] in categories}
    folds = assign(categories, recipe.training, recipe.seed, before)
    told = [{"image_id": image, "category": categories[image], "fold": fold} for image, fold in folds.items()]
    return pa.Table.from_pylist(told, schema=schema.FOLDS)


def _check_prompts(run: Run, parts: Iterable[str], recipe: Recipe) -> list[str]:
    """Let painters refuse what they are planned to paint, before anything is committed."""
    prompts: dict[str, set[str]] = {}
    for part in parts:
        with run.open_part("plan", part) as file:
            pairs = file.read(["scenario", "prompt"]).group_by(["scenario", "prompt"]).aggregate([])
        for scenario, prompt in zip(*(column.to_pylist() for column in pairs.columns), strict=True):
            if prompt is not None:
                prompts.setdefault(scenario, set()).add(prompt)
    remarks = []
    for scenario, texts in prompts.items():
        painter = recipe.scenarios[scenario].scenario.painter
        remarks += painter.check(sorted(texts))
    return list(dict.fromkeys(remarks))


def added_scenarios(old: Recipe, new: Recipe) -> dict[str, ScenarioEntry]:
    """The scenarios that only the new recipe has.

    Raises:
        XrayError: the new recipe contradicts the old one.
    """
    before, after = recipe_values(old), recipe_values(new)
    for key in ("seed", "categories", "source", "masks", "backgrounds", "filter", "images", "limits", "shard_size"):
        if before[key] != after[key]:
            said = f"the run was planned with `{key}: {before[key]}`, the recipe says {after[key]}"
            raise XrayError(f"{said}; use a new run, or `--replan` this one")
    for name in old.scenarios.keys() & new.scenarios.keys():
        if (was := before["scenarios"][name]) != (now := after["scenarios"][name]):
            raise XrayError(
                f"scenario {name!r} was planned as {was}, the recipe says {now}; give it another name, or `--replan`"
            )
    return {name: entry for name, entry in new.scenarios.items() if name not in old.scenarios}
