"""Time of eight small models that evaluate the same images together, beside the eight one by one.

    python benchmarks/evaluate.py

The evaluator that runs in every actor is called here directly, on stored images, with models of random weights: it
reads, decodes, preprocesses, predicts and commits. The time to start actors is left out: it would favour the eight
together.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

import timm
import torch
from safetensors.torch import save_file
from support.runs import planned

from xray.pipeline.evaluate.evaluate import EvaluateWorker
from xray.pipeline.generate.workers import render_shard
from xray.runs.folder import RunFolder
from xray.runs.receipts import evaluation

MODELS = (
    "test_byobnet", "test_convnext", "test_efficientnet", "test_efficientnet_ln",
    "test_mambaout", "test_nfnet", "test_resnet", "test_vit",
)  # fmt: skip


def saved_models(folder: Path) -> dict[str, str]:
    """Save small models with random weights; return their model strings by name."""
    torch.manual_seed(0)
    specs = {}
    for name in MODELS:
        save_file(timm.create_model(name, num_classes=1000).state_dict(), folder / f"{name}.safetensors")
        specs[name] = f"timm:{name}@{folder / name}.safetensors"
    return specs


def no_heartbeat(images: int, seconds: float) -> None:
    """Do nothing: there is no Ray session."""


def seconds(evaluator: EvaluateWorker, run: RunFolder, shard: str) -> float:
    """Return the time of one shard; remove the receipts of an earlier round first."""
    for name in evaluator.specs:
        shutil.rmtree(Path(run.uri.removeprefix("file://")) / "receipts/evaluate" / name, ignore_errors=True)
    started = time.perf_counter()
    evaluator(shard)
    return time.perf_counter() - started


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=32, help="photographs; each in 14 scenarios")
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    if chosen.tiny:
        chosen.images, chosen.rounds = 2, 1
    with tempfile.TemporaryDirectory() as name:
        run = planned(Path(name), chosen.images)
        for shard in run.plan.shards():
            render_shard(run.uri, shard)
        models = saved_models(Path(name))
        together = EvaluateWorker(run.uri, models, "cpu", False, no_heartbeat)
        alone = [EvaluateWorker(run.uri, {model: spec}, "cpu", False, no_heartbeat) for model, spec in models.items()]
        for evaluator in (together, *alone):
            seconds(evaluator, run, run.plan.shards()[0])  # warm: weights loaded, kernels chosen
        ratios = []
        for number in range(chosen.rounds):
            for shard in run.plan.shards():
                apart = sum(seconds(evaluator, run, shard) for evaluator in alone)
                ratios.append(seconds(together, run, shard) / apart)
            print(
                f"round {number + 1}: together {statistics.median(ratios):.2f} of the time of the eight alone",
                flush=True,
            )
        for shard in run.plan.shards():
            together(shard)
        images = len(run.store.table("images", ["sample_id"]))
        decodes = sum(receipt.facts["decoded"] for receipt in run.store.receipts(evaluation(MODELS[0])))
    print(f"{images:,} images, {len(MODELS)} models, {decodes:,} decodes; {min(ratios):.2f} to {max(ratios):.2f}")
    print(json.dumps({"decodes_per_image": decodes / images, "eight_vs_alone": round(statistics.median(ratios), 3)}))


if __name__ == "__main__":
    main()
