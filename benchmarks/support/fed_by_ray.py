"""One trial of a run, trained in this process and fed by Ray Data, in the Ray session that RAY_ADDRESS names.

    python benchmarks/support/fed_by_ray.py RUN FEED

Prints the times of its steps, by the monotonic clock, as one JSON object.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from typing import Any

from torch.optim.optimizer import register_optimizer_step_post_hook

from xray.cluster.session import connected
from xray.models.registry import parse_model
from xray.pipeline.train.dataset import TrainingData
from xray.pipeline.train.streaming import cache_in_object_store
from xray.pipeline.train.sweep import select_trials
from xray.pipeline.train.trainer import train_trial
from xray.runs.folder import RunFolder


def main() -> None:
    run = RunFolder(sys.argv[1])
    (trial,), _ = select_trials(run)
    trial = dataclasses.replace(trial, training=dataclasses.replace(trial.training, feed=sys.argv[2]))
    parse_model(trial.spec).trainable(2, trial.training.side)  # imports the library that it is built of
    imported = time.monotonic()
    first: list[float] = []

    def note(*stepped: Any) -> None:
        if not first:
            first.append(time.monotonic())

    register_optimizer_step_post_hook(note)
    with connected():
        joined = time.monotonic()
        material = cache_in_object_store(TrainingData.load(run, [trial]), [trial])
        prepared = time.monotonic()
        train_trial(trial, material, 0, lambda row: None)
        ended = time.monotonic()
    seconds = [row["seconds"] for row in run.store.table("history", ["seconds"]).to_pylist()]
    times = {"imported": imported, "joined": joined, "prepared": prepared, "first": first[0], "ended": ended}
    print(json.dumps({**times, "epochs": seconds}))


if __name__ == "__main__":
    main()
