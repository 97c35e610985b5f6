"""CPU time, memory and size of `xray score` and `xray report` with millions of predictions.

    python benchmarks/many_predictions.py [--photographs 15000] [--models 5]

Makes up a run of so many photographs in the 14 classical scenarios, a fiftieth of the images rejected, and the answers
of some models: 1.03 million predictions, 9.97 million with `--photographs 145000`. `score` and `report` then run in a
process each. `…_mb` is the most resident memory; `…_bytes_per_row` is its growth from the opened run, by predictions.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_verb(verb: str, uri: str) -> None:
    """Run `score` or `report`; print CPU seconds, memory before, and peak memory in MB."""
    from xray.pipeline.score import score
    from xray.report.page import write_report
    from xray.runs.folder import RunFolder

    run, before, started = RunFolder.open(uri), peak_mb(), time.process_time()
    (score if verb == "score" else write_report)(run)
    print(time.process_time() - started, before, peak_mb())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--photographs", type=int, default=15_000)
    options.add_argument("--models", type=int, default=5)
    options.add_argument("--verb", nargs=2, help=argparse.SUPPRESS)
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    if chosen.verb:
        run_verb(*chosen.verb)
        return
    if chosen.tiny:
        chosen.photographs, chosen.models = 70, 2
    from support.large_runs import large_run

    with tempfile.TemporaryDirectory() as name:
        run = large_run(Path(name), chosen.photographs, chosen.models)
        rows = len(run.store.table("predictions", ["fold"]))
        figures: dict[str, float] = {"predictions": rows}
        for verb in ("score", "report"):
            command = [sys.executable, __file__, "--verb", verb, str(Path(name) / "run")]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, before, peak = map(float, done.stdout.split()[-3:])
            figures |= {
                f"{verb}_cpu_seconds": round(seconds, 1),
                f"{verb}_mb": round(peak),
                f"{verb}_bytes_per_row": round((peak - before) * 2**20 / rows),
            }
        figures["report_html_mb"] = round((Path(name) / "run" / "report.html").stat().st_size / 1e6, 2)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
