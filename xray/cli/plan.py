"""The command `xray plan`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xray.cli.options import DryRun, First, RecipePath, RunPath
from xray.cli.output import out, print_masks_page, print_table
from xray.cli.understood import print_understood
from xray.core.errors import ConfigError
from xray.core.text import counted

if TYPE_CHECKING:
    from xray.pipeline.plan.survey import Survey
    from xray.runs.folder import RunFolder
    from xray.runs.recipe import Recipe
    from xray.runs.training import Training


def plan(
    recipe: RecipePath,
    run: RunPath,
    dry_run: DryRun = False,
    replan: Annotated[
        bool,
        typer.Option(
            "--replan",
            help="Plan everything from the current recipe and photographs, reusing images that would not change.",
        ),
    ] = False,
    first: First = None,
) -> None:
    """Write down every image to be made. With a larger recipe, the same command plans only what is missing.

    A changed recipe, photograph, mask, weight or library is refused; with --replan just the images that it affects are
    made again.
    """
    import pyarrow as pa

    from xray.core.progress import Progress
    from xray.core.uri import location
    from xray.pipeline.plan.first import first_of_each
    from xray.pipeline.plan.plan import write_plan
    from xray.pipeline.plan.survey import survey
    from xray.runs.folder import RunFolder
    from xray.runs.recipe import load_recipe, recipe_values
    from xray.runs.store import WORKS

    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own pool keeps half as much again of millions of rows
    new, folder = load_recipe(recipe), RunFolder(run, trust=True)
    if replan and not folder.plan.exists:
        raise ConfigError(f"{location(folder.uri)} has no plan yet: run without --replan")
    if folder.plan.exists and not dry_run:
        with folder.locked(*(WORKS if replan else ("images",))):
            pass  # while others work, refuse before all photographs are looked at
    with Progress("scan photographs", None, "photographs") as progress:
        inputs = survey(new, None if replan else folder, progress.reach)
    if first is not None:
        inputs = first_of_each(inputs, first)
    for note in inputs.notes:
        out.print(f"note: {note}", markup=False)
    print_understood(inputs, annotated=inputs.annotations is not None and inputs.annotations.separate)
    if replan:
        _replan(folder, new, inputs, dry_run)
    elif dry_run:
        _print_expected(folder, new, inputs)
        if new.training is not None and first is None:
            _print_trials(new.training, recipe_values(new))
    else:
        total = None if len(inputs.known) else len(inputs.source)  # known ones count only for new scenarios
        with Progress("plan", total, "photographs") as progress:
            write_plan(folder, new, inputs, progress.advance)
        _print_planned(folder, inputs)
    if inputs.review is not None and not dry_run:
        print_masks_page(folder, None if folder.store.masked() else inputs.review)


def _print_planned(run: RunFolder, inputs: Survey) -> None:
    import pyarrow.compute as pc

    from xray.core.uri import location

    bad = pc.sum(pc.not_equal(inputs.source["status"], "ok")).as_py() or 0
    photographs, shards = len(inputs.source) + len(inputs.known), len(run.plan.shards())
    out.print(
        f"planned {counted(run.plan.planned_rows(), 'image')} of {counted(photographs, 'photograph')}"
        f"{f' ({bad:,} of the new ones cannot be used)' if bad else ''} in {shards:,} shard{'s' * (shards != 1)}: "
        f"{location(run.uri)}",
        markup=False,
    )
    if run.recipe.training is not None and run.plan.first is None:
        _print_trials(run.recipe.training, run.recipe_values)


def _print_trials(training: Training, values: Mapping[str, Any]) -> None:
    from xray.runs.folds import number_of_folds
    from xray.runs.trial import list_trials

    trials = list_trials(training, values)
    scenarios = len({trial.scenario for trial in trials})
    factors = [counted(len(training.models), "model"), counted(scenarios, "scenario")]
    factors += [counted(number_of_folds(training), "fold")] if training.folds else []
    factors += [counted(training.repeats, "repeat")] if training.repeats > 1 else []
    out.print(f"{counted(len(trials), 'training')}: {' × '.join(factors)}")


def _print_expected(run: RunFolder, recipe: Recipe, inputs: Survey) -> None:
    from xray.pipeline.plan.plan import added_scenarios, completed

    before = run.recipe if run.plan.exists else None
    scenarios = {**(before.scenarios if before else {}), **recipe.scenarios}
    added = added_scenarios(before, completed(recipe, inputs)) if before else {}
    total = 0
    for name, entry in scenarios.items():
        rows = (len(inputs.source) + len(inputs.known) * (name in added)) * entry.variants
        total += rows
        out.print(f"{rows:>10,}  {name}", markup=False)
    out.print(
        f"would plan {total:,} images: {len(inputs.source):,} new photographs of {len(inputs.categories)} categories, "
        f"{len(inputs.known):,} known ones in {len(added)} new scenarios; nothing written"
    )


def _replan(run: RunFolder, recipe: Recipe, inputs: Survey, dry_run: bool) -> None:
    from xray.core.progress import Progress
    from xray.core.uri import location
    from xray.pipeline.plan.plan import compare_plans, replan

    if dry_run:
        diff = compare_plans(run, recipe, inputs)
    else:
        with Progress("plan", len(inputs.source), "photographs") as progress:
            diff = replan(run, recipe, inputs, progress.advance)
    counts = (diff.missing, diff.reused, diff.removed)
    scenarios = dict.fromkeys([*diff.reused, *diff.missing, *diff.removed])
    rows = [(scenario, *(f"{count[scenario]:,}" for count in counts)) for scenario in scenarios]
    print_table(("scenario", "to make", "reused", "no longer planned"), rows)
    missing, reused, removed = (sum(count.values()) for count in counts)
    summary = f"{missing:,} images to make, {reused:,} reused, {removed:,} no longer planned"
    if not diff.written:
        out.print(f"{summary}; nothing written: {location(run.uri)}", markup=False)
    else:
        out.print(
            f"replanned: {summary}; run `xray generate {shlex.quote(location(run.uri))}` next, then `xray verify` with "
            "--clean to remove stale files",
            markup=False,
        )
