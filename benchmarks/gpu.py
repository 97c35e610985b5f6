"""Hourly throughput of one GPU: SAM, SDXL, evaluation and training, with networks of the real sizes.

    python benchmarks/gpu.py [masks] [worlds] [few] [guided] [models] [train]    # on a machine with a CUDA device
    python benchmarks/gpu.py --tiny                                                       # tries the program, on CPUs

Weights are random: as slow as real ones, and their pictures and answers are noise. Everything else is xray's own, on
photographs of 500×375 pixels: reading, decoding, framing, measuring, putting objects back, encoding, committing.

- masks: SAM ViT-H alone on the GPU;
- worlds: SAM ViT-H and the SDXL inpainting model at its defaults, beside each other on one GPU;
- few: a base SDXL in 4 steps without guidance, as its distilled variants are;
- guided: SDXL whose every step is pushed along the gradient of complexity, through its decoder;
- models: the scenarios that CPUs make, and three classifiers that share an image's decoding, with 1 and with 4 actors;
- train: ResNet-50 in mixed precision, two trainings on one GPU.

`…_busy` is the share of a pool's time, from its first batch on, in which the device had work; `…_per_hour` are images
in an hour of that time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ |= {"RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

import timm
import torch
from safetensors.torch import save_file
from support.full_size import SDXL, SDXL_TINY, sam, sdxl, tiny_sam
from support.runs import planned

from xray.cluster.placement import PoolState
from xray.cluster.session import connected
from xray.pipeline.evaluate.evaluate import evaluate
from xray.pipeline.generate.generate import generate
from xray.pipeline.generate.preparation import mask
from xray.pipeline.train.sweep import sweep
from xray.runs.folder import RunFolder

ANY_MASK = {
    "min_area": 0, "max_area": 1, "max_parts": 10**6, "max_holes": 10**6, "min_part": 0,
    "min_predicted_iou": 0, "min_stability": 0, "min_agreement": 0,
}  # fmt: skip
"""The masks of random weights are noise; these gates let them pass."""


class Bench:
    """Runs over drawn photographs, with weights that are created once."""

    def __init__(self, folder: Path, tiny: bool, images: int) -> None:
        self.folder, self.tiny, self.images = folder, tiny, images
        self.device = "cpu" if tiny else "cuda"

    def sam(self) -> str:
        if self.tiny:
            return self._once("sam", tiny_sam)
        return self._once("sam.pth", lambda path: sam(path, self.device))

    def sdxl(self, inpainting: bool) -> str:
        sizes = SDXL_TINY if self.tiny else SDXL
        name = "sdxl-inpainting" if inpainting else "sdxl-base"
        return self._once(name, lambda path: sdxl(path, sizes, self.device, inpainting=inpainting))

    def _once(self, name: str, make: Callable[[Path], Path]) -> str:
        path = self.folder / name
        if not path.exists():
            started = time.perf_counter()
            make(path)
            print(f"{name}: {time.perf_counter() - started:.0f} s to make", flush=True)
        return str(path)

    def run(self, images: int, refine: bool = False, **recipe: Any) -> RunFolder:
        """Plan a run; with `refine`, SAM refines its masks."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        if refine:
            given = {"kind": "png", "root": str(folder / "masks")}
            sam = {"kind": "sam", "model": self.sam()}
            recipe["masks"] = {"annotations": given, "refine": sam, "gates": ANY_MASK}
        return planned(folder, images, **recipe)

    def pools(self, refine: int = 1, paint: int = 1) -> dict[str, Any]:
        return {
            "refine": {"device": self.device, "batch": refine},
            "paint": {"device": self.device, "batch": paint},
        }


def pool_figures(name: str, state: PoolState) -> dict[str, float]:
    """Return the figures of a pool."""
    return {
        f"{name}_busy": round(state.busy_share, 3),
        f"{name}_seconds": round(state.busy / state.items, 4),
        f"{name}_per_hour": round(3600 * state.items / state.ready * state.actors),
    }


def masks(bench: Bench) -> dict[str, float]:
    figures = {}
    for batch in (1, 4):
        run = bench.run(bench.images, refine=True, pools=bench.pools(refine=batch))
        states: dict[str, PoolState] = {}
        mask(run, watch=states.update)
        figures |= pool_figures(f"sam_batch{batch}", states["refine"])
    return figures


def painted(bench: Bench, images: int, painter: Mapping[str, Any], refine: bool, batch: int) -> dict[str, PoolState]:
    worlds = {"kind": "generated_background", "variants": 2, "painter": {"kind": "sdxl", **painter}}
    run = bench.run(images, refine, scenarios=["original", worlds], pools=bench.pools(paint=batch), shard_size=8)
    states: dict[str, PoolState] = {}
    generate(run, bad_rows=1.0, watch=states.update)
    return states


def worlds(bench: Bench) -> dict[str, float]:
    painter = {"model": bench.sdxl(inpainting=True), "truncate_prompts": True}
    states = painted(bench, max(2, bench.images // 16), painter, refine=True, batch=1)
    return pool_figures("sdxl", states["paint"]) | pool_figures("sam_beside_sdxl", states["refine"])


def few(bench: Bench) -> dict[str, float]:
    figures = {}
    painter = {
        "model": bench.sdxl(inpainting=False), "truncate_prompts": True, "steps": 4, "guidance": 0.0, "strength": 1.0,
        "negative_prompt": "",
    }  # fmt: skip
    for batch in (1, 4):
        states = painted(bench, max(2, bench.images // 8), painter, refine=False, batch=batch)
        figures |= pool_figures(f"sdxl4_batch{batch}", states["paint"])
    return figures


def guided(bench: Bench) -> dict[str, float]:
    guide = {"kind": "complexity", "strength": 0.05, "region": "image"}
    painter = {"model": bench.sdxl(inpainting=True), "truncate_prompts": True, "guide": guide}
    states = painted(bench, max(2, bench.images // 64), painter, refine=False, batch=1)
    return pool_figures("sdxl_guided", states["paint"])


def models(bench: Bench) -> dict[str, float]:
    """Measure the evaluation, and the rendering of scenarios on CPUs before it."""
    run = bench.run(4 * bench.images)
    started = time.perf_counter()
    made = generate(run)
    cpus = os.cpu_count() or 1
    rendered = round(3600 * made.rows / (time.perf_counter() - started) / cpus)
    names = ["test_resnet", "test_vit"] if bench.tiny else ["resnet50", "vit_base_patch16_224", "convnext_base"]
    specs = {}
    for name in names:
        path = bench.folder / f"{name}.safetensors"
        save_file(timm.create_model(name, num_classes=1000).state_dict(), path)
        specs[name] = f"timm:{name}@{path}"
    figures: dict[str, float] = {"render_per_cpu_hour": rendered, "cpus": cpus, "models": len(names)}
    for actors in (1,) if bench.tiny else (1, 4):
        for name in names:
            shutil.rmtree(Path(run.uri.removeprefix("file://")) / "receipts/evaluate" / name, ignore_errors=True)
        started = time.perf_counter()
        done = evaluate(run, specs, actors=actors, gpus=0.0 if bench.tiny else 1.0 / actors)
        seconds = time.perf_counter() - started
        figures[f"predictions_per_second_{actors}_actors"] = round(sum(counts.ok for counts in done.values()) / seconds)
    return figures


def train(bench: Bench) -> dict[str, float]:
    training = {
        "models": ["timm:test_resnet" if bench.tiny else "timm:resnet50"], "holdout": 0.2, "side": 224,
        "epochs": 1 if bench.tiny else 4, "batch": 32 if bench.tiny else 128, "scenarios": ["original", "image_grey"],
        "gpus": 0.0 if bench.tiny else 0.5, "precision": "float32" if bench.tiny else "bfloat16", "cpus": 1,
        "tests": "own",
    }  # fmt: skip
    run = bench.run(4 * bench.images, scenarios=["original", "image_grey"], training=training)
    generate(run)
    started = time.perf_counter()
    swept = sweep(run)
    seconds = time.perf_counter() - started
    history = run.store.table("history").to_pandas()
    return {"trainings": len(swept.trials), "failed": len(swept.failed), "sweep_seconds": round(seconds, 1),
            "epochs": len(history)}  # fmt: skip


PARTS: Mapping[str, Callable[[Bench], dict[str, float]]] = {
    "masks": masks, "worlds": worlds, "few": few, "guided": guided, "models": models, "train": train,
}  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    options.add_argument("--images", type=int, default=256, help="photographs for masks; others by it")
    options.add_argument("--tiny", action="store_true", help="small networks on CPUs: only try the program")
    chosen = options.parse_args()
    if chosen.tiny:
        chosen.images = 4
    figures: dict[str, Any] = {"device": "cpu, tiny" if chosen.tiny else torch.cuda.get_device_name()}
    with tempfile.TemporaryDirectory() as name, connected():
        bench = Bench(Path(name), chosen.tiny, chosen.images)
        for part in chosen.parts or PARTS:
            started = time.perf_counter()
            figures |= (seen := PARTS[part](bench))
            print(f"{part}: {time.perf_counter() - started:.0f} s, {json.dumps(seen)}", flush=True)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
