"""Stream items through the stages of a run with Ray Data.

Only names travel; what the stages make, they commit themselves.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import pyarrow as pa
import ray
import ray.data
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from xray.cluster.heartbeat import Heartbeat, Monitor
from xray.cluster.placement import Grant, PoolState
from xray.cluster.session import resources
from xray.core.device import configure_worker
from xray.core.errors import ConfigError, DamagedError, ResourceError, StorageError, UnreachableError, XrayError

_LOG = logging.getLogger(__name__)
_MAX_TRIES = 5
_POLL_SECONDS = 2.0
_ROW = pa.schema([("item", pa.string()), ("results", pa.string()), ("error", pa.string()), ("kind", pa.string())])

Work = Callable[[str], Mapping[str, Any]]
_KINDS = {kind.__name__: kind for kind in (ConfigError, StorageError, UnreachableError, DamagedError, ResourceError)}
"""Errors by the name under which they travel from a worker."""


@dataclass(frozen=True)
class Stage:
    """A step that every item goes through.

    Args:
        name: for messages and logs.
        work: a function of an item, run in tasks; or a class whose instances are such functions, one per actor. A class
            takes `on_batch` as its last argument, and calls it after each batch.
        arguments: of the function before the item, or of the class; small.
        pool: resources of the actors; None: tasks of one CPU each.
        max_tasks: tasks at the same time; default: one per CPU.
        overlap: items that an actor works on at the same time: with 2, the next one is read and prepared while the
            device works on this one.
        reports: whether a function takes `on_batch`, too.
    """

    name: str
    work: Callable[..., Mapping[str, Any]] | type
    arguments: tuple[Any, ...] = ()
    pool: Grant | None = None
    max_tasks: int | None = None
    overlap: int = 1
    reports: bool = False


def stream(
    items: Sequence[str],
    stages: Sequence[Stage],
    *,
    run: str,
    stall_seconds: float | None = None,
    watch: Callable[[Mapping[str, PoolState]], None] = lambda pools: None,
) -> Iterator[list[dict[str, Any]]]:
    """Run every item through all stages in one streaming execution, and yield the results of its stages.

    Args:
        items: names, as the stages take them.
        stages: in their order.
        run: its URI, for the logs of the workers.
        stall_seconds: end the run if nothing makes progress, or a working pool finishes no batch, for this long; None:
            never.
        watch: called every few seconds with the states of the pools, in another thread.

    Raises:
        XrayError: a worker raised it, ran out of memory, died every time, or the run stalls.
    """
    heartbeat = _start_heartbeat()
    blocks = _blocks(items, stages)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    dataset: ray.data.Dataset = ray.data.from_arrow(blocks)
    for stage in stages:
        dataset = dataset.map_batches(
            _as_batches(stage, run, heartbeat),
            batch_size=1,
            batch_format="pyarrow",
            zero_copy_batch=True,
            **_options(stage, len(blocks)),
        )
    dataset.context.enable_progress_bars = False
    dataset.context.print_on_execution_start = False
    dataset.context.target_max_block_size = 1  # yield results as they are made, not when their task ends
    states, in_progress = (functools.partial(_ask, heartbeat, method) for method in ("states", "in_progress"))
    with _ending(heartbeat), Monitor(states, stall_seconds, watch, in_progress) as monitor:
        for row in _rows(dataset):
            if row["error"] is not None:
                raise _KINDS.get(row["kind"], ResourceError)(row["error"])
            monitor.progress()
            yield json.loads(row["results"])


def _blocks(items: Sequence[str], stages: Sequence[Stage]) -> list[pa.Table]:
    """Group items into blocks. Actors queue the next item; a task starts a fifth of a second after another ends."""
    if any(stage.pool is not None for stage in stages):
        sizes = [1] * len(items)
    else:
        sizes = guided(len(items), min((s.max_tasks or int(resources().get("CPU", 1)) for s in stages), default=1))
    ends = itertools.accumulate(sizes)
    return [_block(items[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


def _block(items: Sequence[str]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"item": item, "results": "[]", "error": None, "kind": None} for item in items], schema=_ROW
    )


def guided(count: int, workers: int) -> list[int]:
    """Sizes of the groups of items to hand out: large ones first, single items at the end.

    Guided self-scheduling (Polychronopoulos & Kuck, IEEE Trans. Computers 36, 1987), slightly less greedy and limited
    to eight items: few hand-overs, and all workers end at about the same time.

    >>> guided(32, workers=2)
    [8, 8, 5, 3, 2, 2, 1, 1, 1, 1]
    """
    sizes = []
    while count:
        sizes.append(min(8, max(1, count // (max(1, workers) + 1))))
        count -= sizes[-1]
    return sizes


def _rows(dataset: ray.data.Dataset) -> Iterator[dict[str, Any]]:
    try:
        yield from dataset.iter_rows()
    except ray.exceptions.RayTaskError:  # raised by the work itself
        raise
    except ray.exceptions.RayError as error:
        raise ResourceError(
            "a worker or node died, could not start, or lost its connection. Committed data is safe; rerun the command "
            f"to resume. Ray says: {str(error).strip().splitlines()[0]}"
        ) from error


def _options(stage: Stage, items: int) -> dict[str, Any]:
    """Arguments of `ray.data.Dataset.map_batches`."""
    pool = stage.pool
    if pool is None:
        size = min(stage.max_tasks, items) if stage.max_tasks else None
        return {"num_cpus": 1, "compute": ray.data.TaskPoolStrategy(size=size)}
    max_size = max(1, min(pool.max_actors, items))
    strategy = ray.data.ActorPoolStrategy(
        min_size=min(pool.min_actors, max_size),
        max_size=max_size,
        max_tasks_in_flight_per_actor=2,
        max_concurrent_calls_per_actor=stage.overlap,
        enable_true_multi_threading=stage.overlap > 1,
    )
    accelerator = {"accelerator_type": pool.accelerator} if pool.accelerator else {}
    return {"num_cpus": pool.cpus, "num_gpus": pool.gpus or None, "compute": strategy, **accelerator}


# on the driver: the heartbeat


def _start_heartbeat() -> Any:
    """Start the heartbeat on the driver's node, where no other node's end affects it; it reserves no CPU."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(Heartbeat)
    return actor.options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()


def _ask(heartbeat: Any, method: str) -> Any:
    """Call a method of the heartbeat; None if it is unavailable, which must not end a run."""
    try:
        return ray.get(getattr(heartbeat, method).remote(), timeout=10)
    except ray.exceptions.RayError:
        return None


@contextlib.contextmanager
def _ending(heartbeat: Any) -> Iterator[None]:
    """Tell all actors to exit, however the block ends."""
    try:
        yield
    finally:
        if ray.is_initialized():
            heartbeat.end.remote()


# on the workers


def _as_batches(stage: Stage, run: str, heartbeat: Any) -> Any:
    """Wrap the work as Ray Data calls it: from a table of one row to a table of one row."""
    if not isinstance(stage.work, type):
        return functools.partial(_run_task, stage, run, heartbeat)
    actor: Any = stage.work

    class Actor:
        def __init__(self) -> None:
            configure_worker()
            threading.Thread(target=_exit_at_the_end, args=(heartbeat,), daemon=True).start()
            try:
                self.work = actor(*stage.arguments, on_batch=_batch_reporter(stage, heartbeat))
            except XrayError as error:  # Ray would wrap it in an error of its own
                self.work = functools.partial(_refuse, error)

        def __call__(self, batch: pa.Table) -> pa.Table:
            return _run_row(functools.partial(_run_item, run, stage.name, heartbeat, self.work), batch)

    Actor.__name__ = actor.__name__
    return Actor


def _run_task(stage: Stage, run: str, heartbeat: Any, batch: pa.Table) -> pa.Table:
    configure_worker()
    work = functools.partial(stage.work, *stage.arguments)
    if stage.reports:
        work = functools.partial(work, on_batch=_batch_reporter(stage, heartbeat))
    return _run_row(functools.partial(_run_item, run, stage.name, heartbeat, work), batch)


def _refuse(error: XrayError, item: str) -> Mapping[str, Any]:
    raise error


def _exit_at_the_end(heartbeat: Any) -> None:
    """End this actor when the run has ended; Ray Data would let it finish its items, forever if it hangs."""
    while not _has_ended(heartbeat):
        time.sleep(_POLL_SECONDS)
    ray.kill(ray.get_runtime_context().current_actor)


def _has_ended(heartbeat: Any) -> bool:
    try:
        return bool(ray.get(heartbeat.ended.remote()))
    except ray.exceptions.ActorUnavailableError:  # it is being restarted
        return False
    except ray.exceptions.RayActorError:  # the driver has ended, and the heartbeat with it
        return True


def _run_item(run: str, stage: str, heartbeat: Any, work: Work, item: str) -> Mapping[str, Any]:
    """Run the work, logging and reporting the start and end of the item; a crashed worker reports only the start."""
    context = {"run": run, "stage": stage, "unit": item}
    _refuse_deadly(stage, heartbeat, item)
    started = time.monotonic()
    _LOG.info("started", extra=context)
    try:
        result = work(item)
    except Exception as error:
        _LOG.warning("failed: %s", error, extra=context)
        raise
    _LOG.info("done", extra={**context, "seconds": round(time.monotonic() - started, 3)})
    heartbeat.finish.remote(stage, item)
    return result


def _refuse_deadly(stage: str, heartbeat: Any, item: str) -> None:
    """Give up an item that kills every worker: Ray restarts workers forever, and does not count out-of-memory kills."""
    try:
        tries: int = ray.get(heartbeat.start.remote(stage, item))
    except ray.exceptions.RayActorError:  # unavailable at the moment, which must not end a run
        return
    if tries > _MAX_TRIES:
        raise ResourceError(
            f"a worker of the {stage} stage died {_MAX_TRIES} times over the same photographs ({item}). Committed data "
            "is safe. The usual reason is too little memory: use fewer workers at a time"
        )


def _batch_reporter(stage: Stage, heartbeat: Any) -> Callable[[int, float], None]:
    gpus = stage.pool.gpus if stage.pool else 0.0
    context = ray.get_runtime_context()
    worker = context.get_actor_id() or context.get_worker_id()

    def report(images: int, seconds: float) -> None:
        if images or stage.pool:  # a task that dies while it works is not missed by its pool
            heartbeat.batch.remote(stage.name, worker, gpus, images, seconds)

    return report


def _run_row(work: Work, batch: pa.Table) -> pa.Table:
    """Add the work's result to its row. Errors that the user can fix travel as text with their kind."""
    (row,) = batch.to_pylist()
    if row["error"] is None:
        try:
            row["results"] = json.dumps([*json.loads(row["results"]), dict(work(row["item"]))])
        except XrayError as error:
            row["error"], row["kind"] = str(error), type(error).__name__
        except (MemoryError, cv2.error) as error:
            if isinstance(error, cv2.error) and error.code != cv2.Error.StsNoMem:
                raise
            row["error"] = (
                f"a worker ran out of memory for {row['item']} ({' '.join(str(error).split())}). Committed data is "
                "safe; rerun the command with fewer workers to resume"
            )
    return pa.Table.from_pylist([row], schema=_ROW)
