"""What commands print beside their last line: tables of what is planned, made and refused."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from xray.cluster.placement import PoolState
    from xray.pipeline.generate.estimate import Forecast
    from xray.pipeline.train.sweep import Swept
    from xray.runs.counts import Progressed
    from xray.runs.run import Run
    from xray.runs.trial import Trial

out = Console(soft_wrap=True, highlight=False)


def print_needs(expected: Forecast, price: float | None) -> None:
    """What the rest will take, and how that is known."""
    from xray.core.progress import readable_bytes, readable_time

    if not expected.needs:
        return
    table = Table("stage", "images", "seconds each", "wall time", "storage", "measured by", box=None)
    for need in expected.needs:
        workers = need.pool.least if need.pool else os.cpu_count() or 1
        wall = f"{readable_time(need.seconds / workers)} on {workers} {'actors' if need.pool else 'cores here'}"
        name = " ".join((need.stage, *need.scenarios))
        each = f"{need.rate.seconds_an_image:.3g}"
        table.add_row(name, f"{need.images:,}", each, wall, readable_bytes(need.bytes), need.rate.measured)
    out.print(table)
    gpus = ""
    if expected.gpus:
        cost = f", {expected.gpu_hours * price:,.2f} at {price:g} a GPU-hour" if price is not None else ""
        gpus = f", {expected.gpu_hours:,.2f} GPU-hours on {expected.gpus:g} GPUs{cost} (without starting and loading)"
    out.print(f"expected: {readable_bytes(expected.bytes)}{gpus}; nothing made")


def print_pools(pools: Mapping[str, PoolState]) -> None:
    """How busy the pools were, and how much they made an hour."""
    if not any(pool.items for pool in pools.values()):
        return
    table = Table("pool", "actors", "images", "busy", "images an actor-hour", "images a GPU-hour", box=None)
    for name, pool in pools.items():
        hours = f"{3600 * pool.items / pool.ready:,.0f}" if pool.ready else "–"
        gpu_hours = f"{pool.items / pool.gpu_hours:,.0f}" if pool.gpu_hours else "–"
        table.add_row(name, f"{pool.actors}", f"{pool.items:,}", f"{pool.busy_share:.1%}", hours, gpu_hours)
    out.print(table)


def print_planned(run: Run, made: Mapping[str, Mapping[str, int]]) -> None:
    """How many images of each scenario are planned and made."""
    planned = run.table("plan", ["scenario"]).column("scenario").value_counts().to_pylist()
    table = Table("scenario", "planned", "done", box=None, header_style="bold")
    for count in planned:
        done = sum(made.get(count["values"], {}).values())
        table.add_row(count["values"], f"{count['counts']:,}", f"{done:,}")
    out.print(table)


def print_outcome(what: str, finished: Progressed) -> None:
    """Counts by status and, where there are any, the reasons."""
    total: dict[str, int] = {}
    for counter in finished.counts.values():
        for key, n in counter.items():
            total[key] = total.get(key, 0) + n
    print_reasons(what, total)


def print_reasons(what: str, total: Mapping[str, int]) -> None:
    """How many rows have which status and reason, most first, and what that means."""
    from xray.core.schema import REASONS

    table = Table("status", "reason", what, "meaning", box=None, header_style="bold")
    for key, n in sorted(total.items(), key=lambda item: (-item[1], item[0])):
        status, _, reason = key.partition(" ")
        table.add_row(status, reason, f"{n:,}", "; ".join(REASONS.get(code, code) for code in reason.split()))
    out.print(table)


def print_trials(wanted: Sequence[Trial], missing: Sequence[Trial]) -> None:
    """How many folds of each training are done."""
    left = {trial.key for trial in missing}
    table = Table("model", "trained on", "folds", "done", "tested on", box=None, header_style="bold")
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in wanted:
        groups.setdefault((trial.model, trial.scenario), []).append(trial)
    for (model, scenario), trials in sorted(groups.items()):
        done = sum(trial.key not in left for trial in trials)
        table.add_row(*map(escape, (model, scenario)), f"{len(trials)}", f"{done}", escape(_some(trials[0].tests)))
    out.print(table)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} others"


def print_failures(swept: Swept) -> None:
    """Why trials came to no end."""
    names = {trial.key: trial.name for trial in swept.trials}
    for key, reason in swept.failed.items():
        out.print(f"failed: {names[key]}: {reason}", markup=False)
