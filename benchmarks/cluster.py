"""Time from nothing to a finished job, and from no GPU to two and back, on this machine.

    python benchmarks/cluster.py [job] [growth] [--tiny]

- job: a head with a job server is started, `ray job submit` runs the smoke recipe through all stages; its images are
  compared, byte by byte, with those of `xray generate` in a process beside it;
- growth: a head without GPUs, whose autoscaler starts nodes with logical ones, makes a run that asks for two.
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
from typing import Any

from support.clusters import ROOT, WATCH_GPUS, growing_head, head
from support.runs import planned

XRAY = (sys.executable, "-c", "from xray.cli.main import main; main()")
SMOKE = "jobs/recipes/smoke.yaml"
HERE = Path(__file__).parent


def hashes(run: Path) -> dict[str, str]:
    """Return the SHA-256 of all files of IMAGES and MASKS."""
    files = [path for kind in ("images", "masks") for path in (run / kind).iterdir()]
    return {f"{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def job(folder: Path) -> dict[str, float | bool]:
    started = time.perf_counter()
    with head("--num-cpus=2") as cluster:
        up = time.perf_counter() - started
        done = cluster.submit("smoke", "python", "jobs/pipeline.py", SMOKE, str(folder / "{job}"))
        seconds = time.perf_counter() - started
    (summary,) = (json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"verb"'))
    for command in (("plan", SMOKE), ("generate",)):
        subprocess.run([*XRAY, *command, str(folder / "here")], cwd=ROOT, check=True, capture_output=True)
    equal = hashes(folder / "smoke") == hashes(folder / "here")
    print(f"job: cluster up after {up:.1f} s, smoke recipe done after {seconds:.1f} s, images equal: {equal}")
    return {"job_cold_s": round(seconds, 1), "job_exit": summary["exit"], "job_equal": equal}


def sleeping_recipe(folder: Path, notes: Path) -> dict[str, Any]:
    """Return a recipe of one refiner and two inpainters on logical GPUs, with models that sleep."""
    notes.mkdir(parents=True)
    model = {"seconds": 0.2, "notes": str(notes), "actors": 3}
    given = {"kind": "png", "root": str(folder / "masks")}
    return {
        "masks": {"annotations": given, "refine": {"kind": "support.sleeping:SleepingSam", **model}},
        "scenarios": [{"kind": "generated_background", "painter": {"kind": "support.sleeping:SleepingSdxl", **model}}],
        "pools": {"gpus": 2, "refine": {"device": "cpu", "gpus": 0.2}, "paint": {"device": "cpu", "gpus": 0.8}},
        "shard_size": 2,
    }


def growth(folder: Path, images: int, idle_seconds: float) -> dict[str, float | bool]:
    here = folder / "growth"
    run = planned(here, images, **sleeping_recipe(here, here / "notes"))
    with growing_head(idle_seconds, gpu_nodes=2, plugins=HERE) as cluster, (here / "seen").open("w") as log:
        environment = {**cluster.environment, "RAY_ADDRESS": cluster.gcs, "PYTHONPATH": str(HERE)}
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
    print(f"growth: 2 GPUs after {there:.1f} s, none {gone:.1f} s after the end (idle timeout {idle_seconds:g} s)")
    return {"gpus_there_s": round(there, 1), "gpus_gone_s": round(gone, 1), "idle_timeout_s": idle_seconds}


def gpus(log: Path) -> list[tuple[float, float]]:
    """Return times and numbers of GPUs."""
    return [(float(when), float(count)) for when, count in map(str.split, log.read_text().splitlines())]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("parts", nargs="*", metavar="PART", help="job, growth; default: both")
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    size = (8, 3.0) if chosen.tiny else (48, 10.0)
    parts = {"job": job, "growth": lambda folder: growth(folder, *size)}
    figures: dict[str, float | bool] = {}
    with tempfile.TemporaryDirectory() as name:
        for part in chosen.parts or parts:
            figures |= parts[part](Path(name))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
