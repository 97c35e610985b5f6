"""Kills processes during runs, resumes, and compares the output byte by byte with an undisturbed run.

    python tests/chaos kills --workers 100 --actors 100 --nodes 30 --drivers 50 --links 2

- workers: processes of CPU tasks get SIGKILL, one to three at random moments, or one at a named point of a commit
  (`injected/reaching.py`), while the driver continues;
- actors: the same with pools of one and of two GPU actors each (logical GPUs), also while they load, and in the middle
  of an image;
- nodes: the raylet of the second of two nodes gets SIGKILL at a random moment, and its workers end with it;
- drivers: `xray plan` or `xray generate` gets SIGKILL, at a random moment or when a worker reaches a named point, and
  the same command is repeated; every second one works on a cluster that outlives it;
- links: the link between two hosts (`links.py`) is cut for a minute; every second time the driver is on the host that
  is cut off, and the same command is repeated if it failed.

The seed decides which process is killed, when, and where. A run is golden if, after at most one resume, each file of
images and masks equals that of an undisturbed run. `lost` and `duplicated` count planned images; `torn` counts files in
which `xray verify` finds a problem; `wasted` is repeated work, in shards per killed process. Recovery is the time from
the kill to the next receipt, and from a cut to the last one. Each arm is a process with its own Ray session.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chaos.arms import ARMS
from chaos.field import Field, Outcome

INJECTED = Path(__file__).parent / "injected"
os.environ |= {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def fight(arm: str, seeds: range, images: int, cut: float) -> None:
    """Run one arm in this process, and print a line of JSON per run."""
    with tempfile.TemporaryDirectory() as name:
        field = Field(Path(name), images, cut)
        for outcome in ARMS[arm](field, seeds):
            print(json.dumps(asdict(outcome)), flush=True)


def fought(arm: str, seeds: range, images: int, cut: float, results: Path | None) -> tuple[list[Outcome], bool]:
    """Run one arm in a new process and keep its log; return the outcomes, and whether the process succeeded."""
    found: list[Outcome] = []
    own = [sys.executable, str(Path(__file__).parent), "kills", "--arm", arm, "--seeds", f"{seeds.start}:{seeds.stop}"]
    own += ["--images", str(images), "--cut", str(cut)]
    path = os.pathsep.join([str(INJECTED), os.environ.get("PYTHONPATH", "")])
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            own, env={**os.environ, **TOKEN, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=said, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith('{"seed"'):
                found.append(Outcome(**json.loads(line)))
                if results:
                    with (results / f"chaos-{arm}.jsonl").open("a") as log:
                        log.write(line)
                if not found[-1].golden:
                    print(f"  not golden: {line.strip()}", flush=True)
        if process.wait() or len(found) < len(seeds):
            said.seek(0)
            print(said.read().decode(errors="replace"), file=sys.stderr)
            print(f"  {arm} ended with {process.returncode} after {len(found)} of {len(seeds)} runs", flush=True)
    return found, not process.returncode


def summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """Summarise some runs."""
    kills = sum(one.kills for one in outcomes)
    recovery = [one.recovery for one in outcomes if one.recovery is not None]
    return {
        "runs": len(outcomes),
        "kills": kills,
        "golden": sum(one.golden for one in outcomes),
        "lost": sum(one.lost for one in outcomes),
        "duplicated": sum(one.duplicated for one in outcomes),
        "torn": sum(one.torn for one in outcomes),
        "wasted_shards_max": max((one.wasted / one.died for one in outcomes if one.died), default=0.0),
        "recovery_median_s": round(statistics.median(recovery), 2) if recovery else None,
        "recovery_max_s": max(recovery, default=None),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for arm, runs in (("workers", 100), ("actors", 100), ("nodes", 30), ("drivers", 50), ("links", 2)):
        options.add_argument(f"--{arm}", type=int, default=runs, help="runs")
    options.add_argument("--first", type=int, default=0, help="seed of the first run of each arm")
    options.add_argument("--images", type=int, default=24, help="photographs of each run")
    options.add_argument("--cut", type=float, default=60, help="seconds for which a link is cut")
    options.add_argument("--results", type=Path, help="folder to keep the log of every run in")
    options.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    options.add_argument("--seeds", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.arm:
        fight(chosen.arm, range(*map(int, chosen.seeds.split(":"))), chosen.images, chosen.cut)
        return
    all_runs: list[Outcome] = []
    sound = True
    for arm in ARMS:
        runs = getattr(chosen, arm)
        if runs:
            seeds = range(chosen.first, chosen.first + runs)
            outcomes, ended_well = fought(arm, seeds, chosen.images, chosen.cut, chosen.results)
            sound &= ended_well
            if not outcomes:
                continue
            all_runs += outcomes
            totals = summary(outcomes)
            bound = f"at most {min(3 / len(outcomes), 1):.1%} of such runs fail, with 95 % confidence"
            print(f"{arm}: {json.dumps(totals)} {bound if totals['golden'] == runs else ''}", flush=True)
    print(json.dumps(summary(all_runs)))
    sys.exit(0 if sound and all(one.golden for one in all_runs) else 1)


if __name__ == "__main__":
    main()
