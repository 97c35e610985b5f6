"""The command `xray status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xray.cli.options import RunPath, Trust
from xray.cli.output import VERBS, out, print_outcomes, print_table
from xray.core.progress import readable_time
from xray.core.text import counted

if TYPE_CHECKING:
    from xray.pipeline.status import Status


def status(run: RunPath, trust: Trust = False) -> None:
    """Show the progress of a run, the processes at work on it, and the time left; from any machine, at any time."""
    from xray.core.uri import location
    from xray.pipeline.status import status as run_status
    from xray.runs.folder import RunFolder

    folder = RunFolder.open(run, trust=trust)
    state = run_status(folder)
    rows = [(scenario, *(f"{number:,}" for number in numbers)) for scenario, *numbers in state.table]
    print_table(("scenario", "planned", "done", "ok", "rejected", "failed"), rows)
    if refused := state.images.refused():
        print_outcomes("images", refused, state.examples)
    _print_stages(state)
    _print_stale(state)
    _print_locks(state)
    share = state.images.rows / state.total if state.total else 1.0
    working = state.rate and state.seconds_left and "images" in state.locks
    pace = f", {state.rate:,.1f} per second, {readable_time(state.seconds_left or 0)} left" if working else ""
    first = f", the first {folder.plan.first:,} of each category" if folder.plan.first is not None else ""
    photographs = counted(state.photographs, "photograph")
    images = f"{state.images.rows:,} of {counted(state.total, 'image')} of {photographs}{first}"
    out.print(f"{images} ({share:.0%}){pace}: {location(folder.uri)}", markup=False)


def _print_stages(state: Status) -> None:
    done, batches = state.masked
    out.print(f"masks: {done:,} of {batches:,} photo batches")
    if state.removed is not None:
        out.print(f"objects removed: {state.removed:,} of {batches:,} photo batches")
    for model, images in state.predicted.items():
        out.print(f"{model}: {images:,} of {state.total:,} images predicted", markup=False)
    for model, images in state.featured.items():
        out.print(f"{model}: features of {images:,} of {state.images.ok:,} images", markup=False)
    if state.trials:
        trials = ", ".join(f"{n:,} {trial_state}" for trial_state, n in sorted(state.trials.items()))
        out.print(f"trials: {trials}")


def _print_stale(state: Status) -> None:
    for stage, shards in state.stale.items():
        mismatch = next(iter(shards.values()))
        name, number = "/".join(stage), counted(len(shards), "training" if stage[0] == "train" else "shard")
        makes = f"`xray {VERBS['generate' if mismatch.waiting else stage[0]]}` makes what is missing"
        verb = "does" if len(shards) == 1 else "do"
        out.print(f"{name}: {number} {verb} not count: {mismatch}; {makes}", markup=False)


def _print_locks(state: Status) -> None:
    for work, locks in state.locks.items():
        for lock in locks:
            since = f"since {lock.holder.since}, last heartbeat {readable_time(lock.quiet)} ago"
            out.print(f"at work on {work}: {lock.holder}, {since}", markup=False)
    if not state.locks:
        out.print("no process is at work on it")
