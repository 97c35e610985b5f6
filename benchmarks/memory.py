"""Memory of the driver with a hundred times more planned rows, and of a worker while it renders.

    python benchmarks/memory.py

The driver plans and resumes (reads what is done) for 10³ and for 10⁵ rows, each in a fresh process; a worker renders
shards of photographs, and its own peak is read (resident memory without what Ray shares between processes).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import psutil
from support.photographs import CATEGORIES, write_photographs
from support.runs import with_whole_donors

from xray.cluster.session import connected
from xray.core.images import encode
from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.recipe import Recipe, default_scenarios, recipe_from

SCENARIOS = 14


def recipe_for(folder: Path) -> Recipe:
    """Return a recipe with all scenarios of the folder's photographs."""
    return recipe_from(
        {
            "categories": CATEGORIES,
            "source": {"kind": "imagefolder", "root": str(folder / "photos")},
            "masks": {"annotations": {"kind": "png", "root": str(folder / "masks")}},
            "scenarios": with_whole_donors(default_scenarios()),
        }
    )


def small_photographs(folder: Path, count: int) -> None:
    """Write many tiny images, all different: the plan's size depends on their number only."""
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 255
    png = cv2.imencode(".png", mask)[1].tobytes()
    for number in range(count):
        name = list(CATEGORIES)[number % 2]
        photo = encode(np.full((40, 40, 3), (number // 65536, number // 256 % 256, number % 256), np.uint8))
        for kind, data, suffix in (("photos", photo, "jpg"), ("masks", png, "png")):
            path = folder / kind / name / f"{number:06d}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def drive(folder: Path) -> None:
    """Plan, generate and resume as a driver does; print rows and peak memory in MB."""
    import resource

    recipe = recipe_for(folder)
    run = RunFolder(str(folder / "run"))
    write_plan(run, recipe, survey(recipe))
    with connected(workers=2):
        generate(run)
    print(run.plan.planned_rows(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def driver_peak(images: int) -> tuple[int, float]:
    """Return planned rows and peak memory (MB) of a driver in a new process."""
    with tempfile.TemporaryDirectory() as name:
        small_photographs(Path(name), images)
        output = subprocess.run([sys.executable, __file__, "--drive", name], capture_output=True, text=True, check=True)
        rows, peak = output.stdout.split()[-2:]
        return int(rows), float(peak)


def worker_peak(images: int) -> float:
    """Return the peak unshared memory of a worker (MB), sampled while it renders."""
    import threading

    peak, stop = [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            for process in psutil.Process().children(recursive=True):
                try:
                    if process.name().startswith("ray::"):
                        memory = process.memory_info()
                        peak[0] = max(peak[0], (memory.rss - memory.shared) / 2**20)
                except psutil.NoSuchProcess:
                    continue

    with tempfile.TemporaryDirectory() as name, connected(workers=2):
        write_photographs(Path(name), images)
        recipe = recipe_for(Path(name))
        run = RunFolder(f"{name}/run")
        write_plan(run, recipe, survey(recipe))
        watcher = threading.Thread(target=watch)
        watcher.start()
        generate(run)
        stop.set()
        watcher.join()
    return peak[0]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    if chosen.drive:
        drive(chosen.drive)
        return
    rows, photographs = ((100, 300), 8) if chosen.tiny else ((1_000, 100_000), 256)
    few, little = driver_peak(rows[0] // SCENARIOS + 1)
    many, much = driver_peak(rows[1] // SCENARIOS + 1)
    print(f"driver: {little:.0f} MB for {few:,} rows, {much:.0f} MB for {many:,}")
    worker = worker_peak(photographs)
    print(f"worker: at most {worker:.0f} MB of its own")
    print(json.dumps({"driver_growth_mb": round(much - little, 1), "worker_mb": round(worker, 1)}))


if __name__ == "__main__":
    main()
