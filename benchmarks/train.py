"""Speed of a training fed by Ray Data, beside a plain torch DataLoader over the same JPEGs, in turns.

    python benchmarks/train.py --images 1024 --rounds 3

- auto: xray's trainer as it is by default: decoded and made square once by Ray Data, then from shared memory;
- stream: the same, decoded by Ray Data in every epoch (`feed: stream`), as what does not fit the memory is;
- dataloader: `support/dataloader.py`, a torch script over the same JPEGs as files.

All have the same network, optimizer, batches of the same size, steps, preprocessing, epochs with validation, a test of
the best weights at the end, one training process and as many processes that decode. Each training is a fresh process;
the Ray session is there already, as a cluster is, but Ray starts its workers for each of ours. `vs_…` are images a
second over a whole training, all but interpreter and imports counted; `first_step_ratio` is from the start of the
process to the end of the optimizer's first step, ours over the DataLoader's, `…_warm` the same without imports;
`epoch_…` are the last epochs alone. Ratios are of times in the same round.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ |= {"RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

import ray
from support.runs import planned

from xray.cluster.session import connected
from xray.pipeline.generate.generate import generate
from xray.pipeline.train.sweep import select_trials
from xray.runs.folds import split_photographs

PROCESSES = 2
BESIDE = Path(__file__).parent


class Race:
    """The contestants on the same photographs.

    Args:
        folder: to work in.
        chosen: command line.
    """

    def __init__(self, folder: Path, chosen: argparse.Namespace) -> None:
        self.folder, self.chosen = folder, chosen
        training = {
            "models": [chosen.model], "holdout": 0.2, "validation": 0.1, "side": chosen.side, "batch": chosen.batch,
            "epochs": chosen.epochs,
        }  # fmt: skip
        self.run = planned(folder, chosen.images, scenarios=["original"], training=training)
        generate(self.run)
        self.seen = self._extract()

    def _extract(self) -> int:
        """Write the same JPEGs as files; return how many images a training reads."""
        run = self.run
        (trial,), _ = select_trials(run)
        table = run.store.table("images", ["image_id", "category", "image"]).to_pylist()
        labels = {category.name: place for place, category in enumerate(run.recipe.categories or ())}
        folds = {row["image_id"]: row["fold"] for row in run.store.table("folds").to_pylist()}
        names = {row["image_id"]: row["category"] for row in table}
        divided = split_photographs(folds, names, trial.fold, trial.training, trial.run_seed)
        for part in ("train", "validation", "test"):
            for row in table:
                if row["image_id"] in getattr(divided, part):
                    path = self.folder / "jpegs" / part / str(labels[row["category"]]) / f"{row['image_id']}.jpg"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(row["image"]["bytes"])
        return self.chosen.epochs * (len(divided.train) + len(divided.validation)) + len(divided.test)

    def time(self, who: str) -> dict[str, float]:
        """Return the seconds to the first step, to the end of a training, and of its last epochs."""
        chosen = self.chosen
        if who == "dataloader":
            sizes = (chosen.side, chosen.batch, chosen.epochs, PROCESSES)
            command = ["support/dataloader.py", str(self.folder / "jpegs"), chosen.model, *map(str, sizes)]
        else:
            for name in ("receipts/train", "trials", "tune", "history", "predictions"):
                shutil.rmtree(self.folder / "plan" / name, ignore_errors=True)
            command = ["support/fed_by_ray.py", self.run.uri, who]
        started = time.monotonic()
        ended = subprocess.run(
            [sys.executable, str(BESIDE / command[0]), *command[1:]], stdout=subprocess.PIPE, text=True, check=True
        )
        times: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
        steps = {name: times[name] - times["imported"] for name in ("joined", "prepared") if name in times}
        return {
            "first": times["first"] - started,
            "first_warm": times["first"] - times["imported"],
            "training": times["ended"] - times["imported"],
            "whole": times["ended"] - started,
            "epoch": statistics.median(times["epochs"][1:] or times["epochs"]),
            **steps,
        }


def decoding_share(folder: Path, chosen: argparse.Namespace) -> float:
    """Return the share of reading, decoding and resizing in the work of an epoch; the rest are optimizer steps."""
    import torch
    from support.dataloader import Jpegs, one_thread
    from torch.nn.functional import cross_entropy

    from xray.models.registry import parse_model

    one_thread(0)
    photographs = Jpegs(folder / "jpegs" / "train", chosen.side)
    module = parse_model(chosen.model).trainable(2, chosen.side).module
    optimizer = torch.optim.AdamW(module.parameters(), fused=True)
    input_NCHW = torch.randn(chosen.batch, 3, chosen.side, chosen.side)
    label_N = torch.zeros(chosen.batch, dtype=torch.int64)
    decoding, stepping = [], []
    for number in range(10):
        started = time.perf_counter()
        for place in range(chosen.batch):
            photographs[(number * chosen.batch + place) % len(photographs)]
        middle = time.perf_counter()
        optimizer.zero_grad()
        cross_entropy(module(input_NCHW), label_N).backward()
        optimizer.step()
        decoding.append(middle - started)
        stepping.append(time.perf_counter() - middle)
    ours, theirs = statistics.median(decoding), statistics.median(stepping)
    print(f"an image: decoding {1000 * ours / chosen.batch:.2f} ms, a step {1000 * theirs / chosen.batch:.2f} ms")
    return ours / (ours + theirs)


def ratios(spent: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the ratios of one round."""
    rival, auto, stream = (spent[who] for who in ("dataloader", "auto", "stream"))
    return {
        "vs_dataloader": rival["training"] / auto["training"],
        "vs_dataloader_stream": rival["training"] / stream["training"],
        "first_step_ratio": auto["first"] / rival["first"],
        "first_step_ratio_stream": stream["first"] / rival["first"],
        "first_step_ratio_warm": auto["first_warm"] / rival["first_warm"],
        "first_step_ratio_warm_stream": stream["first_warm"] / rival["first_warm"],
        "vs_dataloader_with_imports": rival["whole"] / auto["whole"],
        "epoch_vs_dataloader": rival["epoch"] / auto["epoch"],
        "epoch_vs_dataloader_stream": rival["epoch"] / stream["epoch"],
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=1024)
    options.add_argument("--epochs", type=int, default=3)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--model", default="reduced:resnet")
    options.add_argument("--side", type=int, default=64)
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    if chosen.tiny:
        chosen.images, chosen.epochs, chosen.rounds, chosen.side, chosen.batch = 40, 1, 1, 32, 4
    contestants = ["auto", "dataloader", "stream"]
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, connected(workers=PROCESSES):
        race = Race(Path(name), chosen)
        os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
        share = decoding_share(Path(name), chosen)
        for number in range(chosen.rounds):
            order = contestants[number % 3 :] + contestants[: number % 3]
            spent = {who: race.time(who) for who in order}
            for ratio, value in ratios(spent).items():
                found.setdefault(ratio, []).append(value)
            print(f"round {number + 1}")
            for who in contestants:
                rate = race.seen / spent[who]["training"]
                line = ", ".join(f"{what} {seconds:.2f}" for what, seconds in spent[who].items())
                print(f"  {who:10} {line} s; {rate:.0f} images a second", flush=True)
    print(f"{race.seen:,} images in {chosen.epochs} epochs and a test; {share:.0%} of the work is decoding")
    for ratio, values in found.items():
        print(f"  {ratio:28} {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})")
    figures = {ratio: round(statistics.median(values), 3) for ratio, values in found.items()}
    print(json.dumps({**figures, "decoding_share": round(share, 3)}))


if __name__ == "__main__":
    main()
