"""From nothing to a finished job, and from no GPU to two and back: how long it takes on this machine.

    python benchmarks/cluster.py [job] [growth]

- job: a head with a job server is started, `ray job submit` runs the smoke recipe through all stages; its images are
  compared, byte by byte, with those of `xray generate` in a process beside it;
- growth: a head without GPUs, whose autoscaler starts nodes with logical ones, makes a run that asks for two.

Clusters are started as the tests start theirs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.clusters import ROOT, TESTS, WATCH_GPUS, growing_head, head
from support.tiny_pools import planned, pooled_folder, pooled_values

XRAY = (sys.executable, "-c", "from xray.cli.app import main; main()")
SMOKE = "jobs/recipes/smoke.yaml"
IDLE_SECONDS = 10.0


def hashes(run: Path) -> dict[str, str]:
    """SHA-256 of the files of IMAGES and MASKS."""
    files = [path for kind in ("images", "masks") for path in (run / kind).iterdir()]
    return {f"{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def job(folder: Path) -> dict[str, float | bool]:
    started = time.perf_counter()
    with head("--num-cpus=2") as cluster:
        up = time.perf_counter() - started
        done = cluster.submit("smoke", "python", "jobs/pipeline.py", SMOKE, str(folder / "{job}"))
        seconds = time.perf_counter() - started
    (told,) = (json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"verb"'))
    for command in (("plan", SMOKE), ("generate",)):
        subprocess.run([*XRAY, *command, str(folder / "here")], cwd=ROOT, check=True, capture_output=True)
    equal = hashes(folder / "smoke") == hashes(folder / "here")
    print(f"job: cluster up after {up:.1f} s, smoke recipe done after {seconds:.1f} s, images equal: {equal}")
    return {"job_cold_s": round(seconds, 1), "job_exit": told["exit"], "job_equal": equal}


def growth(folder: Path) -> dict[str, float | bool]:
    here = pooled_folder(folder / "growth", per_category=6)
    (here / "desk" / "late").write_text("200")
    pools = {"gpus": 2, "refine": {"device": "cpu", "gpus": 0.2}, "paint": {"device": "cpu", "gpus": 0.8}}
    run = planned(here, pooled_values(here, pools=pools))
    with growing_head(IDLE_SECONDS, gpu_nodes=2) as cluster, (here / "seen").open("w") as log:
        environment = {**cluster.environment, "RAY_ADDRESS": cluster.gcs, "PYTHONPATH": str(TESTS)}
        watch = subprocess.Popen([sys.executable, "-c", WATCH_GPUS], env=environment, stdout=log)
        try:
            started = time.time()
            subprocess.run([*XRAY, "generate", run.uri], env=environment, check=True, capture_output=True)
            ended = time.time()
            while (seen := gpus(here / "seen"))[-1][1] or time.time() - ended < 1:
                time.sleep(0.5)
        finally:
            watch.kill()
            watch.wait()
    there = next(when for when, count in seen if count == 2) - started
    gone = next(when for when, count in seen if not count and when > ended) - ended
    print(f"growth: 2 GPUs after {there:.1f} s, none {gone:.1f} s after the end (idle timeout {IDLE_SECONDS:g} s)")
    return {"gpus_there_s": round(there, 1), "gpus_gone_s": round(gone, 1), "idle_timeout_s": IDLE_SECONDS}


def gpus(log: Path) -> list[tuple[float, float]]:
    """When how many GPUs were there."""
    return [(float(when), float(count)) for when, count in map(str.split, log.read_text().splitlines())]


PARTS = {"job": job, "growth": growth}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("parts", nargs="*", metavar="PART", help="job, growth; default: both")
    figures: dict[str, float | bool] = {}
    with tempfile.TemporaryDirectory() as name:
        for part in options.parse_args().parts or PARTS:
            figures |= PARTS[part](Path(name))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
