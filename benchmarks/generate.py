"""Speed of `xray generate` beside an ideal program, a Pillow script and naive Ray Data, in turns.

    python benchmarks/generate.py --images 1024 --rounds 3

- ideal: two processes that call the same function on the same shards, with nothing to schedule, resume or watch;
- pillow: the script that a user would write, Pillow and a pool of two processes, files in folders;
- naive_ray: one row per image and scenario, `map` by row, `write_parquet`.

All make the same number of images from the same photographs with two processes. Ratios are of times in the same round.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

# The same for all: ordinary niceness, one thread, and an allocator that keeps its buffers.
os.environ |= {"RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1"}
os.environ |= {"MALLOC_TRIM_THRESHOLD_": "100000000", "MALLOC_MMAP_THRESHOLD_": "100000000"}

import cv2
import ray
from support import rivals
from support.photographs import write_photographs
from support.runs import cpu_seconds, planned

from xray.cluster.session import connected
from xray.core.images import decode, encode
from xray.pipeline.generate.generate import generate
from xray.pipeline.generate.workers import render_shard
from xray.runs.folder import RunFolder
from xray.scenarios import Photo, build_scenario

PROCESSES = 2


class Race:
    """The rivals on the same photographs; each method makes all images once."""

    def __init__(self, folder: Path, images: int) -> None:
        self.folder = folder
        self.run = planned(folder, images)
        self.pool = ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn"))
        list(
            self.pool.map(
                render_shard, *zip(*[(self.copy("warm"), shard) for shard in self.run.plan.shards()[:4]], strict=True)
            )
        )

    def copy(self, name: str) -> str:
        """Copy the planned run."""
        target = self.folder / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.folder / "plan", target)
        return str(target)

    def xray(self, uri: str) -> None:
        generate(RunFolder(uri))

    def ideal(self, uri: str) -> None:
        shards = self.run.plan.shards()
        for _ in self.pool.map(render_shard, [uri] * len(shards), shards):
            pass

    def pillow(self, uri: str) -> None:
        source = {row["image_id"]: row for row in self.run.store.table("source").to_pylist()}
        rows = [row for row in self.run.store.table("plan").to_pylist() if row["donor_uri"]]
        items = [
            tuple(
                uri_.removeprefix("file://")
                for uri_ in (
                    source[row["image_id"]]["uri"],
                    source[row["image_id"]]["mask_uri"],
                    row["donor_uri"],
                    f"{uri}/made",
                )
            )
            for row in rows
        ]
        for _ in self.pool.map(rivals.pillow_script, items, chunksize=8):
            pass

    def naive_ray(self, uri: str) -> None:
        source = {row["image_id"]: row for row in self.run.store.table("source").to_pylist()}
        rows = [{"source": source[row["image_id"]], "plan": row} for row in self.run.store.table("plan").to_pylist()]
        ray.data.from_items(rows).map(rivals.render_row(self.run.uri)).write_parquet(f"{uri}/made")

    def time(self, contestant: Callable[[str], None]) -> tuple[float, float]:
        """Return wall and CPU seconds of one contestant."""
        uri = self.copy(contestant.__name__)
        os.sync()
        cpu, wall = cpu_seconds(), time.perf_counter()
        contestant(uri)
        spent = time.perf_counter() - wall, cpu_seconds() - cpu
        shutil.rmtree(uri)
        return spent


def transparent(images: int) -> tuple[float, float]:
    """Return speed-up and share of the bytes of our PNG of a cut-out, beside Pillow's default."""
    scenario = build_scenario("transparent")
    with tempfile.TemporaryDirectory() as name:
        write_photographs(Path(name), images, seed=1)
        speedups, shares = [], []
        for path in sorted(Path(name).glob("photos/*/*.jpg")):
            image = decode(path.read_bytes()).image
            mask = cv2.imread(str(path).replace("photos", "masks").replace(".jpg", ".png"), cv2.IMREAD_GRAYSCALE)
            started = time.perf_counter()
            ours = encode(scenario.render(Photo(image, mask > 0), seed=0).image, "png")
            middle = time.perf_counter()
            theirs = rivals.transparent_png(image, mask)
            speedups.append((time.perf_counter() - middle) / (middle - started))
            shares.append(len(ours) / len(theirs))
    return statistics.median(speedups), statistics.median(shares)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=1024)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--folder", type=Path, default=None, help="where to work; default: a temporary folder")
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    if chosen.tiny:
        chosen.images, chosen.rounds = 8, 1
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name, connected(workers=PROCESSES):
        race = Race(Path(name), chosen.images)
        contestants = [race.xray, race.ideal, race.pillow, race.naive_ray]
        race.time(race.xray)  # warm: workers started, libraries imported
        ratios: dict[str, list[float]] = {}
        for number in range(chosen.rounds):
            order = contestants[number % 4 :] + contestants[: number % 4]
            spent = {contestant.__name__: race.time(contestant) for contestant in order}
            wall, cpu = spent["xray"]
            for rival in ("ideal", "pillow", "naive_ray"):
                ratios.setdefault(f"vs_{rival}", []).append(spent[rival][0] / wall)
            ratios.setdefault("cpu_vs_ideal", []).append(cpu / spent["ideal"][1])
            line = ", ".join(f"{who} {seconds:.1f} s ({cpu:.1f} CPU-s)" for who, (seconds, cpu) in spent.items())
            print(f"round {number + 1}: {line}", flush=True)
        rows = race.run.plan.planned_rows()
        race.pool.shutdown()
    print(f"{chosen.images:,} photographs, {rows:,} images; medians of {chosen.rounds} rounds (lowest to highest)")
    for ratio, values in ratios.items():
        print(f"  {ratio:13} {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})")
    speedup, share = transparent(2 if chosen.tiny else 20)
    print(f"  transparent PNG: {speedup:.1f} × as fast as Pillow's default, {share:.2f} of its bytes")
    figures = {ratio: round(statistics.median(values), 3) for ratio, values in ratios.items()}
    print(json.dumps({**figures, "transparent_speedup": round(speedup, 1), "transparent_bytes": round(share, 3)}))


if __name__ == "__main__":
    main()
