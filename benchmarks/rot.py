"""Is rot found? One random bit of one random finished file is flipped, again and again; what is damaged is made anew.

    python benchmarks/rot.py --flips 100

After each flip `xray verify` must name that file and no other, and after `--repair` and going on every file must equal
what it was. A damaged plan is found and not mended: its file is put back. Each flip has its seed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from chaos_field import SCENARIOS
from generate import planned

from xray.core.files import paths_below
from xray.pipeline.generate.stages import make_shard
from xray.pipeline.verify.verify import repair, verify
from xray.runs.run import Run


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a run, but for the times in receipts."""
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
        for shard in run.shards():
            make_shard(run.uri, shard)
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
            told = verify(Run(run.uri))
            places = {problem.place for problem in told.problems}
            found += str(path.relative_to(folder)) in places
            alarms += len(places - {str(path.relative_to(folder))})
            if all(problem.mendable for problem in told.problems):
                repair(run, told)
                mended += 1
            else:
                path.write_bytes(before)
            for shard in set(run.shards()) - run.done(("generate",)):
                make_shard(run.uri, shard)
            golden += contents(folder) == whole and verify(Run(run.uri)).sound
    print(f"{chosen.flips} flips in {len(names)} files, {mended} of them in files that are made again")
    print(
        json.dumps({"flips": chosen.flips, "found": found, "false_alarms": alarms, "mended": mended, "golden": golden})
    )


if __name__ == "__main__":
    main()
