"""Connecting to Ray, and feeding shards through it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import pyarrow as pa
import ray
import ray.data

from xray.errors import XrayError

_ERROR = "xray_error"
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
_KEEP_MEMORY = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
WORKER_ENVIRONMENT = {**dict.fromkeys(_ONE_THREAD, "1"), **dict.fromkeys(_KEEP_MEMORY, "100000000")}
"""One thread a worker; and glibc keeps freed buffers: giving them back and faulting them in costs more than a blur."""


@contextlib.contextmanager
def connected(workers: int | None = None) -> Iterator[None]:
    """Be connected to Ray: the session that is there, the cluster of `RAY_ADDRESS`, or one of our own on this machine.

    Args:
        workers: CPUs that a session of our own may use; default: all of this machine.

    A session of our own ends with the block; others stay as they were.
    """
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS", "local")
    local: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    with _quiet_start() if local else contextlib.nullcontext():
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": WORKER_ENVIRONMENT},
            **local,
        )
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Keep the start of a session of our own off the terminal, unless it fails.

    Ray Data's actors log an error that concerns nobody here, whatever they are given (ray #53727); lowering the level
    of that log is announced by a line of its own, past Python.
    """
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as said:
        terminal = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(terminal, said.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def resources(kind: Literal["CPU", "GPU"]) -> float:
    """How many CPUs or GPUs the cluster has."""
    return float(ray.cluster_resources().get(kind, 0))  # type: ignore[no-untyped-call]


def map_shards(
    shards: Sequence[str],
    work: Callable[[str], dict[str, Any]] | type,
    results: pa.Schema,
    *,
    at_once: int | None = None,
    **options: Any,
) -> Iterator[dict[str, Any]]:
    """Do a piece of work for every shard, and yield its small results as they come.

    Args:
        shards: their names.
        work: a function of a shard's name, or a class whose instances are such functions (one an actor).
        results: schema of what it returns.
        at_once: tasks or actors at a time; default: as the cluster's resources allow.
        options: of `ray.data.Dataset.map_batches`: resources, constructor arguments.

    Raises:
        XrayError: the work raised it on a worker.
    """
    tasks = not isinstance(work, type)
    # Actors have the next shard waiting; a task is handed out when another ends, a fifth of a second later.
    sizes = guided(len(shards), at_once or int(resources("CPU"))) if tasks else [1] * len(shards)
    ends = list(itertools.accumulate(sizes))
    blocks = [pa.table({"shard": shards[end - size : end]}) for size, end in zip(sizes, ends, strict=True)]
    strategy = ray.data.TaskPoolStrategy if tasks else ray.data.ActorPoolStrategy
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    dataset = ray.data.from_arrow(blocks).map_batches(
        _in_batches(work, results),
        batch_size=1,
        batch_format="pyarrow",
        zero_copy_batch=True,
        compute=strategy(size=at_once and min(at_once, len(blocks))),
        **options,
    )
    dataset.context.enable_progress_bars = False
    dataset.context.print_on_execution_start = False
    dataset.context.target_max_block_size = 1  # results come as they are made, not when their task ends
    for row in dataset.iter_rows():
        if row[_ERROR] is not None:
            raise XrayError(row[_ERROR])
        yield row


def guided(count: int, workers: int) -> list[int]:
    """How many shards to hand out at a time: many at first, one by one at the end.

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


def _in_batches(work: Any, results: pa.Schema) -> Any:
    """The work as Ray Data calls it: on a table of one row, for a table of one row."""
    if not isinstance(work, type):
        return functools.partial(_one_row, work, results)

    class Batches(work):  # type: ignore[misc]
        def __call__(self, batch: pa.Table) -> pa.Table:
            return _one_row(super().__call__, results, batch)

    Batches.__name__ = work.__name__
    return Batches


def _one_row(work: Callable[[str], dict[str, Any]], results: pa.Schema, batch: pa.Table) -> pa.Table:
    """What the work returns; what the user can mend comes back as text, since Ray keeps no exception's own class."""
    nullable = pa.schema([field.with_nullable(True) for field in (*results, pa.field(_ERROR, pa.string()))])
    try:
        row = {**work(batch["shard"][0].as_py()), _ERROR: None}
    except XrayError as error:
        row = {**dict.fromkeys(results.names), _ERROR: str(error)}
    return pa.Table.from_pylist([row], schema=nullable)
