"""Commands that look at a run: how far it is, and whether all is as it was committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from xray.cli.options import RunPath
from xray.cli.output import out, print_reasons
from xray.core.progress import readable_bytes, readable_time

if TYPE_CHECKING:
    from xray.pipeline.status import Status
    from xray.pipeline.verify.verify import Verified
    from xray.runs.receipts import Stage

_MOST, _FEW = 40, 10
_VERBS = {"mask": "mask", "generate": "generate", "evaluate": "evaluate", "train": "sweep"}


def status(run: RunPath) -> None:
    """How far a run is, who is at work on it, how long it takes; from any machine, also while it goes on."""
    from xray.pipeline.status import status as verb
    from xray.runs.run import Run

    opened = Run.open(run)
    found = verb(opened)
    table = Table("scenario", "planned", "done", "ok", "rejected", "failed", box=None, header_style="bold")
    for scenario, *numbers in found.table:
        table.add_row(escape(scenario), *(f"{number:,}" for number in numbers))
    out.print(table)
    if reasons := found.made.by_reason():
        print_reasons("images", reasons)
    _print_rest(found)
    for work, signs in found.at_work.items():
        for sign in signs:
            since = f"since {sign.holder.since}, last sign {readable_time(sign.quiet)} ago"
            out.print(f"at work on {work}: {sign.holder}, {since}", markup=False)
    if not found.at_work:
        out.print("nobody is at work on it")
    share = found.made.rows / found.total if found.total else 1.0
    going = found.rate and found.seconds_left and "images" in found.at_work
    pace = f", {found.rate:,.1f} a second, {readable_time(found.seconds_left or 0)} left" if going else ""
    told = f"{found.made.rows:,} of {found.total:,} images of {found.photographs:,} photographs ({share:.0%}){pace}"
    out.print(f"{told}: {opened.uri}", markup=False)


def _print_rest(found: Status) -> None:
    done, units = found.masked
    out.print(f"masks: {done:,} of {units:,} units of photographs")
    for model, images in found.predicted.items():
        out.print(f"{model}: {images:,} of {found.total:,} images predicted", markup=False)
    if found.trials:
        told = ", ".join(f"{n:,} {what}" for what, n in sorted(found.trials.items()))
        out.print(f"trials: {told}")


def verify(
    run: RunPath,
    quick: Annotated[bool, typer.Option("--quick", help="Compare bytes and rows; decode no picture.")] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Remove files that nothing names.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Take back what is damaged, so that it is made again, and nothing else.")
    ] = False,
) -> None:
    """Compare every file with its receipt and every planned row with a file; exit code 1 if anything is wrong.

    Nothing is changed without --clean or --repair. Needs no Ray; reads all of the run.
    """
    from contextlib import ExitStack

    from xray.pipeline.verify import verify as verb
    from xray.runs.run import Run
    from xray.runs.store import WORKS

    opened = Run.open(run)
    with ExitStack() as alone:
        for work in WORKS if clean or repair else ():
            alone.enter_context(opened.lease(work))
        found = verb.verify(opened, pictures=not quick)
        _print_problems(found)
        if clean:
            out.print(f"removed {verb.clean(opened, found):,} files that nothing names")
        if repair:
            _print_taken(verb.repair(opened, found), run)
    _print_verdict(found, opened.uri)
    if not found.sound:
        raise typer.Exit(1)


def _print_problems(found: Verified) -> None:
    from xray.pipeline.verify.shard import KINDS

    table = Table("wrong", "where", "seen", box=None, header_style="bold")
    for problem in found.problems[:_MOST]:
        table.add_row(problem.kind, escape(problem.place), escape(problem.told))
    for name in found.orphans[:_FEW]:
        table.add_row("orphan", escape(name), "nothing names it")
    if table.row_count:
        out.print(table)
    for kind in dict.fromkeys(problem.kind for problem in found.problems):
        out.print(f"{kind}: {KINDS[kind]}")
    if len(found.problems) > _MOST or len(found.orphans) > _FEW:
        out.print(f"only the first {_MOST} problems and {_FEW} orphans are shown")
    if found.orphans:
        out.print("orphan: left over when something was killed, or of an earlier plan; --clean removes it")
    if any(not problem.mendable for problem in found.problems):
        out.print(
            "the plan cannot be made again as it was: put the file back from a copy, or plan into a new run; "
            "`backgrounds` and `folds` are written again by `xray plan`"
        )


def _print_taken(taken: dict[Stage, int], run: str) -> None:
    if not taken:
        out.print("nothing to take back")
    for stage, n in taken.items():
        out.print(f"took back {n:,} of {'/'.join(stage)}: xray {_VERBS[stage[0]]} {run} makes them again", markup=False)


def _print_verdict(found: Verified, uri: str) -> None:
    missing = [f"{'/'.join(stage)} is missing of {_count(n, 'shard')}" for stage, n in found.missing.items() if n]
    wrong = [_count(len(found.problems), "problem")] if found.problems else []
    orphans = f", {_count(len(found.orphans), 'orphan')}" if found.orphans else ""
    verdict = "; ".join([*wrong, *missing]) or "sound and complete"
    seen = f"{found.receipts:,} receipts, {found.files:,} files, {readable_bytes(found.bytes)}"
    out.print(f"{verdict}{orphans}: {seen}, {found.images:,} of {found.planned:,} images: {uri}", markup=False)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
