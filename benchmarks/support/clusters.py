"""Ray clusters with a job server, started by `ray start` as a user does, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
RAY = (sys.executable, "-c", "from ray.scripts.scripts import main; main()")
_HEAD_NODE = "f" * 51 + "00000"
WATCH_GPUS = """
import ray, time
ray.init(log_to_driver=False, logging_level="ERROR")
while True:
    print(time.time(), sum(node["Alive"] and node["Resources"].get("GPU", 0) for node in ray.nodes()), flush=True)
    time.sleep(0.5)
"""
"""A program that prints times and numbers of GPUs."""


@dataclass(frozen=True)
class Head:
    """A running head node.

    Args:
        dashboard: address of its job server.
        gcs: address that drivers and nodes join at.
        metrics: address that Prometheus reads.
        environment: of a client with the token.
        logs: folder of its processes' logs.
    """

    dashboard: str
    gcs: str
    metrics: str
    environment: Mapping[str, str]
    logs: Path

    def ray(self, *words: str, check: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `ray …` with the token."""
        return subprocess.run(
            [*RAY, *words], env={**self.environment, **more}, cwd=ROOT, capture_output=True, text=True, check=check
        )

    def submit(self, name: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Submit a job with the repository, and wait for its end."""
        where = ("--address", self.dashboard, "--working-dir", ".", "--submission-id", name)
        return self.ray("job", "submit", *where, "--", *command, check=check)


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def head(
    *options: str, address: str = "127.0.0.1", port: int | None = None, token: bool = True, **more: str
) -> Iterator[Head]:
    """Start a head node with a dashboard, and end all its processes afterwards; it refuses clients without its token.

    Args:
        options: of `ray start`.
        address: that it listens on.
        port: that drivers and nodes join at; default: a free one.
        token: whether there is one.
        more: environment variables of its processes.
    """
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # of a short name: Ray's sockets lie in it
    secret = folder / "token"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_hex(32))
    names = ("port", "dashboard-port", "dashboard-agent-listen-port", "dashboard-agent-grpc-port",
             "runtime-env-agent-port", "metrics-export-port")  # fmt: skip
    ports = {name: free_port() for name in names} | ({"port": port} if port else {})
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    mine["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), mine["PATH"]])  # a job's `python` is this one
    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(secret)} if token else {"RAY_AUTH_MODE": "disabled"}
    environment = {**mine, **auth, "RAY_USAGE_STATS_ENABLED": "0"}
    more = {"RAY_metrics_report_interval_ms": "500", **more}
    arguments = [f"--{name}={port}" for name, port in ports.items()]
    command = [*RAY, "start", "--head", "--block", f"--node-ip-address={address}", f"--temp-dir={folder / 'r'}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, *arguments, *options],
            env={**environment, **more},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        dashboard = f"http://127.0.0.1:{ports['dashboard-port']}"
        _await(process, dashboard, folder / "log")
        metrics = f"http://127.0.0.1:{ports['metrics-export-port']}/metrics"
        yield Head(dashboard, f"{address}:{ports['port']}", metrics, environment, folder / "r/session_latest/logs")
    finally:
        for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _await(process: subprocess.Popen[bytes], dashboard: str, log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{dashboard}/api/version", timeout=2).close()
            return
        except urllib.error.HTTPError:
            return  # it asks for a token: it is there
        except OSError:
            time.sleep(0.2)
    raise OSError(log.read_text())


@contextlib.contextmanager
def growing_head(
    idle_seconds: float, *, gpu_nodes: int = 0, cpu_nodes: int = 0, cpus: int = 2, plugins: Path = ROOT / "tests"
) -> Iterator[Head]:
    """Start a head without GPUs whose autoscaler starts nodes on demand, as processes of this machine.

    Args:
        idle_seconds: after which a node leaves that nobody uses.
        gpu_nodes: with a logical GPU, at most.
        cpu_nodes: without, at most.
        cpus: of the head.
        plugins: folder that workers import plug-ins from.
    """
    from ray.util import get_node_ip_address

    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "autoscaling.json"
        config.write_text(
            json.dumps(_growing(gpu_nodes, cpu_nodes, cpus, idle_seconds, f"{get_node_ip_address()}:{port}"))
        )
        grows = {"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1",
                 "RAY_OVERRIDE_NODE_ID_FOR_TESTING": _HEAD_NODE, "PYTHONPATH": str(plugins)}  # fmt: skip
        with head(f"--num-cpus={cpus}", f"--autoscaling-config={config}", port=port, **grows) as started:
            yield started


def _growing(gpu_nodes: int, cpu_nodes: int, cpus: int, idle_seconds: float, gcs: str) -> dict[str, Any]:
    """Return an autoscaler configuration; Ray's wheel lacks the defaults of its own test provider."""
    nothing = ("initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands",
               "head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files",
               "file_mounts_sync_continuously")  # fmt: skip
    return {
        "cluster_name": "growing", "max_workers": gpu_nodes + cpu_nodes, "upscaling_speed": 10.0,
        "idle_timeout_minutes": idle_seconds / 60, "auth": {}, "docker": {}, "file_mounts": {},
        "provider": {"type": "fake_multinode", "gcs_address": gcs, "disable_node_updaters": True,
                     "disable_launch_config_check": True, "use_node_id_as_ip": True},
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": cpus}, "node_config": {}, "max_workers": 0},
            "cpu": {"resources": {"CPU": 2}, "node_config": {}, "min_workers": 0, "max_workers": cpu_nodes},
            "gpu": {"resources": {"CPU": 2, "GPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": gpu_nodes},
        },
        **{name: [] for name in nothing},
    }  # fmt: skip
