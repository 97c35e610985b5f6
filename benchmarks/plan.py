"""Time and memory for writing a large plan.

    python benchmarks/plan.py [--rows 10000000] [--streams 100000000]

Writes the plan of so many images, all 14 classical scenarios of photographs in 1,000 categories, each a possible donor
of backgrounds to the others, in a process of its own. What looking at the photographs found is made up and not timed:
reading files takes as long as the storage does. `driver_mb` is the most memory that the process ever had, with what was
found; `before_mb` is what it had before planning. `--streams` plans so many rows once more, keeping nothing.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from support.photographs import CATEGORIES, photograph_row

from xray.core import schema
from xray.pipeline.plan.donors import Donors, Sampler
from xray.pipeline.plan.plan import Survey, write_plan
from xray.pipeline.plan.rings import Pool
from xray.pipeline.plan.rows import plan_rows
from xray.pipeline.plan.scan import source_table
from xray.runs.folder import RunFolder
from xray.runs.recipe import Recipe, recipe_from

SCENARIOS = 14
_AT_ONCE = 8192


def recipe() -> Recipe:
    """Return a recipe with all classical scenarios."""
    return recipe_from(
        {
            "categories": CATEGORIES,
            "source": {"kind": "imagefolder", "root": "/data/photos"},
            "masks": {"annotations": {"kind": "png", "root": "/data/masks"}},
        }
    )


def photographs(count: int) -> Iterator[pa.Table]:
    """Yield SOURCE in pieces."""
    for start in range(0, count, _AT_ONCE):
        yield source_table(_photograph(number) for number in range(start, min(start + _AT_ONCE, count)))


def _photograph(number: int) -> dict[str, object]:
    return photograph_row(number, f"ILSVRC2012_{number:08d}", f"n{number % 1000:08d}")


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write(rows: int) -> None:
    """Plan as a driver does; print rows, seconds, memory before, peak memory, bytes of the plan."""
    pa.set_memory_pool(pa.system_memory_pool())  # as `xray plan` does
    wanted = recipe()
    source = source_table(_photograph(number) for number in range(rows // SCENARIOS + 1))
    found = Survey(wanted.categories or (), source, wanted.backgrounds.own(source), schema.SOURCE.empty_table(), ())
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(str(Path(folder) / "run"))
        before, started = peak_mb(), time.perf_counter()
        write_plan(run, wanted, found)
        seconds = time.perf_counter() - started
        size = sum(path.stat().st_size for path in (Path(folder) / "run").rglob("*.parquet"))
        print(run.plan.planned_rows(), seconds, before, peak_mb(), size)


def stream(rows: int) -> None:
    """Plan rows and forget them; the bank is 8,192 photographs. Prints rows, seconds, memory at most."""
    wanted = recipe()
    first = next(photographs(_AT_ONCE))
    removable = np.ones(len(first), bool)
    draw = Sampler(0, Donors(Pool(wanted.backgrounds.own(first), removable=removable)), {})
    started, made = time.perf_counter(), 0
    for some in photographs(rows // SCENARIOS + 1):
        for start in range(0, len(some), wanted.shard_size):
            made += len(plan_rows(some.slice(start, wanted.shard_size), wanted.scenarios, draw, "00-00-00000"))
    print(made, time.perf_counter() - started, peak_mb())


def measured_by(what: str, rows: int) -> list[float]:
    """Return the numbers that a new process prints."""
    done = subprocess.run([sys.executable, __file__, what, str(rows)], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=10_000_000)
    options.add_argument(
        "--streams", type=int, default=0, metavar="ROWS", help="plan so many once more, keeping nothing"
    )
    options.add_argument("--write", type=int, help=argparse.SUPPRESS)
    options.add_argument("--stream", type=int, help=argparse.SUPPRESS)
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    if chosen.tiny:
        chosen.rows, chosen.streams = 1400, 1400
    if chosen.write or chosen.stream:
        write(chosen.write) if chosen.write else stream(chosen.stream)
        return
    figures: dict[str, float] = {}
    if chosen.rows:
        rows, seconds, before, peak, size = measured_by("--write", chosen.rows)
        print(f"{rows:,.0f} rows in {seconds:.1f} s, {size / rows:.1f} bytes each; {peak:.0f} MB, {before:.0f} before")
        figures |= {"rows": rows, "seconds": round(seconds, 1), "driver_mb": round(peak), "before_mb": round(before)}
    if chosen.streams:
        rows, seconds, peak = measured_by("--stream", chosen.streams)
        print(f"{rows:,.0f} rows as a stream in {seconds:.1f} s; {peak:.0f} MB")
        figures |= {"streamed_rows": rows, "stream_seconds": round(seconds, 1), "stream_mb": round(peak)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
