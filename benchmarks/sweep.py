"""Overhead of a trial: a sweep of 36 tiny trainings beside the same ones in one process.

    python benchmarks/sweep.py --images 144 --side 64 --epochs 1 5

3 models × 4 scenarios × 3 folds. `xray sweep` with Ray Tune on two CPUs, beside a loop over the same trials in
one process without Ray: the same learner, the same images prepared once, the same tests, checkpoints and commits. The
sweep may train two at a time, so that CPU seconds (of all its processes that live at the end, Ray's included) stand
beside the time. Both start with what they have imported: the loop's process all it needs, the sweep's driver likewise,
but Ray's workers nothing. The start of the Ray session is shown, and not counted. The loop is run once before anything
is counted, and then before and after the sweep.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from unittest import mock

os.environ |= {"RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
os.environ |= {"MALLOC_TRIM_THRESHOLD_": "100000000", "MALLOC_MMAP_THRESHOLD_": "100000000"}

import pyarrow as pa
import torch
from support.runs import cpu_seconds, planned, with_whole_donors

from xray.cluster.session import connected
from xray.pipeline.generate.workers import render_shard
from xray.pipeline.train.dataset import TrainingData
from xray.pipeline.train.feed import Feed, in_memory_feed
from xray.pipeline.train.streaming import PREPARE_TASKS, prepare
from xray.pipeline.train.sweep import select_trials, sweep
from xray.pipeline.train.trainer import train_worker
from xray.runs.folder import RunFolder

PROCESSES = 2
MODELS = ("reduced:resnet", "reduced:vit", "reduced:swin")
SCENARIOS = ("original", "blur_background", "random_background", "segmented")
FOLDS = 3


def one_process(run: RunFolder) -> None:
    """Train all trials, one after the other."""
    torch.set_num_threads(1)
    _, missing = select_trials(run)
    material = TrainingData.load(run, missing)
    feeds = {}
    for name, found in material.samples.items():
        for preparation in set(material.preparations.values()):
            unit = {"scenario": name, "preparation": 0, "shards": sorted(set(found.shard)), "samples": None}
            table = prepare(run.uri, [preparation], pa.Table.from_pylist([unit], PREPARE_TASKS))
            feeds[name, preparation] = in_memory_feed([table], preparation)

    def feed_for(data: TrainingData, name: str, model: str) -> Feed:
        return feeds[name, data.preparations[model]]

    with mock.patch("xray.pipeline.train.trainer.feed_for", feed_for):
        for trial in missing:
            train_worker({"trial": trial, "data": material, "gpus": 0, "report": lambda row: None})


def swept(run: RunFolder) -> None:
    """Train all trials by `sweep`."""
    outcome = sweep(run)
    assert not outcome.failed, outcome.failed


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=144, help="photographs; two thirds of them are trained on")
    options.add_argument("--epochs", type=int, nargs="+", default=[1, 5])
    options.add_argument("--side", type=int, default=64)
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    if chosen.tiny:
        chosen.images, chosen.epochs, chosen.side = 24, [1], 32
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for epochs in chosen.epochs:
            root = Path(folder) / str(epochs)
            training = {"models": list(MODELS), "folds": FOLDS, "side": chosen.side, "epochs": epochs, "batch": 16}
            run = planned(root, chosen.images, scenarios=with_whole_donors(SCENARIOS), training=training)
            for shard in run.plan.shards():
                render_shard(run.uri, shard)
            one_process(RunFolder(str(shutil.copytree(root / "plan", root / "imports"))))
            spent: dict[str, list[tuple[float, float]]] = {"one_process": [], "swept": []}
            for work in (one_process, swept, one_process):
                copied = RunFolder(
                    str(shutil.copytree(root / "plan", root / f"{work.__name__}{len(spent[work.__name__])}"))
                )
                started = time.perf_counter()
                with connected(workers=PROCESSES) if work is swept else contextlib.nullcontext():
                    wall, cpu = time.perf_counter(), cpu_seconds()
                    work(copied)
                    spent[work.__name__].append((time.perf_counter() - wall, cpu_seconds() - cpu))
                if work is swept:
                    print(f"Ray session: {wall - started:.1f} s, not counted")
            trials = len(MODELS) * len(SCENARIOS) * FOLDS
            assert len(copied.store.table("predictions")) > 0
            alone = [sum(values) / 2 for values in zip(*spent["one_process"], strict=True)]
            ((wall, cpu),) = spent["swept"]
            before, after = (seconds for seconds, _ in spent["one_process"])
            print(
                f"{trials} trials of {epochs} epochs: sweep {wall:.1f} s ({cpu:.1f} CPU-s), one process {before:.1f} "
                f"and {after:.1f} s ({alone[1]:.1f} CPU-s), {alone[0] / trials:.2f} s a trial",
                flush=True,
            )
            name = "trial_overhead" if epochs == chosen.epochs[0] else f"trial_overhead_{epochs}_epochs"
            figures |= {name: round(wall / alone[0], 3), f"{name}_cpu": round(cpu / alone[1], 3)}
            figures[f"{name}_seconds"] = round((wall - alone[0]) / trials, 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
