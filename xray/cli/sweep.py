"""The command `xray sweep`."""

from __future__ import annotations

from typing import Annotated

import typer

from xray.cli.options import DryRun, RunPath
from xray.cli.output import out, print_failures, print_trials
from xray.core.errors import extra


def sweep(
    run: RunPath,
    dry_run: DryRun = False,
    models: Annotated[list[str] | None, typer.Option(help="Only these models of the recipe, by name.")] = None,
    within: Annotated[list[str] | None, typer.Option(help="Only these training scenarios.")] = None,
    folds: Annotated[list[int] | None, typer.Option(min=0, help="Only these folds, from 0.")] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Restart unfinished trainings instead of resuming them.")
    ] = False,
) -> None:
    """Train models within scenarios, fold by fold, and test them: both halves of S_robust.

    `training:` in the recipe has the models and settings. Interrupted sweeps resume with the same command: finished
    trainings stay, unfinished ones continue from their last checkpoint, failed ones are tried again.
    """
    from xray.core.progress import readable_time
    from xray.core.uri import location
    from xray.runs.folder import RunFolder

    with extra("train"):
        from xray.pipeline.train import sweep as verb
        from xray.pipeline.train.features import count_missing

    folder = RunFolder.open(run, trust=True)
    wanted, missing = verb.select_trials(folder, models, within, folds)
    done, training = len(wanted) - len(missing), wanted[0].training
    each = "" if training.tune == "head" else f" of up to {training.epochs} epochs"
    out.print(f"{len(wanted):,} trials, {done:,} done, {len(missing):,} to do{each}")
    if training.tune == "head":
        number = count_missing(folder, {trial.model: trial.spec for trial in missing})
        out.print(f"{number:,} features of images to compute")
    if dry_run:
        print_trials(wanted, missing)
        seconds = verb.estimate_seconds(folder, missing)
        time = "unknown, no trial is done yet" if seconds is None else f"{readable_time(seconds)} on one worker"
        out.print(f"expected: {time if missing else 'nothing'}; nothing trained")
        return
    swept = verb.sweep(folder, models=models, within=within, folds=folds, restart=restart)
    print_failures(swept)
    total, failed = len(swept.trials), len(swept.failed)
    out.print(f"{total - failed:,} of {total:,} trials done, {failed:,} failed: {location(folder.uri)}", markup=False)
    if swept.failed:
        raise typer.Exit(1)
