"""The command line: one command a verb."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from xray.errors import Rejected, XrayError, extra

app = typer.Typer(
    name="xray",
    help="X-rays vision models: what a model looks at when it should look at the object.",
    epilog="From photos to a report: xray init PHOTOS, then xray pipeline recipe.yaml runs/mine",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console(soft_wrap=True, highlight=False)

RecipePath = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe: a YAML file, by path or URI.")]
RunPath = Annotated[str, typer.Argument(metavar="RUN", help="The run's folder, by path or URI (s3://, gs://).")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, how much and how long; do nothing.")]
BadRows = Annotated[
    float | None, typer.Option(min=0, max=1, help="Share of bad rows at which the run stops, for example 0.05.")
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", help="A model such as timm:resnet50; may be repeated. Default: the recipe's."),
]


@app.command()
def init(
    photos: Annotated[Path, typer.Argument(help="A folder of photographs, a folder of it for each category.")],
    masks: Annotated[Path | None, typer.Option(help="A folder of PNG masks laid out alike.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the recipe.")] = Path("recipe.yaml"),
) -> None:
    """Write a recipe for your own folder of photographs, to be read and changed."""
    from xray.init import CHECK, starter_recipe

    if output.exists():
        raise XrayError(f"{str(output)!r} is there already; remove it, or name another by --output")
    text = starter_recipe(photos, masks)
    output.write_text(text)
    if doubtful := text.count(CHECK):
        out.print(f"{doubtful} folders are called as no ImageNet class: see the lines marked {CHECK!r} in {output}")
    out.print(f"wrote {output}; next: xray pipeline {output} runs/{photos.resolve().name}")


@app.command()
def plan(recipe: RecipePath, run: RunPath, dry_run: DryRun = False) -> None:
    """Write down every image that will be made. Run again with a larger recipe, it plans only what is missing."""
    _plan(recipe, run, dry_run)


def _plan(location: str, uri: str, dry_run: bool) -> None:
    from xray.plan import added_scenarios, survey, write_plan
    from xray.progress import Progress
    from xray.recipe import load_recipe
    from xray.run import Run

    recipe, run = load_recipe(location), Run(uri)
    with Progress("look at photographs", None, "photographs") as progress:
        found = survey(recipe, run, progress.reach)
    for remark in found.remarks:
        out.print(f"note: {remark}", markup=False)
    if dry_run:
        before = run.recipe_object if run.planned else None
        scenarios = {**(before.scenarios if before else {}), **recipe.scenarios}
        resolved = replace(recipe, categories=found.categories)
        added = added_scenarios(before, resolved) if before else {}
        total = 0
        for name, entry in scenarios.items():
            rows = (len(found.source) + len(found.known) * (name in added)) * entry.variants
            total += rows
            out.print(f"{rows:>10,}  {name}", markup=False)
        out.print(
            f"would plan {total:,} images: {len(found.source):,} new photographs of {len(found.categories)} "
            f"categories, {len(found.known):,} known ones in {len(added)} new scenarios; nothing written"
        )
        return
    write_plan(run, recipe, found)
    bad = [row for row in found.source.select(["status", "reason"]).to_pylist() if row["status"] != "ok"]
    out.print(
        f"planned {run.planned_rows():,} images of {len(found.source) + len(found.known):,} photographs "
        f"({len(bad):,} of the new ones cannot be used) in {len(run.shards()):,} shards: {run.uri}"
    )


@app.command()
def generate(
    run: RunPath,
    dry_run: DryRun = False,
    bad_rows: BadRows = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Shards made at a time. Default: one a CPU.")] = None,
) -> None:
    """Make all planned images that are not there yet; run again after any interruption, it goes on."""
    _generate(run, dry_run, bad_rows, workers)


def _generate(uri: str, dry_run: bool, bad_rows: float | None, workers: int | None = None) -> None:
    from xray import generate as verb
    from xray.progress import readable_bytes, readable_time
    from xray.render import Renderer
    from xray.run import Run
    from xray.store import GENERATE

    run = Run.open(uri)
    done = run.done(GENERATE) - set(verb.unfinished(run))
    todo = [shard for shard in run.shards() if shard not in done]
    if dry_run or todo:
        made = verb.Progressed.of(run.receipts(GENERATE))
        rest = run.planned_rows() - made.rows
        out.print(f"{run.planned_rows():,} images planned, {made.rows:,} done, {rest:,} to do")
    if dry_run:
        _planned_by_scenario(run, made.counts)
        if todo:
            expected = verb.estimate(Renderer(run.recipe_object), run.shard(todo[0]), rest)
            cores = os.cpu_count() or 1
            out.print(
                f"expected: {readable_bytes(expected.bytes)}, {readable_time(expected.seconds)} of one core, "
                f"{readable_time(expected.seconds / cores)} on this machine's {cores} "
                "(measured just now on three photographs)"
            )
        return
    finished = verb.generate(run, bad_rows=bad_rows, workers=workers)
    _outcome("images", finished)
    out.print(f"{finished.rows:,} images, {readable_bytes(finished.bytes)}: {run.uri}")


def _planned_by_scenario(run: object, made: Mapping[str, Mapping[str, int]]) -> None:
    from xray.run import Run

    assert isinstance(run, Run)
    planned = run.table("plan", ["scenario"]).column("scenario").value_counts().to_pylist()
    table = Table("scenario", "planned", "done", box=None, header_style="bold")
    for count in planned:
        done = sum(made.get(count["values"], {}).values())
        table.add_row(count["values"], f"{count['counts']:,}", f"{done:,}")
    out.print(table)


def _outcome(what: str, finished: object) -> None:
    """Counts by status and, where there are any, the reasons."""
    from xray.generate import Progressed
    from xray.schema import REASONS

    assert isinstance(finished, Progressed)
    table = Table("status", "reason", what, "meaning", box=None, header_style="bold")
    total: dict[str, int] = {}
    for counter in finished.counts.values():
        for key, n in counter.items():
            total[key] = total.get(key, 0) + n
    for key, n in sorted(total.items(), key=lambda item: (-item[1], item[0])):
        status, _, reason = key.partition(" ")
        table.add_row(status, reason, f"{n:,}", "; ".join(REASONS.get(code, code) for code in reason.split()))
    out.print(table)


@app.command()
def evaluate(
    run: RunPath,
    model: Models = None,
    from_plan: Annotated[bool, typer.Option("--from-plan", help="Render anew; store predictions only.")] = False,
    bad_rows: BadRows = None,
    actors: Annotated[int | None, typer.Option(min=1, help="Processes that each hold all models.")] = None,
    gpus: Annotated[float | None, typer.Option(min=0, help="Share of a GPU for each of them.")] = None,
) -> None:
    """Ask models what they see in every image; several models share each image's decoding."""
    _evaluate(run, model, from_plan, bad_rows, actors, gpus)


def _evaluate(
    uri: str,
    chosen: list[str] | None,
    from_plan: bool = False,
    bad_rows: float | None = None,
    actors: int | None = None,
    gpus: float | None = None,
) -> None:
    from xray import evaluate as verb
    from xray.recipe import models_by_name
    from xray.run import Run

    run = Run.open(uri)
    models = models_by_name(chosen) if chosen else run.recipe_object.models
    told = verb.evaluate(run, models, from_plan=from_plan, bad_rows=bad_rows, actors=actors, gpus=gpus)
    for name, finished in told.items():
        out.print(f"{name}: {finished.ok:,} predictions", markup=False)
        if from_plan:
            _outcome("images", finished)


@app.command()
def score(run: RunPath) -> None:
    """Accuracy by model, scenario and category, and what is dropped, with intervals."""
    _score(run)


def _score(uri: str) -> None:
    from xray.run import Run
    from xray.score import score as verb
    from xray.score import summary

    out.print(summary(verb(Run.open(uri))), markup=False)


@app.command()
def report(run: RunPath) -> None:
    """Write report.html: one file to look at, and to send to a colleague."""
    _report(run)


def _report(uri: str) -> None:
    from xray.files import local_path
    from xray.report import write_report
    from xray.run import Run

    written = write_report(Run.open(uri))
    out.print(f"report: {local_path(written) or written}", markup=False)


@app.command()
def pipeline(recipe: RecipePath, run: RunPath, bad_rows: BadRows = None) -> None:
    """All of it: plan, generate, evaluate, score, report. Run again after any interruption, it goes on."""
    with extra("ray"):
        from xray.cluster import connected

    _plan(recipe, run, dry_run=False)
    with connected():
        _generate(run, False, bad_rows)
        _evaluate(run, None)
    _score(run)
    _report(run)


@app.command("list")
def list_plugins(
    what: Annotated[str, typer.Argument(help="scenarios, sources, masks, backgrounds, models or categories")],
) -> None:
    """What there is to choose from."""
    from xray.choices import choices

    table = Table(box=None, show_header=False)
    for name, summary in choices(what):
        table.add_row(name, summary)
    out.print(table)


def main() -> None:
    """Run the command line; what the user can mend is one line and exit code 2, without a traceback."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("xray").setLevel(logging.INFO)
    try:
        app()
    except (XrayError, Rejected) as error:
        print(f"xray: {error}", file=sys.stderr)
        sys.exit(2)
