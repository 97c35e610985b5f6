"""The command `xray verify`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from xray.cli.options import RunPath, Trust
from xray.cli.output import VERBS, out, print_table
from xray.core.progress import readable_bytes

if TYPE_CHECKING:
    from xray.pipeline.verify.verify import VerifyReport
    from xray.runs.receipts import Stage

_MAX_PROBLEMS, _MAX_ORPHANS = 40, 10


def verify(
    run: RunPath,
    quick: Annotated[bool, typer.Option("--quick", help="Compare bytes and rows; decode no image.")] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Remove files that nothing names.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Revoke what is damaged, so that it is made again, and nothing else.")
    ] = False,
    trust: Trust = False,
) -> None:
    """Compare every file with its receipt and every planned row with a file; exit code 1 if anything is wrong.

    Nothing is changed without --clean or --repair. Needs no Ray; reads all of the run.
    """
    from xray.core.uri import location
    from xray.pipeline.verify.verify import verify as verify_run
    from xray.runs.folder import RunFolder

    opened = RunFolder.open(run, trust=trust)
    report = verify_run(opened, pictures=not quick, clean=clean, repair=repair)
    _print_problems(report)
    if clean:
        out.print(f"removed {report.removed:,} files that nothing names")
    if repair:
        _print_revoked(report.revoked, run)
    _print_verdict(report, location(opened.uri))
    if not report.sound:
        raise typer.Exit(1)


def _print_problems(report: VerifyReport) -> None:
    from xray.pipeline.verify.shard import PROBLEM_KINDS

    rows = [(problem.kind, problem.path, problem.detail) for problem in report.problems[:_MAX_PROBLEMS]]
    rows += [("orphan", name, "nothing names it") for name in report.orphans[:_MAX_ORPHANS]]
    if rows:
        print_table(("problem", "file", "detail"), rows)
    for kind in dict.fromkeys(problem.kind for problem in report.problems):
        out.print(f"{kind}: {PROBLEM_KINDS[kind]}")
    if len(report.problems) > _MAX_PROBLEMS or len(report.orphans) > _MAX_ORPHANS:
        out.print(f"only the first {_MAX_PROBLEMS} problems and {_MAX_ORPHANS} orphans are shown")
    if report.orphans:
        out.print("orphan: left by a killed process, or of an earlier plan; --clean removes it")
    if any(not problem.repairable for problem in report.problems):
        out.print(
            "the plan cannot be repaired: restore the file from a copy, or plan into a new run; "
            "`xray plan` writes `backgrounds` and `folds` again"
        )


def _print_revoked(revoked: Mapping[Stage, int], run: str) -> None:
    if not revoked:
        out.print("nothing to revoke")
    for stage, n in revoked.items():
        out.print(f"revoked {n:,} of {'/'.join(stage)}: xray {VERBS[stage[0]]} {run} makes them again", markup=False)


def _print_verdict(report: VerifyReport, folder: str) -> None:
    missing = [f"{'/'.join(stage)}: {_count(n, 'shard')} missing" for stage, n in report.missing.items() if n]
    problems = [_count(len(report.problems), "problem")] if report.problems else []
    orphans = f", {_count(len(report.orphans), 'orphan')}" if report.orphans else ""
    verdict = "; ".join([*problems, *missing]) or "sound and complete"
    checked = f"{report.receipts:,} receipts, {report.files:,} files, {readable_bytes(report.bytes)}"
    out.print(f"{verdict}{orphans}: {checked}, {report.images:,} of {report.planned:,} images: {folder}", markup=False)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
