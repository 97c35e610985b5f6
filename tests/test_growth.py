"""A cluster that grows and shrinks: a head without GPUs, nodes with logical ones that come when they are asked for."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import Head, free_port, head
from pooled import made_files, made_here, planned, pooled_folder, pooled_values
from ray.util import get_node_ip_address

IDLE_SECONDS = 6.0
PLUGINS = str(Path(__file__).parent)
COMMAND = (sys.executable, "-c", "from xray.cli import main; main()")
HEAD_NODE = "f" * 51 + "00000"


def growing(gpu_nodes: int, gcs: str) -> dict[str, Any]:
    """Configuration of an autoscaler whose nodes are processes of this machine."""
    nothing = ("initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands",
               "head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files",
               "file_mounts_sync_continuously")  # fmt: skip
    return {
        "cluster_name": "growing", "max_workers": gpu_nodes, "upscaling_speed": 10.0,
        "idle_timeout_minutes": IDLE_SECONDS / 60, "auth": {}, "docker": {}, "file_mounts": {},
        "provider": {"type": "fake_multinode", "gcs_address": gcs, "disable_node_updaters": True,
                     "disable_launch_config_check": True, "use_node_id_as_ip": True},
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 2}, "node_config": {}, "max_workers": 0},
            "gpu": {"resources": {"CPU": 2, "GPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": gpu_nodes},
        },
        **{name: [] for name in nothing},
    }  # fmt: skip


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Head]:
    config = tmp_path / "autoscaling.json"
    port = free_port()
    config.write_text(json.dumps(growing(2, f"{get_node_ip_address()}:{port}")))
    grows = {"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1", "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_NODE,
             "PYTHONPATH": PLUGINS}  # fmt: skip
    with head("--num-cpus=2", f"--autoscaling-config={config}", port=port, **grows) as started:
        yield started


WATCH = """
import ray, time
ray.init(log_to_driver=False, logging_level="ERROR")
while True:
    print(time.time(), sum(node["Alive"] and node["Resources"].get("GPU", 0) for node in ray.nodes()), flush=True)
    time.sleep(0.5)
"""


def test_gpus_come_when_they_are_asked_for_and_go_when_nobody_needs_them(cluster: Head, tmp_path: Path) -> None:
    folder = pooled_folder(tmp_path / "here", per_category=4)
    (folder / "desk" / "late").write_text("200")
    on_gpus = {"gpus": 2, "refine": {"device": "cpu", "gpus": 0.2}, "paint": {"device": "cpu", "gpus": 0.8}}
    run = planned(folder, pooled_values(folder, pools=on_gpus))
    environment = {**cluster.environment, "RAY_ADDRESS": cluster.gcs, "PYTHONPATH": PLUGINS}
    seen = tmp_path / "seen"
    with seen.open("w") as log:
        watch = subprocess.Popen([sys.executable, "-c", WATCH], env=environment, stdout=log)
    try:
        done = subprocess.run(
            [*COMMAND, "generate", run.uri], env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr
        ended = time.time()
        while nodes(seen)[-1][1] > 0:
            assert time.time() - ended < 120, "the GPUs stay"
            time.sleep(0.5)
    finally:
        watch.kill()
        watch.wait()
    counts = [count for _, count in nodes(seen)]
    assert (counts[0], max(counts), counts[-1]) == (0, 2, 0)
    calm = planned(folder, pooled_values(folder, pools=on_gpus), "calm")
    made_here(calm, [{"CPU": 4.0, "GPU": 2.0}])
    assert made_files(run) == made_files(calm)


def nodes(log: Path) -> list[tuple[float, float]]:
    """When how many GPUs were there."""
    lines = [line.split() for line in log.read_text().splitlines()]
    return [(float(when), float(gpus)) for when, gpus in lines] or [(0.0, 0.0)]
