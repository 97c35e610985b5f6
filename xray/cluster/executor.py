"""Feeding shards through a Ray cluster."""

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

from xray.cluster.heartbeat import Pulses, Watch
from xray.cluster.placement import Grant, PoolState
from xray.cluster.session import resources
from xray.core.errors import XrayError

_LOG = logging.getLogger(__name__)
_TRIES = 5
_LOOK_EVERY = 2.0
_ROW = pa.schema([("unit", pa.string()), ("told", pa.string()), ("error", pa.string())])


@dataclass(frozen=True)
class Stage:
    """One step that every unit of work goes through.

    Args:
        name: for people.
        work: a function of a unit, in tasks; or a class whose instances are such functions, one an actor. Those of a
            pool take `beat` as their last argument: they call it after each batch.
        arguments: of the function before the unit, or of the class; small.
        pool: what its actors get; None: tasks of one CPU each.
        at_once: tasks at a time; default: as the CPUs allow.
        overlap: units that an actor has at hand at the same time: with 2, the next one is read and prepared while the
            device works on this one.
    """

    name: str
    work: Callable[..., Mapping[str, Any]] | type
    arguments: tuple[Any, ...] = ()
    pool: Grant | None = None
    at_once: int | None = None
    overlap: int = 1


def stream(
    units: Sequence[str],
    stages: Sequence[Stage],
    *,
    run: str,
    stall_seconds: float | None = None,
    watch: Callable[[Mapping[str, PoolState]], None] = lambda pools: None,
) -> Iterator[list[dict[str, Any]]]:
    """Take every unit through all stages, in one streaming execution, and yield what each stage said of it.

    Only names of units and such sayings travel; what the stages make, they commit.

    Args:
        units: what the stages are given.
        stages: in their order.
        run: its URI, for the logs of the workers.
        stall_seconds: give up when nothing got further, or no pool finished a batch, for so long; None: never.
        watch: called every few seconds with the state of the pools, in another thread.

    Raises:
        XrayError: the work raised it on a worker, had no memory, killed its worker each time, or stands still.
    """
    pulse = _pulses()
    tasks_only = all(stage.pool is None for stage in stages)
    # Actors have the next unit waiting; a task is handed out when another ends, a fifth of a second later.
    at_once = min((stage.at_once or int(resources().get("CPU", 1)) for stage in stages), default=1)
    sizes = guided(len(units), at_once) if tasks_only else [1] * len(units)
    ends = list(itertools.accumulate(sizes))
    blocks = [_block(units[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    dataset: ray.data.Dataset = ray.data.from_arrow(blocks)
    for stage in stages:
        dataset = dataset.map_batches(
            _in_batches(stage, run, pulse),
            batch_size=1,
            batch_format="pyarrow",
            zero_copy_batch=True,
            **_options(stage, len(blocks)),
        )
    dataset.context.enable_progress_bars = False
    dataset.context.print_on_execution_start = False
    dataset.context.target_max_block_size = 1  # results come as they are made, not when their task ends
    state, at_hand = (functools.partial(_told_by, pulse, what) for what in ("state", "at_hand"))
    with _ended(pulse), Watch(state, stall_seconds, watch, at_hand) as watching:
        for row in _rows(dataset):
            if row["error"] is not None:
                raise XrayError(row["error"])
            watching.progress()
            yield json.loads(row["told"])


def _rows(dataset: ray.data.Dataset) -> Iterator[dict[str, Any]]:
    try:
        yield from dataset.iter_rows()
    except ray.exceptions.RayTaskError:  # the work's own
        raise
    except ray.exceptions.RayError as error:
        raise XrayError(
            "a worker or a node died, could not start, or was cut off; what is committed stays. "
            f"Ray says: {str(error).strip().splitlines()[0]}"
        ) from error


def _told_by(pulse: Any, what: str) -> Any:
    """What the heartbeat has collected; None if it is not to be had: no run fails for that."""
    try:
        return ray.get(getattr(pulse, what).remote(), timeout=10)
    except ray.exceptions.RayError:
        return None


def _pulses() -> Any:
    """An actor beside the driver: it goes with no other node, and takes no share of a CPU from the work."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(Pulses)
    return actor.options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()


@contextlib.contextmanager
def _ended(pulse: Any) -> Iterator[None]:
    """However it ends, no actor goes on."""
    try:
        yield
    finally:
        if ray.is_initialized():
            pulse.end.remote()


def _block(units: Sequence[str]) -> pa.Table:
    return pa.Table.from_pylist([{"unit": unit, "told": "[]", "error": None} for unit in units], schema=_ROW)


def _options(stage: Stage, units: int) -> dict[str, Any]:
    """Of `ray.data.Dataset.map_batches`."""
    pool = stage.pool
    if pool is None:
        at_once = min(stage.at_once, units) if stage.at_once else None
        return {"num_cpus": 1, "compute": ray.data.TaskPoolStrategy(size=at_once)}
    most = max(1, min(pool.most, units))
    strategy = ray.data.ActorPoolStrategy(
        min_size=min(pool.least, most),
        max_size=most,
        max_tasks_in_flight_per_actor=2,
        max_concurrent_calls_per_actor=stage.overlap,
        enable_true_multi_threading=stage.overlap > 1,
    )
    accelerator = {"accelerator_type": pool.accelerator} if pool.accelerator else {}
    return {"num_cpus": pool.cpus, "num_gpus": pool.gpus or None, "compute": strategy, **accelerator}


def guided(count: int, workers: int) -> list[int]:
    """How many units to hand out at a time: many at first, one by one at the end.

    Guided self-scheduling (Polychronopoulos & Kuck, IEEE Trans. Computers 36, 1987), a little less greedy and at most
    eight at a time: few hand-overs, and the workers end together.

    >>> guided(32, workers=2)
    [8, 8, 5, 3, 2, 2, 1, 1, 1, 1]
    """
    sizes = []
    while count:
        sizes.append(min(8, max(1, count // (max(1, workers) + 1))))
        count -= sizes[-1]
    return sizes


def _in_batches(stage: Stage, run: str, pulse: Any) -> Any:
    """The work as Ray Data calls it: on a table of one row, for a table of one row."""
    if not isinstance(stage.work, type):
        once = functools.partial(stage.work, *stage.arguments)
        return functools.partial(_one_row, functools.partial(_counted, run, stage.name, pulse, once))
    work: Any = stage.work

    class Batches:
        def __init__(self) -> None:
            threading.Thread(target=_leave_at_the_end, args=(pulse,), daemon=True).start()
            try:
                self.work = work(*stage.arguments, beat=_beat_of(stage, pulse))
            except XrayError as error:  # Ray would hide it in a traceback of its own
                self.work = functools.partial(_refuse, str(error))

        def __call__(self, batch: pa.Table) -> pa.Table:
            return _one_row(functools.partial(_counted, run, stage.name, pulse, self.work), batch)

    Batches.__name__ = work.__name__
    return Batches


def _refuse(message: str, unit: str) -> Mapping[str, Any]:
    raise XrayError(message)


def _leave_at_the_end(pulse: Any) -> None:
    """End this actor when the run has ended; Ray Data lets it go on with what it has at hand, for ever if it hangs."""
    while not _has_ended(pulse):
        time.sleep(_LOOK_EVERY)
    ray.kill(ray.get_runtime_context().current_actor)


def _has_ended(pulse: Any) -> bool:
    try:
        return bool(ray.get(pulse.ended.remote()))
    except ray.exceptions.ActorUnavailableError:  # it is being brought back
        return False
    except ray.exceptions.RayActorError:  # the driver has gone, and it with it
        return True


def _counted(
    run: str, stage: str, pulse: Any, work: Callable[[str], Mapping[str, Any]], unit: str
) -> Mapping[str, Any]:
    """The work, and before and after it a word to the log and to the heartbeat: who dies over it says no second one."""
    about = {"run": run, "stage": stage, "unit": unit}
    _refuse_deadly(stage, pulse, unit)
    started = time.monotonic()
    _LOG.info("begun", extra=about)
    try:
        told = work(unit)
    except Exception as error:
        _LOG.warning("failed: %s", error, extra=about)
        raise
    _LOG.info("done", extra={**about, "seconds": round(time.monotonic() - started, 3)})
    pulse.finish.remote(stage, unit)
    return told


def _refuse_deadly(stage: str, pulse: Any, unit: str) -> None:
    """Workers that die are brought back for ever, with what they had at hand; what kills each of them is given up.

    Ray Data can no longer be told how often to retry; and what Ray itself ends for want of memory, it does not count.
    """
    try:
        times: int = ray.get(pulse.begin.remote(stage, unit))
    except ray.exceptions.RayActorError:  # not to be had at the moment: no run fails for that
        return
    if times > _TRIES:
        raise XrayError(
            f"a worker of the {stage} stage died {_TRIES} times over the same photographs ({unit}); what is "
            "committed stays. Too little memory is the usual reason: fewer workers at a time need less"
        )


def _beat_of(stage: Stage, pulse: Any) -> Callable[[int, float], None]:
    gpus = stage.pool.gpus if stage.pool else 0.0
    actor = ray.get_runtime_context().get_actor_id()

    def beat(items: int, seconds: float) -> None:
        pulse.beat.remote(stage.name, actor, gpus, items, seconds)

    return beat


def _one_row(work: Callable[[str], Mapping[str, Any]], batch: pa.Table) -> pa.Table:
    """What the work says; what the user can mend comes back as text, since Ray keeps no exception's own class."""
    (row,) = batch.to_pylist()
    if row["error"] is None:
        try:
            row["told"] = json.dumps([*json.loads(row["told"]), dict(work(row["unit"]))])
        except XrayError as error:
            row["error"] = str(error)
        except (MemoryError, cv2.error) as error:
            if isinstance(error, cv2.error) and error.code != cv2.Error.StsNoMem:
                raise
            said = " ".join(str(error).split())
            row["error"] = (
                f"a worker had no memory left for {row['unit']} ({said}); what is committed stays. Fewer workers at a "
                "time need less, and the same command goes on"
            )
    return pa.Table.from_pylist([row], schema=_ROW)
