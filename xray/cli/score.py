"""The commands `xray score`, `xray report` and `xray realism`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from xray.cli.options import RunPath, Trust
from xray.cli.output import out
from xray.core.text import counted

if TYPE_CHECKING:
    from xray.runs.folder import RunFolder


def score(run: RunPath, trust: Trust = False) -> None:
    """Compute accuracies by model, scenario and category, drops, and S_robust, with intervals."""
    from xray.cli.summary import summary
    from xray.core.progress import step
    from xray.pipeline.score import score as score_run
    from xray.runs.folder import RunFolder

    folder = RunFolder.open(run, trust=trust)
    with step("computing scores and their intervals"):
        scores = score_run(folder)
        notes = list(_notes(folder))  # which may find damage: then no number is printed
    out.print(summary(scores), markup=False)
    for note in notes:
        out.print(f"note: {note}", markup=False)


def _notes(folder: RunFolder) -> Iterator[str]:
    """Yield what the numbers of a run do not show."""
    from xray.runs.groups import GROUPED_BY, shared_groups

    yield from unfinished(folder)
    if groups := shared_groups(folder.store.table("source", GROUPED_BY)):
        yield (
            f"{len(groups):,} photographs belong together in {counted(len(set(groups.values())), 'group')}, each of "
            "which counts as one photograph in intervals"
        )
    if folder.recipe.needs_masks and (caveat := folder.recipe.masks.refiner.caveat):
        yield caveat
    if (first := folder.plan.first) is not None:
        yield f"of the first {first:,} photographs of each category; plan without --first to add the others"


def unfinished(folder: RunFolder) -> Iterator[str]:
    """Yield which models have not seen all images, and how many trainings are not finished."""
    from xray.pipeline.score import unfinished_models
    from xray.runs.trials_table import trials_table

    for model, (seen, planned) in unfinished_models(folder).items():
        yield (
            f"{model} has seen {seen:,} of {counted(planned, 'image')}, and its numbers are of these; `xray generate` "
            "and `xray evaluate` add the others"
        )
    trials = trials_table(folder)
    if unfinished := int((trials["status"] != "done").sum()):
        yield (
            f"{unfinished:,} of {counted(len(trials), 'training')} are not finished, and no number depends on them; "
            "`xray sweep` finishes them"
        )


def report(run: RunPath, trust: Trust = False) -> None:
    """Write report.html: one file to look at, and to send to a colleague."""
    from xray.core.progress import step
    from xray.core.uri import location
    from xray.report import write_report
    from xray.runs.folder import RunFolder

    folder = RunFolder.open(run, trust=trust)
    with step("writing the report"):
        uri = write_report(folder)
    out.print(f"report: {location(uri)}", markup=False)


def realism(
    run: RunPath,
    inception: Annotated[str | None, typer.Option(help="Weights for FID and KID, such as inception-fid.")] = None,
    clip: Annotated[str | None, typer.Option(help="Weights for CLIPScore, such as clip-vit-l14.")] = None,
    lpips: Annotated[str | None, typer.Option(help="Weights for LPIPS, such as alexnet.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    trust: Trust = False,
) -> None:
    """Measure how realistic inpainted images are (FID, KID, CLIPScore, LPIPS), and how many the filter kept."""
    from xray.pipeline.realism import keep_rates
    from xray.pipeline.realism import realism as measure_realism
    from xray.runs.folder import RunFolder

    folder = RunFolder.open(run, trust=trust)
    out.print(keep_rates(folder).to_string(index=False), markup=False)
    table = measure_realism(folder, inception=inception, clip=clip, lpips=lpips, device=device)
    out.print(table.to_string(index=False))
