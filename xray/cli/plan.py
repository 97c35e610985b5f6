"""The command that plans."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from xray.cli.options import DryRun, RecipePath, RunPath
from xray.cli.output import out
from xray.core.errors import XrayError

if TYPE_CHECKING:
    from xray.pipeline.plan.replan import Carrying
    from xray.pipeline.plan.survey import Survey
    from xray.runs.recipe import Recipe
    from xray.runs.run import Run


def plan(
    recipe: RecipePath,
    run: RunPath,
    dry_run: DryRun = False,
    replan: Annotated[
        bool,
        typer.Option(
            "--replan",
            help="Plan all anew, as recipe and photographs are now; images that would come out the same are kept.",
        ),
    ] = False,
) -> None:
    """Write down every image that will be made. Run again with a larger recipe, it plans only what is missing.

    A recipe, photograph, mask, weight or library that has changed is refused; with --replan just the images are made
    again that it changes.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from xray.core.progress import Progress
    from xray.pipeline.plan.plan import survey, write_plan
    from xray.runs.recipe import load_recipe
    from xray.runs.run import Run

    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps half as much again of millions of rows
    wanted, opened = load_recipe(recipe), Run(run)
    if replan and not opened.planned:
        raise XrayError(f"there is nothing to replan: {opened.uri} has no plan yet")
    with Progress("look at photographs", None, "photographs") as progress:
        found = survey(wanted, None if replan else opened, progress.reach)
    for remark in found.remarks:
        out.print(f"note: {remark}", markup=False)
    if replan:
        _replan(opened, wanted, found, dry_run)
    elif dry_run:
        _would_plan(opened, wanted, found)
    else:
        total = None if len(found.known) else len(found.source)  # of the known ones all, or none
        with Progress("plan", total, "photographs") as progress:
            write_plan(opened, wanted, found, progress.advance)
        bad = pc.sum(pc.not_equal(found.source["status"], "ok")).as_py() or 0
        out.print(
            f"planned {opened.planned_rows():,} images of {len(found.source) + len(found.known):,} photographs "
            f"({bad:,} of the new ones cannot be used) in {len(opened.shards()):,} shards: {opened.uri}"
        )


def _would_plan(run: Run, recipe: Recipe, found: Survey) -> None:
    from xray.pipeline.plan.plan import added_scenarios

    before = run.recipe_object if run.planned else None
    scenarios = {**(before.scenarios if before else {}), **recipe.scenarios}
    added = added_scenarios(before, replace(recipe, categories=found.categories)) if before else {}
    total = 0
    for name, entry in scenarios.items():
        rows = (len(found.source) + len(found.known) * (name in added)) * entry.variants
        total += rows
        out.print(f"{rows:>10,}  {name}", markup=False)
    out.print(
        f"would plan {total:,} images: {len(found.source):,} new photographs of {len(found.categories)} "
        f"categories, {len(found.known):,} known ones in {len(added)} new scenarios; nothing written"
    )


def _replan(run: Run, recipe: Recipe, found: Survey, dry_run: bool) -> None:
    from xray.core.progress import Progress
    from xray.pipeline.plan.plan import compare_anew, write_plan_anew

    if dry_run:
        carrying = compare_anew(run, recipe, found)
    else:
        with Progress("plan", len(found.source), "photographs") as progress:
            carrying = write_plan_anew(run, recipe, found, progress.advance)
    _print_carrying(carrying)
    anew, kept, gone = (sum(counts.values()) for counts in (carrying.anew, carrying.carried, carrying.gone))
    told = f"{anew:,} images to make, {kept:,} kept as they are, {gone:,} no longer planned"
    if not carrying.written:
        out.print(f"{told}; nothing written: {run.uri}")
    else:
        out.print(f"replanned: {told}; xray generate {run.uri} goes on, xray verify --clean removes what was replaced")


def _print_carrying(carrying: Carrying) -> None:
    table = Table("scenario", "to make", "kept", "no longer planned", box=None, header_style="bold")
    for scenario in dict.fromkeys([*carrying.carried, *carrying.anew, *carrying.gone]):
        numbers = (counts[scenario] for counts in (carrying.anew, carrying.carried, carrying.gone))
        table.add_row(escape(scenario), *(f"{number:,}" for number in numbers))
    out.print(table)
