"""Makes many tiny images with two workers and looks for leaks; then repeats the command, which has nothing to do.

    python tests/chaos soak --images 100000

`driver_growth_mb` is the driver's memory (USS) at the end less that when a tenth was made; `descriptors_growth` and
`threads_growth` likewise; `processes_left` live after the session has ended. `resume_s` is the wall time of the whole
command `xray generate RUN` when all is done, `resume_verb_s` that of the verb alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ |= {"RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}

import cv2
import numpy as np
import psutil

from benchmarks.support.photographs import CATEGORIES
from xray.cluster.session import connected
from xray.core.images import encode
from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE
from xray.runs.recipe import recipe_from

SCENARIOS = ["original", "blur_background", "image_r", "segmented", "bright_background"]
HEIGHT, WIDTH = 48, 64


def write_tiny(folder: Path, count: int) -> None:
    """Write so many small photographs, with masks."""
    draw = np.random.default_rng(0)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (WIDTH // 2, HEIGHT // 2), (18, 14), 0, 0, 360, 255, -1)
    encoded = encode(mask, "png")
    for number in range(count):
        coarse = draw.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        photo = encode(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))
        name = f"{list(CATEGORIES)[number % 2]}/{number:06d}"
        for path, data in ((folder / f"photos/{name}.jpg", photo), (folder / f"masks/{name}.png", encoded)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


class Gauge(threading.Thread):
    """A thread that measures the driver every half second, with the share of finished shards.

    Args:
        run: the run in progress.
    """

    def __init__(self, run: RunFolder) -> None:
        super().__init__(daemon=True)
        self.run_, self.shards = run, len(run.plan.shards())
        self.over = threading.Event()
        self.taken: list[tuple[float, int, int, int]] = []

    def run(self) -> None:
        process = psutil.Process()
        while not self.over.wait(0.5):
            share = len(self.run_.store.done(GENERATE)) / self.shards
            self.taken.append((share, process.memory_full_info().uss, process.num_fds(), process.num_threads()))

    def growth(self) -> tuple[float, int, int]:
        """Return the growth of memory (MB), descriptors and threads, from a tenth of the run to its end.

        Descriptors and threads come and go; what leaks stays, and so raises the minimum of a stretch of the run.
        """
        steady = [one for one in self.taken if one[0] >= 0.1]
        stretch = max(1, len(steady) // 4)
        first, last = steady[:stretch], steady[-stretch:]
        descriptors, threads = (min(one[k] for one in last) - min(one[k] for one in first) for k in (2, 3))
        return (steady[-1][1] - steady[0][1]) / 1e6, descriptors, threads


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=100_000)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tiny(folder, chosen.images // len(SCENARIOS))
        recipe = recipe_from(
            {
                "categories": CATEGORIES,
                "source": {"kind": "imagefolder", "root": str(folder / "photos")},
                "masks": {"annotations": {"kind": "png", "root": str(folder / "masks")}},
                "scenarios": SCENARIOS,
            }
        )
        run = RunFolder(str(folder / "run"))
        write_plan(run, recipe, survey(recipe))
        with connected(workers=2):
            processes = psutil.Process().children(recursive=True)
            gauge = Gauge(run)
            gauge.start()
            started = time.monotonic()
            made = generate(run)
            seconds = time.monotonic() - started
            gauge.over.set()
            gauge.join()
            processes += psutil.Process().children(recursive=True)
        memory, descriptors, threads = gauge.growth()
        left = psutil.wait_procs(set(processes), timeout=30)[1]
        started = time.monotonic()
        generate(RunFolder(run.uri))
        verb = time.monotonic() - started
        started = time.monotonic()
        command = [sys.executable, "-c", "from xray.cli.main import main; main()", "generate", run.uri]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        resumed = time.monotonic() - started
    peak = max(one[1] for one in gauge.taken) / 1e6
    print(f"{made.ok:,} images in {seconds:.0f} s; the driver had at most {peak:.0f} MB")
    figures = {
        "images": made.ok,
        "shards": made.shards,
        "driver_growth_mb": round(memory, 1),
        "descriptors_growth": descriptors,
        "threads_growth": threads,
        "processes_left": len(left),
        "resume_s": round(resumed, 2),
        "resume_verb_s": round(verb, 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
