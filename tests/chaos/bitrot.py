"""Flips one random bit of one random committed file, again and again, and has the damage found and repaired.

    python tests/chaos bitrot --flips 100

After each flip `xray verify` must name that file and no other; after repair and resume every file must equal the
original. Damage of the plan is found but cannot be repaired: the file is put back. Each flip has its seed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.support.runs import planned
from chaos.field import SCENARIOS
from xray.core.files import paths_below
from xray.pipeline.generate.workers import render_shard
from xray.pipeline.verify.verify import verify
from xray.runs.folder import RunFolder


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a run by name, without receipts, which hold times."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.parts[len(folder.parts)] not in ("receipts", "leases")
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--flips", type=int, default=100)
    options.add_argument("--images", type=int, default=16, help="photographs")
    chosen = options.parse_args()
    found, alarms, mended, golden = 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        run = planned(Path(name), chosen.images, scenarios=list(SCENARIOS), shard_size=2)
        for shard in run.plan.shards():
            render_shard(run.uri, shard)
        folder = Path(run.uri.removeprefix("file://"))
        whole = contents(folder)
        names = [path for path in paths_below(run.uri) if not path.startswith("leases/")]
        for seed in range(chosen.flips):
            draw = np.random.default_rng(seed)
            path = folder / names[int(draw.integers(len(names)))]
            before = path.read_bytes()
            data = bytearray(before)
            data[int(draw.integers(len(data)))] ^= 1 << int(draw.integers(8))
            path.write_bytes(data)
            report = verify(RunFolder(run.uri))
            places = {problem.path for problem in report.problems}
            found += str(path.relative_to(folder)) in places
            alarms += len(places - {str(path.relative_to(folder))})
            if all(problem.repairable for problem in report.problems):
                verify(run, pictures=False, repair=True)
                mended += 1
            else:
                path.write_bytes(before)
            for shard in set(run.plan.shards()) - run.store.done(("generate",)):
                render_shard(run.uri, shard)
            golden += contents(folder) == whole and verify(RunFolder(run.uri)).sound
    print(f"{chosen.flips} flips in {len(names)} files, {mended} of them in files that are made again")
    print(
        json.dumps({"flips": chosen.flips, "found": found, "false_alarms": alarms, "mended": mended, "golden": golden})
    )


if __name__ == "__main__":
    main()
