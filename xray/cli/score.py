"""The commands `xray score`, `xray report` and `xray realism`."""

from __future__ import annotations

from typing import Annotated

import typer

from xray.cli.options import RunPath
from xray.cli.output import out


def score(run: RunPath) -> None:
    """Compute accuracies by model, scenario and category, drops, and S_robust, with intervals."""
    from xray.cli.summary import summary
    from xray.core.progress import step
    from xray.pipeline.score import score as score_run
    from xray.runs.folder import RunFolder

    folder = RunFolder.open(run)
    with step("computing scores and their intervals"):
        scores = score_run(folder)
    out.print(summary(scores), markup=False)
    if folder.recipe.needs_masks and (caveat := folder.recipe.masks.refiner.caveat):
        out.print(f"note: {caveat}", markup=False)
    if (first := folder.plan.first) is not None:
        out.print(f"note: of the first {first:,} photographs of each category; plan without --first to add the others")


def report(run: RunPath) -> None:
    """Write report.html: one file to look at, and to send to a colleague."""
    from xray.core.progress import step
    from xray.core.uri import location
    from xray.report import write_report
    from xray.runs.folder import RunFolder

    folder = RunFolder.open(run)
    with step("writing the report"):
        uri = write_report(folder)
    out.print(f"report: {location(uri)}", markup=False)


def realism(
    run: RunPath,
    inception: Annotated[str | None, typer.Option(help="Weights for FID and KID, such as inception-fid.")] = None,
    clip: Annotated[str | None, typer.Option(help="Weights for CLIPScore, such as clip-vit-l14.")] = None,
    lpips: Annotated[str | None, typer.Option(help="Weights for LPIPS, such as alexnet.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Measure how realistic inpainted images are (FID, KID, CLIPScore, LPIPS), and how many the filter kept."""
    from xray.pipeline.realism import keep_rates
    from xray.pipeline.realism import realism as measure_realism
    from xray.runs.folder import RunFolder

    folder = RunFolder.open(run)
    out.print(keep_rates(folder).to_string(index=False), markup=False)
    table = measure_realism(folder, inception=inception, clip=clip, lpips=lpips, device=device)
    out.print(table.to_string(index=False))
