"""The command line: one command a verb."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from xray.cli import plan as planning
from xray.cli import verify as looking
from xray.cli.options import DryRun, RecipePath, RunPath, SeveralWords
from xray.cli.output import (
    out,
    print_failures,
    print_needs,
    print_outcome,
    print_planned,
    print_pools,
    print_reasons,
    print_trials,
)
from xray.cli.signals import ending_on_signals
from xray.cli.weights import app as weights_app
from xray.core.errors import Rejected, XrayError, extra

if TYPE_CHECKING:
    from xray.cluster.placement import PoolState

app = typer.Typer(
    name="xray",
    help="X-rays vision models: what a model looks at when it should look at the object.",
    epilog="From photos to a report: xray init PHOTOS, then xray pipeline recipe.yaml runs/mine",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DEFAULT_FACTORS = ["model", "scenario", "category"]
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
    from xray.cli.init import CHECK, starter_recipe

    if output.exists():
        raise XrayError(f"{str(output)!r} is there already; remove it, or name another by --output")
    text = starter_recipe(photos, masks)
    output.write_text(text)
    if doubtful := text.count(CHECK):
        out.print(f"{doubtful} folders are called as no ImageNet class: see the lines marked {CHECK!r} in {output}")
    out.print(f"wrote {output}; next: xray pipeline {output} runs/{photos.resolve().name}")


app.command()(planning.plan)


@app.command()
def mask(run: RunPath, bad_rows: BadRows = None) -> None:
    """Make the masks of all photographs; `generate` does so by itself. Look at them before worlds are painted."""
    from xray.pipeline.generate.masks import mask as verb
    from xray.runs.run import Run

    opened = Run.open(run)
    pools: dict[str, PoolState] = {}
    counts = verb(opened, bad_rows=bad_rows, watch=pools.update)
    print_reasons("photographs", counts)
    print_pools(pools)
    out.print(f"{sum(counts.values()):,} masks: {opened.uri}")


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
    from xray.core.progress import readable_bytes
    from xray.pipeline.generate.estimate import forecast
    from xray.pipeline.generate.generate import generate as verb
    from xray.pipeline.generate.retry import images_to_remake
    from xray.runs.counts import Progressed
    from xray.runs.receipts import GENERATE
    from xray.runs.run import Run

    run = Run.open(uri)
    again = images_to_remake(run)
    made = Progressed.of(receipt for receipt in run.receipts(GENERATE) if receipt.shard not in again)
    rest = run.planned_rows() - made.rows
    if dry_run or rest:
        more = f" ({len(again):,} shards again: a file could not be read, and now can)" if again else ""
        out.print(f"{run.planned_rows():,} images planned, {made.rows:,} done, {rest:,} to do{more}")
    if dry_run:
        print_planned(run, made.counts)
        print_needs(forecast(run), run.recipe_object.pools.price_per_gpu_hour)
        return
    pools: dict[str, PoolState] = {}
    finished = verb(run, bad_rows=bad_rows, workers=workers, watch=pools.update)
    print_outcome("images", finished)
    print_pools(pools)
    out.print(f"{finished.rows:,} images, {readable_bytes(finished.bytes)}: {run.uri}")


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
    from xray.models.names import models_by_name
    from xray.pipeline.evaluate import evaluate as verb
    from xray.runs.run import Run

    run = Run.open(uri)
    models = models_by_name(chosen) if chosen else run.recipe_object.models
    told = verb.evaluate(run, models, from_plan=from_plan, bad_rows=bad_rows, actors=actors, gpus=gpus)
    for name, finished in told.items():
        out.print(f"{name}: {finished.ok:,} predictions", markup=False)
        if from_plan:
            print_outcome("images", finished)


@app.command(cls=SeveralWords)
def sweep(
    run: RunPath,
    dry_run: DryRun = False,
    models: Annotated[list[str] | None, typer.Option(help="Only these models of the recipe, by name.")] = None,
    within: Annotated[list[str] | None, typer.Option(help="Only these training scenarios.")] = None,
    folds: Annotated[list[int] | None, typer.Option(min=0, help="Only these folds, from 0.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew what was begun, not what is done.")] = False,
) -> None:
    """Train models within scenarios, fold by fold, and test them: both halves of S_robust.

    What is trained, and how, stands under `training:` in the recipe. Run again after any interruption, it goes on:
    what is done stays, what was begun continues from its last checkpoint, what failed is tried again.
    """
    _sweep(run, dry_run, models, within, folds, restart)


def _sweep(
    uri: str,
    dry_run: bool = False,
    models: list[str] | None = None,
    within: list[str] | None = None,
    folds: list[int] | None = None,
    restart: bool = False,
) -> None:
    from xray.core.progress import readable_time
    from xray.runs.run import Run

    with extra("train"):
        from xray.pipeline.train import sweep as verb

    run = Run.open(uri)
    wanted, missing = verb.planned(run, models, within, folds)
    done = len(wanted) - len(missing)
    out.print(
        f"{len(wanted):,} trials, {done:,} done, {len(missing):,} to do of up to {wanted[0].training.epochs} epochs"
    )
    if dry_run:
        print_trials(wanted, missing)
        seconds = verb.expected_seconds(run, missing)
        told = "no trial was done yet" if seconds is None else f"{readable_time(seconds)} of one worker, as those done"
        out.print(f"expected: {told if missing else 'nothing'}; nothing trained")
        return
    swept = verb.sweep(run, models=models, within=within, folds=folds, restart=restart)
    print_failures(swept)
    total, failed = len(swept.trials), len(swept.failed)
    out.print(f"{total - failed:,} of {total:,} trials done, {failed:,} failed: {run.uri}")
    if swept.failed:
        raise typer.Exit(1)


@app.command()
def score(run: RunPath) -> None:
    """Accuracy by model, scenario and category, what is dropped, and S_robust, with intervals."""
    _score(run)


def _score(uri: str) -> None:
    from xray.cli.summary import summary
    from xray.pipeline.score import score as verb
    from xray.runs.run import Run

    out.print(summary(verb(Run.open(uri))), markup=False)


@app.command()
def report(run: RunPath) -> None:
    """Write report.html: one file to look at, and to send to a colleague."""
    _report(run)


def _report(uri: str) -> None:
    from xray.core.uri import local_path
    from xray.report import write_report
    from xray.runs.run import Run

    written = write_report(Run.open(uri))
    out.print(f"report: {local_path(written) or written}", markup=False)


@app.command(cls=SeveralWords)
def regress(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="CSV, TSV (also .gz) or Parquet, by path or URI.")],
    response: Annotated[str, typer.Option(help="Column that is explained.")] = "accuracy",
    factors: Annotated[list[str], typer.Option(help="Columns that explain it; several words.")] = DEFAULT_FACTORS,
    reference: Annotated[
        list[str] | None, typer.Option(metavar="FACTOR=LEVEL", help="What the other levels are compared with.")
    ] = None,
    interactions: Annotated[list[str] | None, typer.Option(metavar="A:B", help="Pairs of factors.")] = None,
    weights: Annotated[str | None, typer.Option(help="Column of weights, above 0.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Column of what makes rows alike, such as image_id.")] = None,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    unit: Annotated[
        str, typer.Option(help="The response is a fraction (0 to 1), in percent, or any number.")
    ] = "fraction",
    missing: Annotated[str, typer.Option(help="Rows with empty cells: error, or drop.")] = "error",
    glm: Annotated[
        bool, typer.Option("--glm", help="Beside it a binomial regression, of two columns of counts.")
    ] = False,
    correct: Annotated[str, typer.Option(help="For --glm: column of right answers.")] = "correct",
    n: Annotated[str, typer.Option("--n", help="For --glm: column of all answers.")] = "n",
    folder: Annotated[str | None, typer.Option("--out", metavar="DIR", help="Where tables and figures go.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files in DIR that are not of xray regress.")] = False,
) -> None:
    """Multiple linear regression of any table of accuracies, as GraphPad Prism prints it, and what stands beside it."""
    from xray.pipeline.regress import references
    from xray.pipeline.regress import regress as verb
    from xray.report.regression import files, write

    fitted, beside = verb(
        table, response, factors, references(reference or [], factors),
        interactions=[pair.split(":") for pair in interactions or []], weights=weights, cluster=cluster,
        confidence=confidence, unit=unit, missing=missing, counts=(correct, n) if glm else None,
    )  # fmt: skip
    out.print(str(fitted), markup=False)
    for note in beside.notes if beside else ():
        out.print(f"note on the binomial regression: {note}", markup=False)
    if folder is None:
        out.print("\nnothing written: --out DIR keeps tables, figures and this reading")
        return
    made = files(fitted, cluster, beside)
    write(made, folder, force)
    out.print(f"\n{len(made)} files in {folder}; reading.md is the first to read", markup=False)


@app.command()
def realism(
    run: RunPath,
    inception: Annotated[str | None, typer.Option(help="Weights for FID and KID, such as inception-fid.")] = None,
    clip: Annotated[str | None, typer.Option(help="Weights for CLIPScore, such as clip-vit-l14.")] = None,
    lpips: Annotated[str | None, typer.Option(help="Weights for LPIPS, such as alexnet.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """How real painted worlds look (FID, KID, CLIPScore, LPIPS), and how many the filter kept."""
    from xray.pipeline.realism import keep_rates
    from xray.pipeline.realism import realism as verb
    from xray.runs.run import Run

    opened = Run.open(run)
    out.print(keep_rates(opened).to_string(index=False), markup=False)
    out.print(verb(opened, inception=inception, clip=clip, lpips=lpips, device=device).to_string(index=False))


@app.command()
def pipeline(recipe: RecipePath, run: RunPath, bad_rows: BadRows = None) -> None:
    """All of it: plan, generate, evaluate, sweep, score, report. Run again after any interruption, it goes on."""
    from xray.runs.run import Run

    with extra("ray"):
        from xray.cluster.session import connected

    planning.plan(recipe, run)
    with connected():
        _generate(run, False, bad_rows)
        _evaluate(run, None)
        if Run.open(run).recipe_object.training is not None:
            _sweep(run)
    _score(run)
    _report(run)


@app.command("list")
def list_plugins(
    what: Annotated[str, typer.Argument(help="scenarios, sources, masks, backgrounds, painters, models or categories")],
) -> None:
    """What there is to choose from."""
    from xray.cli.list import choices

    table = Table(box=None, show_header=False)
    for name, summary in choices(what):
        table.add_row(name, summary)
    out.print(table)


app.command()(looking.status)
app.command()(looking.verify)
app.add_typer(weights_app, name="weights")


def main() -> None:
    """Run the command line; what the user can mend is one line and exit code 2, without a traceback.

    SIGINT ends it with 130, SIGTERM with 143.
    """
    logging.basicConfig(format="%(message)s")
    logging.getLogger("xray").setLevel(logging.INFO)
    try:
        with ending_on_signals():
            app()
    except (XrayError, Rejected) as error:
        print(f"xray: {error}", file=sys.stderr)
        raise SystemExit(2) from error
