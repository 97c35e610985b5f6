"""A mask refiner and an inpainter without a network, for tests of the pools that run them.

Recipes name both by import path, as they name plug-ins of any package. Each logs every image to its `desk`, a folder,
and obeys the orders that lie there as files. So runs with and without orders have equal recipes, and must give equal
bytes:

    late        every image takes up to this many milliseconds; another number gives other times
    die-refine, die-remove, die-paint    the first process that has finished an image takes the order, and is killed in
                the next one
    deadly-refine, deadly-paint    every actor is killed in its first image
    hang        inpainters never return
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from support.drawn_photos import recipe_values, write, write_folder
from xray.backgrounds.inpainting.base import InpaintedImage, Inpainter, InpaintRequest
from xray.core.errors import Rejected
from xray.core.plugins import settings
from xray.masks import RefinedMask, Refiner, RefinerInput
from xray.models.weights import locate
from xray.pipeline.generate.worklist import Worklist
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, Stage
from xray.runs.recipe import recipe_from


class Desk:
    """A folder with orders and a log; see above."""

    def __init__(self, folder: str, pool: str) -> None:
        self.folder, self.pool, self.made = Path(folder), pool, 0

    def work(self, seed: int) -> None:
        with (self.folder / "log").open("a") as log:
            log.write(f"{self.pool} {platform.node()}:{os.getpid()} {seed}\n")
        if (late := self.folder / "late").exists():
            longest = int(late.read_text())
            time.sleep(int(hashlib.sha256(f"{longest} {seed}".encode()).hexdigest()[:8], 16) % longest / 1000)
        if self.pool == "paint" and (self.folder / "hang").exists():
            threading.Event().wait()
        if (self.folder / f"deadly-{self.pool}").exists() or (self.made and self._take(f"die-{self.pool}")):
            os.kill(os.getpid(), signal.SIGKILL)
        self.made += 1

    def _take(self, order: str) -> bool:
        try:
            (self.folder / order).unlink()
        except FileNotFoundError:
            return False
        return True


@settings
class Shrink(Refiner):
    """Shrinks the given mask by a rim."""

    name: ClassVar[str] = "shrink"
    summary: ClassVar[str] = "shrinks"
    accelerated: ClassVar[bool] = True

    model: str
    desk: str

    def weights(self) -> Mapping[str, str]:
        return {"rim": self.model}

    def load(self, device: str) -> Shrinking:
        return Shrinking(int(locate(self.model).read_text()), Desk(self.desk, "refine"))


class Shrinking:
    def __init__(self, rim: int, desk: Desk) -> None:
        self.rim, self.desk = rim, desk
        self.facts: Mapping[str, Any] = {"rim": rim}

    def prepare(self, item: RefinerInput) -> RefinerInput:
        if item.hint.mask is None:
            raise Rejected("missing_hint")
        return item

    def run(self, batch: Sequence[RefinerInput]) -> list[Any]:
        for item in batch:
            self.desk.work(item.seed)
        kernel = np.ones((2 * self.rim + 1,) * 2, np.uint8)
        return [cv2.erode(item.hint.mask.astype(np.uint8), kernel) > 0 for item in batch]  # type: ignore[union-attr]

    def finish(self, item: RefinerInput, raw: Any) -> RefinedMask:
        return RefinedMask(raw, "shrink", predicted_iou=0.9, stability=0.9)


@settings
class Noise(Inpainter):
    """Inpaints noise, which depends on seed and prompt."""

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = "inpaints noise"

    model: str
    desk: str

    def weights(self) -> Mapping[str, str]:
        return {"noise": self.model}

    def check(self, prompts: Sequence[str]) -> list[str]:
        return []

    def load(self, device: str) -> Noising:
        return Noising(int(locate(self.model).read_text()), Desk(self.desk, "paint"))


class Noising:
    def __init__(self, low: int, desk: Desk) -> None:
        self.low, self.desk = low, desk
        self.facts: Mapping[str, Any] = {"low": low}

    def prepare(self, item: InpaintRequest) -> InpaintRequest:
        return item

    def run(self, batch: Sequence[InpaintRequest]) -> list[Any]:
        for item in batch:
            self.desk.work(item.seed)
        return [self._noise(item) for item in batch]

    def _noise(self, item: InpaintRequest) -> Any:
        text = int.from_bytes(hashlib.sha256(item.prompt.encode()).digest()[:8])
        draw = np.random.Generator(np.random.PCG64([item.seed, text]))
        return draw.integers(self.low, 256, item.photo.image.shape, dtype=np.uint8)

    def finish(self, item: InpaintRequest, raw: Any) -> InpaintedImage:
        return InpaintedImage(raw)


def pooled_values(folder: Path, **changes: object) -> dict[str, Any]:
    """Return a recipe for the folder of `pooled_folder`: two photographs per shard, each inpainted twice."""
    desk = str(folder / "desk")
    painter = {"kind": "support.tiny_pools:Noise", "model": str(folder / "noise.txt"), "desk": desk}
    refiner = {"kind": "support.tiny_pools:Shrink", "model": str(folder / "rim.txt"), "desk": desk}
    values: dict[str, Any] = {
        "scenarios": ["original", {"kind": "generated_background", "variants": 2, "painter": painter}],
        "masks": {"annotations": {"kind": "png", "root": str(folder / "masks")}, "refine": refiner},
        "pools": pools_on_cpus(),
    }
    return recipe_values(folder, **{**values, **changes})


def pools_on_cpus(**paint: object) -> dict[str, Any]:
    """Return settings of one actor per pool, on CPUs; `paint` adds settings of the inpainters' pool."""
    return {"refine": {"device": "cpu", "actors": 1}, "paint": {"device": "cpu", "actors": 1, **paint}}


def pooled_folder(folder: Path, per_category: int = 3) -> Path:
    """Write photographs, masks, weights and an empty desk."""
    write_folder(folder, per_category)
    write(folder / "rim.txt", b"1")
    write(folder / "noise.txt", b"7")
    (folder / "desk").mkdir()
    return folder


def planned(folder: Path, values: Mapping[str, Any], name: str = "run") -> RunFolder:
    """Plan a run in the folder, from a recipe's plain values."""
    recipe = recipe_from(values)
    run = RunFolder(str(folder / name))
    write_plan(run, recipe, survey(recipe, run))
    return run


def made_here(run: RunFolder, nodes: Sequence[Mapping[str, float]] = ({"CPU": 1.0},)) -> None:
    """Make all images of a run in this process, one stage after the other."""
    for one in Worklist.of(run).passes(nodes):
        for stage in one.stages:
            work = functools.partial(stage.work, *stage.arguments)
            if isinstance(stage.work, type):
                work = work(on_batch=lambda images, seconds: None) if stage.pool else work()  # type: ignore[assignment]
            for item in one.items:
                work(item)


def kill_after_a_receipt(run: RunFolder, command: Sequence[str], stage: Stage = GENERATE) -> None:
    """Start a command that makes a run's images; kill it and its group once a stage has committed its first unit."""
    driver = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not run.store.done(stage) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    assert run.store.done(stage)


def logged(folder: Path, pool: str) -> list[tuple[str, int]]:
    """Return process, as `host:pid`, and seed of each image that a pool's models have started."""
    path = folder / "desk/log"
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(process, int(seed)) for name, process, seed in lines if name == pool]


def made_files(run: RunFolder) -> dict[str, str]:
    """Return the SHA-256 of all files of IMAGES, MASKS and REMOVED, by name.

    Hidden files are what a worker was writing when Ray ended it; no reader sees them, and `xray verify --clean` removes
    them.
    """
    folder = Path(run.uri.removeprefix("file://"))
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for kind in ("images", "masks", "removed")
        if (folder / kind).exists()
        for path in (folder / kind).iterdir()
        if not path.name.startswith(".")
    }


NO_GATES = {
    "min_area": 0, "max_area": 1, "max_parts": 10**6, "max_holes": 10**6, "min_part": 0,
    "min_predicted_iou": 0, "min_stability": 0, "min_agreement": 0,
}  # fmt: skip
"""Gates that any mask passes: a SAM with random weights returns noise."""


def tiny_values(folder: Path, weights: Path, **changes: object) -> dict[str, Any]:
    """Return a recipe for the folder of `write_folder` with the SAM and the SDXL of `tiny_weights`."""
    painter = {"kind": "sdxl", "model": str(weights / "sdxl"), "steps": 2}
    values: dict[str, Any] = {
        "scenarios": ["original", {"kind": "generated_background", "variants": 2, "painter": painter}],
        "masks": {
            "annotations": {"kind": "png", "root": str(folder / "masks")},
            "refine": {"kind": "sam", "model": str(weights / "sam")},
            "gates": NO_GATES,
        },
        "images": {"format": "png"},
        "pools": pools_on_cpus(),
    }
    return recipe_values(folder, **{**values, **changes})
