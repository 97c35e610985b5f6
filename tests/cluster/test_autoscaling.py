"""An autoscaling cluster: a head without GPUs, and nodes with logical ones that start on demand."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest
import ray
from support.paths import TESTS
from support.tiny_pools import logged, made_files, made_here, planned, pooled_folder, pooled_values

from benchmarks.support.clusters import WATCH_GPUS, Head, growing_head
from xray.cluster.autoscaling import await_gpus
from xray.core.errors import ResourceError
from xray.runs.counts import RowCounts
from xray.runs.receipts import GENERATE

COMMAND = (sys.executable, "-c", "from xray.cli.main import main; main()")


@pytest.fixture
def cluster() -> Iterator[Head]:
    with growing_head(idle_seconds=6.0, gpu_nodes=2) as started:
        yield started


@pytest.mark.slow
def test_gpu_nodes_start_on_demand_survive_a_loss_and_stop_when_idle(cluster: Head, tmp_path: Path) -> None:
    folder = pooled_folder(tmp_path / "here", per_category=4)
    (folder / "desk" / "late").write_text("400")
    on_gpus = {"gpus": 2, "refine": {"device": "cpu", "gpus": 0.2}, "paint": {"device": "cpu", "gpus": 0.8}}
    run = planned(folder, pooled_values(folder, pools=on_gpus))
    environment = {**cluster.environment, "RAY_ADDRESS": cluster.gcs, "PYTHONPATH": str(TESTS)}
    with watched_gpus(environment, tmp_path / "seen") as seen:
        generating = subprocess.Popen(
            [*COMMAND, "generate", run.uri],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while len({process for process, _ in logged(folder, "paint")}) < 2 and generating.poll() is None:
            time.sleep(0.05)
        nodes_with_gpus = raylets_with_gpus(cluster)
        assert len(nodes_with_gpus) == 2
        nodes_with_gpus[0].kill()
        left = run.plan.planned_rows() - RowCounts.of(run.store.receipts(GENERATE)).rows
        output, _ = generating.communicate(timeout=240)
        assert generating.returncode == 0, output
        ended = time.time()
        while nodes(seen)[-1][1] > 0:
            assert time.time() - ended < 120, "idle GPU nodes do not stop"
            time.sleep(0.5)
    assert left > 0
    counts = [count for _, count in nodes(seen)]
    assert (counts[0], max(counts), counts[-1]) == (0, 2, 0)
    golden = planned(folder, pooled_values(folder, pools=on_gpus), "golden")
    made_here(golden, [{"CPU": 4.0, "GPU": 2.0}])
    assert made_files(run) == made_files(golden)


@pytest.mark.slow
def test_a_head_without_cpus_gets_worker_nodes_for_all_stages(tmp_path: Path) -> None:
    """As every cluster of `deploy/` starts."""
    with growing_head(idle_seconds=30.0, cpu_nodes=1, cpus=0) as cluster:
        done = subprocess.run(
            [*COMMAND, "pipeline", "jobs/recipes/smoke.yaml", str(tmp_path / "run")],
            env={**cluster.environment, "RAY_ADDRESS": cluster.gcs},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    assert "112 predictions" in done.stdout


@contextlib.contextmanager
def watched_gpus(environment: Mapping[str, str], log: Path) -> Iterator[Path]:
    """Log the number of GPUs over time."""
    with log.open("w") as out:
        watch = subprocess.Popen([sys.executable, "-c", WATCH_GPUS], env=environment, stdout=out)
    try:
        yield log
    finally:
        watch.kill()
        watch.wait()


def raylets_with_gpus(cluster: Head) -> list[psutil.Process]:
    """Return the daemons of the nodes with a GPU; a node dies with its daemon."""
    port = cluster.gcs.rpartition(":")[2]
    return [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "raylet"
        and any("GPU,1" in word for word in process.info["cmdline"])
        and any(word.endswith(f":{port}") for word in process.info["cmdline"])
    ]


def test_waiting_for_gpus_has_a_limit(ray_session: None) -> None:
    """A session of four logical GPUs, which does not scale."""
    await_gpus(4, seconds=0)
    await_gpus(None, seconds=0)
    with pytest.raises(ResourceError, match=r"4 GPUs after 0 s.*pools\.gpus.* 5"):
        await_gpus(5, seconds=0)
    assert {group["state"] for group in ray.util.placement_group_table().values()} == {"REMOVED"}


def nodes(log: Path) -> list[tuple[float, float]]:
    """Return times with numbers of GPUs."""
    lines = re.findall(r"^([\d.]+) ([\d.]+)$", log.read_text(), re.MULTILINE)  # Ray prints in between
    return [(float(when), float(gpus)) for when, gpus in lines] or [(0.0, 0.0)]
