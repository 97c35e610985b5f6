"""Cost of checking committed files when they are read: `generate`, `evaluate` and `score` with and without the checks.

    python benchmarks/checks.py

Everything runs in this process, in turns: shards with the checks and without them, which then read the files directly
and record no hashes for partial reads. `score` reads made-up predictions, written as workers write them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import timm
import torch
from safetensors.torch import save_file
from support.runs import planned

from xray.core import schema
from xray.core.uri import open_store
from xray.core.verified import Committed
from xray.core.verified_tables import TableReader
from xray.pipeline.evaluate.worker import EvaluateWorker
from xray.pipeline.generate.masks import MaskWorker
from xray.pipeline.generate.photo_batches import make_in_task
from xray.pipeline.generate.removal import RemoveWorker
from xray.pipeline.generate.workers import render_shard
from xray.pipeline.score import score
from xray.pipeline.worker import ignore_batch
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, evaluation
from xray.runs.recipe import default_scenarios

PHOTOGRAPHS = 64
"""Photographs of a shard of made-up predictions."""


def _row(file: Committed, row_group: int) -> dict[str, Any]:
    store, path = open_store(file.uri)
    with pq.ParquetFile(path, filesystem=store) as parquet:
        row: dict[str, Any] = parquet.read_row_group(row_group).to_pylist()[0]
        return row


def _fragment(reader: TableReader, file: Committed, parquet: Any) -> Any:
    store, path = open_store(file.uri)
    return parquet.make_fragment(path, store)


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """Read files directly, and record no hashes for partial reads."""
    with (
        mock.patch.object(TableReader, "_fragment", _fragment),
        mock.patch.object(Committed, "check_once", return_value=None),
        mock.patch("xray.runs.store.read_row", _row),
        mock.patch("xray.runs.store.image_facts", return_value={}),
    ):
        yield


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of some work: other programs on the machine cost wall time."""
    started = time.process_time()
    work()
    return time.process_time() - started


def ratios(work: Callable[[], object], rounds: int, before: Callable[[], object] = lambda: None) -> list[float]:
    """Return the time with the checks / without them, in turns; `before` is called before each, and is not timed."""
    results = []
    for number in range(rounds):
        times = {}
        for checked in (True, False) if number % 2 else (False, True):
            before()
            with contextlib.nullcontext() if checked else unchecked():
                times[checked] = seconds(work)
        results.append(times[True] / times[False])
    return results


def finished(folder: Path, images: int) -> RunFolder:
    """Return a run with masks, removed objects and images of all classical scenarios."""
    run = planned(folder, images, scenarios=list(default_scenarios()))
    for batch in run.plan.batches():
        make_in_task(MaskWorker, run.uri, batch, ignore_batch)
        make_in_task(RemoveWorker, run.uri, batch, ignore_batch)
    for shard in run.plan.shards():
        render_shard(run.uri, shard)
    return run


def generate_ratios(run: RunFolder, rounds: int) -> list[float]:
    """Return the ratios of rendering each shard."""
    found = []
    for shard in run.plan.shards():
        render, revoke = partial(render_shard, run.uri, shard), partial(run.store.revoke, GENERATE, shard)
        found += ratios(render, rounds, revoke)
    return found


def evaluate_ratios(run: RunFolder, folder: Path, rounds: int) -> list[float]:
    """Return the ratios of predicting each shard with one small model."""
    torch.manual_seed(0)
    save_file(timm.create_model("test_resnet", num_classes=1000).state_dict(), folder / "model.safetensors")
    evaluator = EvaluateWorker(
        run.uri, {"model": f"timm:test_resnet@{folder / 'model.safetensors'}"}, "cpu", False, ignore_batch
    )
    for shard in run.plan.shards():
        evaluator(shard)
    return [ratio for shard in run.plan.shards() for ratio in ratios(partial(evaluator, shard), rounds)]


def predict(run: RunFolder, rows: int) -> int:
    """Commit so many made-up predictions or a few more of one model; return their number."""
    scenarios, draw = list(run.recipe.scenarios), np.random.default_rng(0)
    categories = [category.name for category in run.recipe.categories or ()]
    per_shard = PHOTOGRAPHS * len(scenarios)
    for shard in range(-(-rows // per_shard)):
        photos = [f"photo-{shard * PHOTOGRAPHS + index}" for index in range(PHOTOGRAPHS)]
        correct = draw.random(per_shard) < 0.7
        top1 = np.where(correct, 1, 2).astype(np.int32)
        columns: dict[str, Any] = {
            "sample_id": [f"{photo}-{scenario}" for scenario in scenarios for photo in photos],
            "image_id": photos * len(scenarios),
            "category": [categories[index % len(categories)] for index in range(PHOTOGRAPHS)] * len(scenarios),
            "scenario": [scenario for scenario in scenarios for _ in photos],
            "variant": np.zeros(per_shard, np.int32),
            "model": ["made-up"] * per_shard,
            "weights": ["0" * 64] * per_shard,
            "trained_on": ["pretrained"] * per_shard,
            "fold": np.full(per_shard, -1, np.int32),
            "top1": top1,
            "top5": [[one, 5, 6, 7, 8] for one in top1.tolist()],
            "p_true": draw.random(per_shard).astype(np.float32),
            "correct": correct,
        }
        empty = {name: pa.nulls(per_shard) for name in schema.PREDICTIONS.names if name not in columns}
        table = pa.table(columns | empty).select(schema.PREDICTIONS.names).cast(schema.PREDICTIONS)
        counts = {scenario: {"ok": PHOTOGRAPHS} for scenario in scenarios}
        run.store.commit(evaluation("made-up"), f"00-00-{shard:05d}", {"predictions": (table, None)}, counts, 1.0, {})
    return len(run.store.table("predictions", ["fold"]))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=128, help="photographs to generate and evaluate")
    options.add_argument("--predictions", type=int, default=1_000_000, help="made-up predictions to score")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    if chosen.tiny:
        chosen.images, chosen.predictions, chosen.rounds = 2, 2000, 1
    medians: dict[str, float] = {}

    def show(verb: str, values: list[float]) -> None:
        medians[verb] = round(statistics.median(values), 3)
        print(f"{verb}: {medians[verb]} ({min(values):.3f} to {max(values):.3f}) of the time without", flush=True)

    with tempfile.TemporaryDirectory() as name:
        run = finished(Path(name), chosen.images)
        show("generate", generate_ratios(run, chosen.rounds))
        show("evaluate", evaluate_ratios(run, Path(name), chosen.rounds))
        scored = planned(Path(name) / "scored", 4, scenarios=list(default_scenarios()))
        rows = predict(scored, chosen.predictions)
        show("score", ratios(lambda: score(RunFolder(scored.uri)), chosen.rounds))
    print(json.dumps({"predictions": rows, **medians}))


if __name__ == "__main__":
    main()
