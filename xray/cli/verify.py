"""The command `xray verify`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from xray.cli.options import RunPath, Trust
from xray.cli.output import VERBS, out
from xray.core.errors import ConfigError
from xray.core.progress import readable_bytes

if TYPE_CHECKING:
    from xray.pipeline.verify.verify import VerifyReport
    from xray.runs.folder import RunFolder

_MAX_PROBLEMS, _MAX_ORPHANS = 40, 10
_RECIPE, _BACKGROUNDS = "recipe.yaml", "backgrounds.parquet"
"""Files that can be written again."""


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
    from xray.pipeline.verify.verify import verify as verify_run
    from xray.runs.folder import RunFolder

    opened = RunFolder.open(run, trust=trust)
    report = verify_run(opened, pictures=not quick, clean=clean, repair=repair)
    _print_problems(report)
    if clean:
        out.print(f"removed {report.removed:,} files that nothing names")
    if repair:
        _print_repairs(report, run)
    elif any(problem.repairable for problem in report.problems):
        out.print(f"`xray verify {run} --repair` revokes what is damaged, and names the commands that make it again")
    _print_verdict(report, opened)
    if not report.sound:
        raise typer.Exit(1)


def _print_problems(report: VerifyReport) -> None:
    from xray.pipeline.verify.shard import PROBLEM_KINDS
    from xray.sources.base import join_names

    for problem in report.problems[:_MAX_PROBLEMS]:  # no table, which would cut paths
        out.print(f"{problem.kind}  {problem.path}: {problem.detail}", markup=False)
    for name in report.orphans[:_MAX_ORPHANS]:
        out.print(f"orphan  {name}", markup=False)
    for kind in dict.fromkeys(problem.kind for problem in report.problems):
        out.print(f"{kind}: {PROBLEM_KINDS[kind]}")
    if len(report.problems) > _MAX_PROBLEMS or len(report.orphans) > _MAX_ORPHANS:
        out.print(f"only the first {_MAX_PROBLEMS} problems and {_MAX_ORPHANS} orphans are shown")
    if report.orphans:
        out.print("orphan: nothing names it: left by a killed process, or of an earlier plan; --clean removes it")
    lost = [problem.path for problem in report.problems if not problem.repairable]
    if _BACKGROUNDS in lost:
        out.print(f"{_BACKGROUNDS}: `xray plan` with the same recipe writes it again")
    if of_plan := [path for path in lost if path != _BACKGROUNDS]:
        out.print(
            f"{join_names(of_plan, 3)}: of the plan, which cannot be repaired: restore from a copy, or plan into a "
            "new run",
            markup=False,
        )


def _print_repairs(report: VerifyReport, run: str) -> None:
    written = any(problem.path == _RECIPE for problem in report.problems)
    if written:
        out.print(f"wrote {_RECIPE} again")
    if not report.revoked and not written:
        out.print("nothing to revoke")
    for stage, n in report.revoked.items():
        out.print(f"revoked {n:,} of {'/'.join(stage)}: xray {VERBS[stage[0]]} {run} makes them again", markup=False)


def _print_verdict(report: VerifyReport, run: RunFolder) -> None:
    from xray.core.uri import location

    missing = [
        f"{'/'.join(stage)}: {_count(n, 'shard')} missing (`xray {VERBS[stage[0]]}`)"
        for stage, n in report.missing.items()
        if n
    ]
    problems = [_count(len(report.problems), "problem")] if report.problems else []
    orphans = f", {_count(len(report.orphans), 'orphan')}" if report.orphans else ""
    verdict = "; ".join([*problems, *missing])
    if not verdict:
        to_do = _to_do(run)
        for note in to_do:
            out.print(f"note: {note}", markup=False)
        verdict = "sound, but not complete" if to_do else "sound and complete"
    checked = f"{report.receipts:,} receipts, {report.files:,} files, {readable_bytes(report.bytes)}"
    out.print(
        f"{verdict}{orphans}: {checked}, {report.images:,} of {report.planned:,} images: {location(run.uri)}",
        markup=False,
    )


def _to_do(run: RunFolder) -> list[str]:
    """What a sound run lacks: models that were not evaluated, trainings that are not finished."""
    from xray.cli.score import unfinished

    notes: list[str] = []
    with contextlib.suppress(ConfigError):  # its recipe names code that is not trusted
        notes.extend(unfinished(run))
    return notes


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
