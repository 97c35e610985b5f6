"""Connection to Ray: an existing session, a cluster, or a local session started by xray."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants

from xray.cluster.security import keep_token_private, private_folder, refuse_open_cluster
from xray.cluster.watch import ending_with_ray
from xray.core.errors import ResourceError

_ANSWER_SECONDS = 10.0
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
    address = _address()
    local = _local_options(workers) if address == "local" else {}
    with _announced(address), _starting_locally() if local else _joining(address), _own_signals():
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
        with ending_with_ray() if local else contextlib.nullcontext():
            yield
    finally:
        ray.shutdown()


def _address() -> str:
    """Return `local`, `auto`, or the address of a cluster that answers; Ray itself would wait for minutes.

    Raises:
        XrayError: `RAY_ADDRESS` is something else, or nothing listens there.
    """
    address = os.environ.get("RAY_ADDRESS", "").strip() or "local"
    scheme, _, rest = address.rpartition("://")
    if address.lower() in ("local", "auto"):
        return address.lower()
    if scheme.lower() in ("http", "https"):
        raise ResourceError(
            f"RAY_ADDRESS={address} is the address for submitting jobs. To run this command, set RAY_ADDRESS=auto on a "
            "node of the cluster, or HOST:6379 of its head; without RAY_ADDRESS the command runs on this machine"
        )
    host, _, port = rest.rpartition(":")
    if scheme.lower() not in ("", "ray") or not host or not port.isdecimal() or not 0 < int(port[:6]) < 2**16:
        raise ResourceError(
            f"RAY_ADDRESS={address} is no address of a Ray cluster: write HOST:6379 of its head, auto on a node of the "
            "cluster, or nothing to run on this machine"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        raise ResourceError(f"no Ray cluster at RAY_ADDRESS={address}, or it cannot be reached: {error}") from error
    return address


def _local_options(workers: int | None) -> dict[str, Any]:
    """Prepare a local session that no other user and no other machine can enter; return arguments of `ray.init`."""
    keep_token_private()
    # Every session but the last leaves a thread of this exporter behind, which can crash the process at exit.
    os.environ.setdefault("RAY_enable_open_telemetry", "0")
    return {"num_cpus": workers, "include_dashboard": False, "_temp_dir": str(private_folder() / "ray")}


@contextlib.contextmanager
def _starting_locally() -> Iterator[None]:
    """Start Ray quietly, and on loopback: its services listen on the node's address, by default that of the network.

    Ray replaces an address of loopback by that of the network, but where it is to run on one machine only, which is
    its default on macOS and Windows (`RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER`) and is read once, on import.
    """
    with _on_loopback(), _quiet_start():
        yield


def _joining(address: str) -> contextlib.AbstractContextManager[None]:
    """Join a session by its address; one of loopback stays as it is if nothing answers at that of the network."""
    host, _, port = address.rpartition(":")
    if host not in ("127.0.0.1", "localhost", "[::1]"):
        return contextlib.nullcontext()
    try:
        socket.create_connection((_network_address(), int(port)), timeout=_ANSWER_SECONDS).close()
    except OSError:
        return _on_loopback()
    return contextlib.nullcontext()


def _network_address() -> str:
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


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
