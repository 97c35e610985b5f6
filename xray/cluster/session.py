"""Being connected to Ray: a session of our own on this machine, or a cluster, quietly and by permission."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray

from xray.cluster.security import keep_token_private, refuse_open_cluster
from xray.core.errors import XrayError

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
_KEEP_MEMORY = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
WORKER_ENVIRONMENT = {**dict.fromkeys(_ONE_THREAD, "1"), **dict.fromkeys(_KEEP_MEMORY, "100000000")}
"""One thread a worker; and glibc keeps freed buffers: giving them back and faulting them in costs more than a blur."""


def worker_environment() -> dict[str, str]:
    """What every worker's environment is to be; where this process was told where weights are, they are told, too."""
    folders = {name: os.environ[name] for name in ("XRAY_WEIGHTS", "XRAY_CACHE") if os.environ.get(name)}
    ours = {**WORKER_ENVIRONMENT, **{name: str(Path(folder).absolute()) for name, folder in folders.items()}}
    job = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") or "{}").get("runtime_env") or {}
    theirs = job.get("env_vars") or {}  # of a submitted job: Ray refuses to be told the same name twice
    return {name: value for name, value in ours.items() if name not in theirs}


@contextlib.contextmanager
def connected(workers: int | None = None) -> Iterator[None]:
    """Be connected to Ray: the session that is there, the cluster of `RAY_ADDRESS`, or one of our own on this machine.

    Args:
        workers: CPUs that a session of our own may use; default: all of this machine.

    A session of our own ends with the block; others stay as they were.

    Raises:
        XrayError: there is no Ray at `RAY_ADDRESS`, or one that lets us not in, or everybody who reaches it.
    """
    if ray.is_initialized():
        _refuse_if_open()
        yield
        return
    address = os.environ.get("RAY_ADDRESS", "local")
    if address.startswith(("http://", "https://")):
        raise XrayError(
            f"RAY_ADDRESS={address} is where jobs are submitted; a command of its own wants RAY_ADDRESS=auto on the "
            "cluster, or the head's HOST:6379; without RAY_ADDRESS it runs on this machine"
        )
    local: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    if local:
        keep_token_private()
    with _quiet_start() if local else contextlib.nullcontext(), _own_signals():
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": worker_environment()},
                **local,
            )
        except ConnectionError as error:
            raise XrayError(f"there is no Ray at RAY_ADDRESS={address}, or it cannot be reached: {error}") from error
        except ray.exceptions.AuthenticationError as error:
            said = " ".join(str(error).split())
            raise XrayError(f"the Ray at RAY_ADDRESS={address} does not let this process in: {said}") from error
    try:
        _refuse_if_open()
        yield
    finally:
        ray.shutdown()


def _refuse_if_open() -> None:
    addresses = [node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    refuse_open_cluster(ray.get_runtime_context().gcs_address, addresses)


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


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what SIGTERM does: while it connects, Ray has a handler of its own, that exits with the signal's number."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as end:
        if end.code == signal.SIGTERM and callable(before):
            before(signal.SIGTERM, None)
        raise
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without what Ray Tune tells on its own: the progress line and the outcome say it."""
    logger = logging.getLogger("ray.tune")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), _keys_untold():
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _keys_untold() -> Iterator[None]:
    """Keep Ray Tune from giving its workers the driver's AWS keys: they would stand in the dashboard and in Ray's logs.

    Those workers have what all others have, from their node.
    """
    from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

    keys = {name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")}
    ENV_VARS_TO_PROPAGATE.difference_update(keys)
    try:
        yield
    finally:
        ENV_VARS_TO_PROPAGATE.update(keys)


def nodes() -> list[dict[str, float]]:
    """What each machine of the cluster has, by name: CPU, GPU, accelerator_type:A100 and the like."""
    return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def resources() -> dict[str, float]:
    """What the cluster has together."""
    return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]
