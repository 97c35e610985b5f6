"""A cluster that grows and shrinks: a head without GPUs, nodes with logical ones that come when they are asked for."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from clusters import TESTS, WATCH_GPUS, Head, growing_head
from pooled import made_files, made_here, planned, pooled_folder, pooled_values

from xray.errors import XrayError
from xray.growth import await_gpus

COMMAND = (sys.executable, "-c", "from xray.cli import main; main()")


@pytest.fixture
def cluster() -> Iterator[Head]:
    with growing_head(gpu_nodes=2, idle_seconds=6.0) as started:
        yield started


def test_gpus_come_when_they_are_asked_for_and_go_when_nobody_needs_them(cluster: Head, tmp_path: Path) -> None:
    folder = pooled_folder(tmp_path / "here", per_category=4)
    (folder / "desk" / "late").write_text("200")
    on_gpus = {"gpus": 2, "refine": {"device": "cpu", "gpus": 0.2}, "paint": {"device": "cpu", "gpus": 0.8}}
    run = planned(folder, pooled_values(folder, pools=on_gpus))
    environment = {**cluster.environment, "RAY_ADDRESS": cluster.gcs, "PYTHONPATH": str(TESTS)}
    seen = tmp_path / "seen"
    with seen.open("w") as log:
        watch = subprocess.Popen([sys.executable, "-c", WATCH_GPUS], env=environment, stdout=log)
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


def test_gpus_that_do_not_come_are_given_up(ray_with_gpus: None) -> None:
    """A session of four logical GPUs, which does not grow."""
    await_gpus(4, seconds=0)
    await_gpus(None, seconds=0)
    with pytest.raises(XrayError, match=r"the cluster has 4 GPUs after 0 s, and `pools\.gpus` asks for 5"):
        await_gpus(5, seconds=0)
    assert [group["state"] for group in ray.util.placement_group_table().values()] == ["REMOVED"]


def nodes(log: Path) -> list[tuple[float, float]]:
    """When how many GPUs were there."""
    lines = [line.split() for line in log.read_text().splitlines()]
    return [(float(when), float(gpus)) for when, gpus in lines] or [(0.0, 0.0)]
