"""What do several models cost that look at the same images? Eight small ones together, beside the eight alone.

    python benchmarks/evaluate.py

The evaluator that runs in every actor is called here directly, on stored images, with models of random weights: it
reads, decodes, preprocesses, predicts and commits. The time to start actors is left out: it would flatter the eight.
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
from generate import planned
from safetensors.torch import save_file

from xray.pipeline.evaluate.evaluate import EvaluateShard
from xray.pipeline.generate.stages import make_shard
from xray.runs.receipts import evaluation
from xray.runs.run import Run

MODELS = (
    "test_byobnet", "test_convnext", "test_efficientnet", "test_efficientnet_ln",
    "test_mambaout", "test_nfnet", "test_resnet", "test_vit",
)  # fmt: skip


def saved_models(folder: Path) -> dict[str, dict[str, str]]:
    """Small models of random weights, saved as real ones are."""
    torch.manual_seed(0)
    specs = {}
    for name in MODELS:
        save_file(timm.create_model(name, num_classes=1000).state_dict(), folder / f"{name}.safetensors")
        specs[name] = {"spec": f"timm:{name}@{folder / name}.safetensors"}
    return specs


def seconds(evaluator: EvaluateShard, run: Run, shard: str) -> float:
    """Time of one shard; the receipts of an earlier round are forgotten."""
    for name in evaluator.models:
        shutil.rmtree(Path(run.uri.removeprefix("file://")) / "receipts/evaluate" / name, ignore_errors=True)
    started = time.perf_counter()
    evaluator(shard)
    return time.perf_counter() - started


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=32, help="photographs; each in 14 scenarios")
    options.add_argument("--rounds", type=int, default=2)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run = planned(Path(name), chosen.images)
        for shard in run.shards():
            make_shard(run.uri, shard)
        models = saved_models(Path(name))
        together = EvaluateShard(run.uri, models, "cpu", False)
        alone = [EvaluateShard(run.uri, {model: spec}, "cpu", False) for model, spec in models.items()]
        for evaluator in (together, *alone):
            seconds(evaluator, run, run.shards()[0])  # warm: weights loaded, kernels chosen
        ratios = []
        for number in range(chosen.rounds):
            for shard in run.shards():
                apart = sum(seconds(evaluator, run, shard) for evaluator in alone)
                ratios.append(seconds(together, run, shard) / apart)
            print(
                f"round {number + 1}: together {statistics.median(ratios):.2f} of the time of the eight alone",
                flush=True,
            )
        for shard in run.shards():
            together(shard)
        images = len(run.table("images", ["sample_id"]))
        decodes = sum(receipt.facts["decoded"] for receipt in run.receipts(evaluation(MODELS[0])))
    print(f"{images:,} images, {len(MODELS)} models, {decodes:,} decodes; {min(ratios):.2f} to {max(ratios):.2f}")
    print(json.dumps({"decodes_per_image": decodes / images, "eight_vs_alone": round(statistics.median(ratios), 3)}))


if __name__ == "__main__":
    main()
