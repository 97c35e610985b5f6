"""Tables that several commands print."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from xray.cluster.placement import PoolState
    from xray.pipeline.generate.estimate import Forecast
    from xray.pipeline.plan.look import Review
    from xray.pipeline.train.sweep import SweepResult
    from xray.runs.examples import Example
    from xray.runs.folder import RunFolder
    from xray.runs.trial import Trial

out = Console(soft_wrap=True, highlight=False)
VERBS = {
    "mask": "mask",
    "remove": "remove",
    "generate": "generate",
    "evaluate": "evaluate",
    "features": "sweep",
    "train": "sweep",
    "derived": "score",
}
"""The command that makes what a stage commits."""


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of plain text below their headings."""
    table = Table(*headings, box=None)
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)


def print_needs(expected: Forecast, price: float | None) -> None:
    """Print a forecast, and how its rates were measured."""
    from xray.core.progress import readable_bytes, readable_time

    if not expected.needs:
        return
    rows = []
    for need in expected.needs:
        workers = need.pool.min_actors if need.pool else os.cpu_count() or 1
        wall = f"{readable_time(need.seconds / workers)} on {workers} {'actors' if need.pool else 'cores here'}"
        name, each = " ".join((need.stage, *need.scenarios)), f"{need.rate.seconds_per_image:.3g}"
        rows.append((name, f"{need.images:,}", each, wall, readable_bytes(need.bytes), need.rate.measured))
    print_table(("stage", "images", "seconds per image", "wall time", "storage", "measured by"), rows)
    gpus = ""
    if expected.gpus:
        cost = f", {expected.gpu_hours * price:,.2f} at {price:g} per GPU-hour" if price is not None else ""
        gpus = f", {expected.gpu_hours:,.2f} GPU-hours on {expected.gpus:g} GPUs{cost} (without start and loading)"
    out.print(f"expected: {readable_bytes(expected.bytes)}{gpus}; nothing made")


def print_pools(pools: Mapping[str, PoolState]) -> None:
    """Print how busy the pools were, and their images per hour."""
    if not any(pool.items for pool in pools.values()):
        return
    rows = []
    for name, pool in pools.items():
        hours = f"{3600 * pool.items / pool.ready:,.0f}" if pool.ready else "–"
        gpu_hours = f"{pool.items / pool.gpu_hours:,.0f}" if pool.gpu_hours else "–"
        rows.append((name, f"{pool.actors}", f"{pool.items:,}", f"{pool.busy_share:.1%}", hours, gpu_hours))
    print_table(("pool", "actors", "images", "busy", "images per actor-hour", "images per GPU-hour"), rows)


def print_planned(run: RunFolder, finished: Mapping[str, Mapping[str, int]]) -> None:
    """Print the numbers of planned and finished images by scenario."""
    planned = run.store.table("plan", ["scenario"]).column("scenario").value_counts().to_pylist()
    done = {scenario: sum(counts.values()) for scenario, counts in finished.items()}
    rows = [(one["values"], f"{one['counts']:,}", f"{done.get(one['values'], 0):,}") for one in planned]
    print_table(("scenario", "planned", "done"), rows)


def print_outcomes(things: str, counts: Mapping[str, int], examples: Mapping[str, Example] | None = None) -> None:
    """Print numbers of rows by status and reason, the most frequent first, what the reasons mean, and an example."""
    from xray.core.schema import REASONS
    from xray.runs.counts import Outcome

    shown, rows = examples or {}, []
    for text, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        status, reason = Outcome.parse(text)
        meaning = "; ".join(REASONS.get(code, code) for code in reason.split())
        rows.append((status, reason, f"{n:,}", meaning, *([str(shown.get(text, ""))] if shown else [])))
    print_table(("status", "reason", things, "meaning", *(["for example"] if shown else [])), rows)


def print_masks_page(run: RunFolder, review: Review | None = None) -> None:
    """Write the page of masks, and print where it is, and what is strange about final masks.

    Args:
        run: with a plan.
        review: a look at its masks; None: look at them now.
    """
    from xray.core.uri import location
    from xray.pipeline.plan.look import review_run
    from xray.report.masks_page import write_masks_page

    review = review_run(run) if review is None else review
    uri = write_masks_page(run, review)
    for finding in review.findings if review.final else ():  # others are notes of the plan
        out.print(f"note: {finding}", markup=False)
    place = shlex.quote(location(uri))
    if review.final:
        out.print(f"the masks: {place}", markup=False)
    elif review.has_masks:
        out.print(f"look at {place} before anything expensive runs", markup=False)
    else:
        folder = shlex.quote(location(run.uri))
        out.print(f"no masks yet: `xray mask {folder}` makes them, to look at in {place}", markup=False)


def print_trials(wanted: Sequence[Trial], missing: Sequence[Trial]) -> None:
    """Print the numbers of finished folds, or repeats of folds, by training."""
    left = {trial.key for trial in missing}
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in wanted:
        groups.setdefault((trial.model, trial.scenario), []).append(trial)
    rows = []
    for (model, scenario), trials in sorted(groups.items()):
        done = sum(trial.key not in left for trial in trials)
        tests = trials[0].tests
        tested = ", ".join(tests) if len(tests) <= 3 else f"{tests[0]} and {len(tests) - 1} others"
        rows.append((model, scenario, f"{len(trials)}", f"{done}", tested))
    what = "folds" if all(trial.training.repeats == 1 for trial in wanted) else "folds × repeats"
    print_table(("model", "trained on", what, "done", "tested on"), rows)


def print_failures(swept: SweepResult) -> None:
    """Print why trials failed."""
    names = {trial.key: trial.name for trial in swept.trials}
    for key, reason in swept.failed.items():
        out.print(f"failed: {names[key]}: {reason}", markup=False)
