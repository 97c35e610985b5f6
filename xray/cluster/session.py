"""Connection to Ray: an existing session, a cluster, or a local session started by xray."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray

from xray.cluster.security import keep_token_private, refuse_open_cluster
from xray.core.errors import ResourceError

_log = logging.getLogger(__name__)
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
_KEEP_MEMORY = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
WORKER_ENVIRONMENT = {**dict.fromkeys(_ONE_THREAD, "1"), **dict.fromkeys(_KEEP_MEMORY, "100000000")}
"""One thread per worker. Glibc keeps freed buffers: returning and faulting them in takes longer than a blur."""


def worker_environment() -> dict[str, str]:
    """Return the environment variables of workers, including this process's folders of weights and cache."""
    folders = {name: os.environ[name] for name in ("XRAY_WEIGHTS", "XRAY_CACHE") if os.environ.get(name)}
    variables = {**WORKER_ENVIRONMENT, **{name: str(Path(folder).absolute()) for name, folder in folders.items()}}
    job = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") or "{}").get("runtime_env") or {}
    set_by_job = job.get("env_vars") or {}  # Ray refuses a variable that a submitted job and this process both set
    return {name: value for name, value in variables.items() if name not in set_by_job}


@contextlib.contextmanager
def connected(workers: int | None = None) -> Iterator[None]:
    """Connect to Ray: to the session of this process, the cluster at `RAY_ADDRESS`, or a new local session.

    A new local session ends with the block; an existing session or cluster keeps running.

    Args:
        workers: CPUs of a new local session; default: all of this machine.

    Raises:
        XrayError: no Ray cluster at `RAY_ADDRESS`, authentication failed, or the cluster accepts unauthenticated
            clients.
    """
    if ray.is_initialized():
        _refuse_if_open()
        yield
        return
    address = os.environ.get("RAY_ADDRESS", "local")
    if address.startswith(("http://", "https://")):
        raise ResourceError(
            f"RAY_ADDRESS={address} is the address for submitting jobs. To run this command, set RAY_ADDRESS=auto on a "
            "node of the cluster, or HOST:6379 of its head; without RAY_ADDRESS the command runs on this machine"
        )
    local: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    if local:
        keep_token_private()
        # Every session but the last leaves a thread of this exporter behind, which can crash the process at exit.
        os.environ.setdefault("RAY_enable_open_telemetry", "0")
    with _announced(address), _quiet_start() if local else contextlib.nullcontext(), _own_signals():
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": worker_environment()},
                **local,
            )
        except ConnectionError as error:
            raise ResourceError(f"no Ray cluster at RAY_ADDRESS={address}, or it cannot be reached: {error}") from error
        except ray.exceptions.AuthenticationError as error:
            message = " ".join(str(error).split())
            raise ResourceError(f"authentication failed at RAY_ADDRESS={address}: {message}") from error
        except OSError as error:
            folder = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
            raise ResourceError(
                f"Ray cannot use the temporary folder {folder} ({error}). Set RAY_TMPDIR to a short path on a local "
                "disk, such as /tmp; it replaces TMPDIR for Ray alone"
            ) from error
        except Exception as error:
            if type(error) not in (Exception, RuntimeError):  # Ray has no class for a node that does not start in time
                raise
            message = " ".join(str(error).split())
            raise ResourceError(
                f"Ray did not start: {message} Committed data is safe; run the command again"
            ) from error
    try:
        _refuse_if_open()
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _announced(address: str) -> Iterator[None]:
    """Log that Ray starts, and how long it took: otherwise the command would be silent for seconds."""
    started = time.monotonic()
    _log.info("starting Ray …" if address == "local" else f"connecting to Ray at {address} …")
    yield
    _log.info(f"Ray is ready after {time.monotonic() - started:.1f} s")


def _refuse_if_open() -> None:
    addresses = [node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    refuse_open_cluster(ray.get_runtime_context().gcs_address, addresses)


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Hide Ray's output at the start of a local session, unless the start fails.

    Ray Data's actors always log an irrelevant error (Ray issue 53727). Lowering the log level hides it, but prints a
    line of its own from C++; hence the redirection of the file descriptor.
    """
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as output:
        terminal = os.dup(2)
        os.dup2(output.fileno(), 2)
        try:
            yield
        except BaseException:
            output.seek(0)
            os.write(terminal, output.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's SIGTERM handler: while connecting, Ray installs one that exits with the signal's number."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as error:
        if error.code == signal.SIGTERM and callable(before):
            before(signal.SIGTERM, None)
        raise
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)


def nodes() -> list[dict[str, float]]:
    """Return the resources of each live node by name, such as CPU, GPU, accelerator_type:A100."""
    return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def resources() -> dict[str, float]:
    """Return the total resources of the cluster by name."""
    return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]
