"""Utilisation and scaling of GPU pools: the real pipeline, with models that sleep where real ones would compute.

    python benchmarks/pools.py [feed] [scaling] [memory] [--tiny]

SAM and Stable Diffusion are xray's own, around networks that sleep a fixed time for each image: reading, decoding,
resizing to the networks' frames, choosing and measuring masks, putting objects back, encoding and committing are the
real work. A pool is busy for its images times their sleep; what a sleep takes longer than asked for is idle time.

- feed: two pools that need the same time, on CPUs that have 1.2 times what they need; and refining alone, in turns;
- scaling: 1, 2, 4, 8 logical GPUs, each with an actor of both pools;
- memory: the size of Ray's object store while pools work as fast as they can, in a short run and in one four times
  as long.

An actor's time goes from its first batch to the last one of its pool. All actors load before one begins:
real weights take as long everywhere, and the few CPUs here bring up one actor after the other.

Runs at the niceness that it is given: `nice -n -10 python …` (as root) measures on a machine with other work.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import logging
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Workers are as nice as the driver, not 15 nicer.
os.environ |= {"RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

import numpy as np
import psutil
import ray
from support.photographs import CATEGORIES, write_photographs

from xray.cluster.placement import PoolState
from xray.cluster.session import worker_environment
from xray.pipeline.generate.generate import generate
from xray.pipeline.generate.preparation import mask
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.recipe import recipe_from

CORES = os.cpu_count() or 1
NICENESS = os.nice(0)
HEADROOM = 1.2
POOLS = ("refine", "paint")


@dataclass(frozen=True)
class Pool:
    """The log of a pool's actors.

    Args:
        actors: the batches of each: start and end (monotonic clock), images, and CPU seconds since the batch before.
        seconds: of sleep for each image.
    """

    actors: list[list[tuple[float, float, float, float]]]
    seconds: float

    @classmethod
    def of(cls, notes: Path, name: str, seconds: float) -> Pool:
        actors = []
        for file in sorted(notes.glob(f"{name}-*")):
            rows = [[float(word) for word in line.split()] for line in file.read_text().splitlines()]
            pairs = itertools.pairwise(rows)
            actors.append([(start, end, images, cpu - before) for (*_, before), (start, end, images, cpu) in pairs])
        return cls(actors, seconds)

    @property
    def batches(self) -> list[tuple[float, float, float, float]]:
        """All batches of all actors."""
        return [batch for actor in self.actors for batch in actor]

    @property
    def start(self) -> float:
        return min(start for start, *_ in self.batches)

    @property
    def end(self) -> float:
        return max(end for _, end, *_ in self.batches)

    @property
    def images(self) -> float:
        return self.count(self.start, self.end)

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / (self.end - self.start)

    @property
    def busy(self) -> float:
        """Share of the actors' time, 0–1, that the sleeps make up."""
        return self.images * self.seconds / sum(self.end - actor[0][0] for actor in self.actors)

    @property
    def busy_until_drained(self) -> float:
        """The same, until the first actor has nothing left to do: what a longer run comes close to."""
        drained = min(actor[-1][1] for actor in self.actors)
        images = sum(
            images * min(1.0, max(0.0, (drained - start) / (end - start))) for start, end, images, _ in self.batches
        )
        return images * self.seconds / sum(drained - actor[0][0] for actor in self.actors)

    def count(self, start: float, end: float) -> float:
        """Images between two moments."""
        return sum(images for _, done, images, _ in self.batches if start < done <= end)

    def cpu(self, start: float, end: float) -> float:
        """CPU seconds between two moments."""
        return sum(cpu for _, done, _, cpu in self.batches if start < done <= end)


class Cpus:
    """Looks at the machine's CPUs every second, and at what this process and all below it take of them."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Cpus:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        over = False
        while not over:  # at the start, every second, and at the end
            over = bool(self._seen) and self._over.wait(1.0)
            cpu = psutil.cpu_times()
            self._seen.append((time.monotonic(), cpu.user + cpu.nice + cpu.system + cpu.steal, _ours()))

    def cores(self, start: float, end: float) -> tuple[float, float]:
        """Cores that all work took, and ours of it, between two moments."""
        before = max((seen for seen in self._seen if seen[0] <= start), default=self._seen[0])
        after = min((seen for seen in self._seen if seen[0] >= end), default=self._seen[-1])
        elapsed, *spent = np.array(after) - np.array(before)
        return spent[0] / elapsed, spent[1] / elapsed


def _ours() -> float:
    """Return the CPU seconds of this process and of its live descendants."""
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


@dataclass(frozen=True)
class Result:
    """The result of one run: its pools, the CPUs of the machine, and the peak size of the object store in bytes."""

    pools: Mapping[str, Pool]
    cpus: Cpus
    object_store: float

    @property
    def busy(self) -> dict[str, float]:
        return {name: pool.busy for name, pool in self.pools.items()}

    @property
    def window(self) -> tuple[float, float]:
        """When all pools worked."""
        return max(pool.start for pool in self.pools.values()), min(pool.end for pool in self.pools.values())

    @property
    def cpu_seconds(self) -> float:
        """That an image takes in all pools together."""
        return sum(pool.cpu(*self.window) / pool.count(*self.window) for pool in self.pools.values())

    @property
    def cores(self) -> dict[str, float]:
        """Cores that were taken by the actors, by Ray's own processes, and by strangers."""
        start, end = self.window
        everybody, ours = self.cpus.cores(start, end)
        actors = sum(pool.cpu(start, end) for pool in self.pools.values()) / (end - start)
        return {"actors": actors, "ray": ours - actors, "strangers": everybody - ours}

    @property
    def free(self) -> float:
        """Cores that are left to the actors; strangers give way where we come first."""
        cores = self.cores
        return CORES - cores["ray"] - (cores["strangers"] if NICENESS >= 0 else 0)

    @property
    def headroom(self) -> float:
        """Cores that the actors could have had, for each that they took."""
        return self.free / self.cores["actors"]


class Bench:
    """Runs of the pipeline on drawn photographs."""

    def __init__(self, folder: Path, distinct: int) -> None:
        self.folder = folder
        self.distinct = distinct
        write_photographs(folder / "drawn", distinct)

    def _photographs(self, count: int) -> Path:
        """A folder of so many photographs; they come again under other names."""
        root = self.folder / str(count)
        for path in sorted(self.folder.glob("drawn/*/*/*")) if not root.exists() else ():
            *_, kind, category, _ = path.parts
            for again in range(int(path.stem), count, self.distinct):
                target = root / kind / category / f"{again:06d}{path.suffix}"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.hardlink_to(path)
        return root

    def planned(
        self, images: int, shard: int, seconds: Mapping[str, float], actors: int, pools: int
    ) -> tuple[RunFolder, Path]:
        """A run with a plan, and the folder of its actors' notes."""
        root, here = self._photographs(images), Path(tempfile.mkdtemp(dir=self.folder))
        notes = here / "notes"
        notes.mkdir()
        given = {name: {"seconds": seconds[name], "notes": str(notes), "actors": actors * pools} for name in POOLS}
        recipe = recipe_from(
            {
                "categories": CATEGORIES,
                "source": {"kind": "imagefolder", "root": str(root / "photos")},
                "masks": {
                    "annotations": {"kind": "png", "root": str(root / "masks")},
                    "refine": {"kind": "support.sleeping:SleepingSam", **given["refine"]},
                },
                "scenarios": [
                    {
                        "kind": "generated_background",
                        "painter": {"kind": "support.sleeping:SleepingSdxl", **given["paint"]},
                    }
                ],
                "pools": {name: {"device": "cpu", "gpus": 0.5, "actors": actors} for name in POOLS},
                "shard_size": shard,
            }
        )
        run = RunFolder(str(here / "run"))
        write_plan(run, recipe, survey(recipe))
        return run, notes

    def run(
        self, images: int, shard: int, seconds: Mapping[str, float], actors: int = 1, work: Callable = generate
    ) -> Result:
        """Take photographs through the pools."""
        run, notes = self.planned(images, shard, seconds, actors, 1 if work is mask else len(POOLS))
        held = [0.0]

        def watch(states: Mapping[str, PoolState]) -> None:
            size = ray.cluster_resources()["object_store_memory"]
            held.append(size - ray.available_resources().get("object_store_memory", 0.0))

        with Cpus() as cpus:
            made = work(run, watch=watch)
        assert work is mask or made.ok == images, f"{made.ok} of {images} images"
        pools = {name: Pool.of(notes, name, seconds[name]) for name in POOLS if list(notes.glob(f"{name}-*"))}
        shutil.rmtree(notes.parent)
        return Result(pools, cpus, max(held))


@contextlib.contextmanager
def cluster(gpus: int) -> Iterator[None]:
    """Start a local Ray session with logical GPUs."""
    ray.init(
        address="local",
        num_cpus=CORES,
        num_gpus=gpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": worker_environment()},
    )
    try:
        yield
    finally:
        ray.shutdown()


def alike(seconds: float) -> dict[str, float]:
    """Return the same sleep for both pools."""
    return dict.fromkeys(POOLS, seconds)


def feed(bench: Bench, rounds: int, images: int, gpus: int = 4) -> dict[str, float]:
    """Busy shares of two pools that CPUs barely feed, and what the second one costs the first."""
    with cluster(gpus):
        asleep = 0.4
        results, ratios = [], []
        for _ in range(2):  # warm; what an image takes of the CPUs depends on how hurried they are
            asleep *= HEADROOM / bench.run(images // 4, 8, alike(asleep), gpus).headroom
        for number in range(rounds):
            seconds = alike(asleep)
            both = {work: bench.run(images, 8, seconds, gpus, work) for work in (generate, mask)[:: (-1) ** number]}
            seen, alone = both[generate], both[mask]
            asleep *= HEADROOM / seen.headroom
            results.append(seen)
            ratios.append(seen.pools["refine"].rate / alone.pools["refine"].rate)
            drained = ", ".join(f"{name} {pool.busy_until_drained:.1%}" for name, pool in seen.pools.items())
            cores = ", ".join(f"{who} {taken:.2f}" for who, taken in seen.cores.items())
            print(
                f"feed, round {number + 1}: {seconds['paint'] * 1e3:.0f} ms an image, {seen.cpu_seconds * 1e3:.0f} ms "
                f"of CPU; refine {seen.busy['refine']:.1%} busy, paint {seen.busy['paint']:.1%}; until drained "
                f"{drained}; refine alone {alone.busy['refine']:.1%}; cores: {cores}; headroom {seen.headroom:.2f}",
                flush=True,
            )
    shares = {name: [result.busy[name] for result in results] for name in POOLS}
    return {
        "busy_min": min(statistics.median(values) for values in shares.values()),
        **median_of("busy_refine", shares["refine"]),
        **median_of("busy_paint", shares["paint"]),
        **median_of("busy_until_drained", [min(p.busy_until_drained for p in r.pools.values()) for r in results]),
        **median_of("refine_beside_alone", ratios),
        **median_of("cpu_headroom", [result.headroom for result in results]),
    }


def scaling(bench: Bench, images: int, gpus: Sequence[int] = (1, 2, 4, 8)) -> dict[str, float]:
    """Images a second on several GPUs in those on one, over their number; the lower one of both pools."""
    with cluster(1):
        seen = bench.run(64, 8, alike(0.1))
    # Enough CPU for 16 processes, which take more for an image than 2: what is asked is whether the pipeline scales.
    seconds = alike(3 * max(gpus) * seen.cpu_seconds / seen.free)
    rates: dict[int, dict[str, float]] = {}
    for number in gpus:
        with cluster(number):
            seen = bench.run(images * number, 2, seconds, number)
        rates[number] = {name: pool.rate for name, pool in seen.pools.items()}
        linear = {name: rate / rates[gpus[0]][name] / number for name, rate in rates[number].items()}
        print(
            f"scaling, {number} GPUs: {seconds['paint'] * 1e3:.0f} ms an image; "
            + ", ".join(f"{name} {rates[number][name]:.2f} a second, {linear[name]:.3f} of linear" for name in POOLS)
            + f"; headroom {seen.headroom:.2f}",
            flush=True,
        )
    least = {number: min(rates[number][name] / rates[gpus[0]][name] / number for name in POOLS) for number in gpus}
    return {f"linear_at_{number}": least[number] for number in gpus[1:]}


def memory(bench: Bench, images: int) -> dict[str, float]:
    """Measure the object store in a short run and in a long one."""
    held = {}
    with cluster(2):
        for length in (images, 4 * images):
            result = bench.run(length, 8, alike(0.0), 2)
            held[length] = result.object_store / 2**30
            rate = result.pools["paint"].rate
            print(f"memory, {length:,} images at {rate:.0f} a second: {held[length] * 2**20:.0f} KiB", flush=True)
    return {"object_store_gib": held[4 * images], "object_store_gib_of_a_quarter": held[images]}


def median_of(name: str, values: Sequence[float]) -> dict[str, float]:
    """Return the median of some rounds, and print their range."""
    print(f"  {name:20} {statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})")
    return {name: statistics.median(values)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("modes", nargs="*", help="feed, scaling, memory; default: all")
    options.add_argument("--rounds", type=int, default=3, help="of feeding")
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    few = 16 if chosen.tiny else 1
    modes: dict[str, Callable[[Bench], dict[str, float]]] = {
        "feed": lambda bench: feed(bench, 1 if chosen.tiny else chosen.rounds, 768 // few, 1 if chosen.tiny else 4),
        "scaling": lambda bench: scaling(bench, 8 if chosen.tiny else 32, (1, 2) if chosen.tiny else (1, 2, 4, 8)),
        "memory": lambda bench: memory(bench, 64 if chosen.tiny else 256),
    }
    if wrong := set(chosen.modes) - modes.keys():
        options.error(f"unknown mode {sorted(wrong)[0]!r}, choose from {', '.join(modes)}")
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), 64)
        for mode in chosen.modes or modes:
            figures |= modes[mode](bench)
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()
