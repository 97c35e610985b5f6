"""Models without a network, for tests of what feeds them: all scheduling is real, a picture takes no time.

Both are plug-ins that recipes name by their import path, as those of any package. Each writes a line for every picture
to a log in its `desk`, and obeys the orders that lie there as files; so that runs with and without orders have equal
recipes, and must give equal bytes:

    late        every picture takes up to as many milliseconds as the file says, differently with another number
    die-refine, die-paint    the first actor that has made one picture takes the order away, and is killed in the next
    deadly-refine, deadly-paint    every actor is killed in its first picture
    stand       painters stand still for ever
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
from xray.backgrounds.inpainting.base import Painted, Painter, Scene
from xray.core.errors import Rejected
from xray.core.plugins import settings
from xray.masks import Refined, Refiner, Unrefined
from xray.models.weights import locate
from xray.pipeline.generate.stages import Flow
from xray.pipeline.plan.plan import survey, write_plan
from xray.runs.receipts import GENERATE
from xray.runs.recipe import recipe_from
from xray.runs.run import Run


class Desk:
    """Where orders lie, and what was done is written down."""

    def __init__(self, folder: str, pool: str) -> None:
        self.folder, self.pool, self.made = Path(folder), pool, 0

    def work(self, seed: int) -> None:
        with (self.folder / "log").open("a") as log:
            log.write(f"{self.pool} {platform.node()}:{os.getpid()} {seed}\n")
        if (late := self.folder / "late").exists():
            most = int(late.read_text())
            time.sleep(int(hashlib.sha256(f"{most} {seed}".encode()).hexdigest()[:8], 16) % most / 1000)
        if self.pool == "paint" and (self.folder / "stand").exists():
            threading.Event().wait()
        if (self.folder / f"deadly-{self.pool}").exists() or (self.made == 1 and self._taken(f"die-{self.pool}")):
            os.kill(os.getpid(), signal.SIGKILL)
        self.made += 1

    def _taken(self, order: str) -> bool:
        try:
            (self.folder / order).unlink()
        except FileNotFoundError:
            return False
        return True


@settings
class Shrink(Refiner):
    """The given mask, a rim narrower."""

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

    def prepare(self, item: Unrefined) -> Unrefined:
        if item.hint.mask is None:
            raise Rejected("missing_hint")
        return item

    def run(self, batch: Sequence[Unrefined]) -> list[Any]:
        for item in batch:
            self.desk.work(item.seed)
        kernel = np.ones((2 * self.rim + 1,) * 2, np.uint8)
        return [cv2.erode(item.hint.mask.astype(np.uint8), kernel) > 0 for item in batch]  # type: ignore[union-attr]

    def finish(self, item: Unrefined, raw: Any) -> Refined:
        return Refined(raw, "shrink", predicted_iou=0.9, stability=0.9)


@settings
class Noise(Painter):
    """Worlds of noise, by seed and prompt."""

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = "paints noise"

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

    def prepare(self, item: Scene) -> Scene:
        return item

    def run(self, batch: Sequence[Scene]) -> list[Any]:
        for item in batch:
            self.desk.work(item.seed)
        return [self._noise(item) for item in batch]

    def _noise(self, scene: Scene) -> Any:
        text = int.from_bytes(hashlib.sha256(scene.prompt.encode()).digest()[:8])
        draw = np.random.Generator(np.random.PCG64([scene.seed, text]))
        return draw.integers(self.low, 256, scene.photo.image.shape, dtype=np.uint8)

    def finish(self, item: Scene, raw: Any) -> Painted:
        return Painted(raw)


def pooled_values(folder: Path, **changes: object) -> dict[str, Any]:
    """A recipe for the folder of `pooled_folder`, as plain values: two photographs a shard, each painted twice."""
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
    """One actor each, on CPUs; more settings for the painters'."""
    return {"refine": {"device": "cpu", "actors": 1}, "paint": {"device": "cpu", "actors": 1, **paint}}


def pooled_folder(folder: Path, per_category: int = 3) -> Path:
    """Photographs, masks, weights and a desk."""
    write_folder(folder, per_category)
    write(folder / "rim.txt", b"1")
    write(folder / "noise.txt", b"7")
    (folder / "desk").mkdir()
    return folder


def planned(folder: Path, values: Mapping[str, Any], name: str = "run") -> Run:
    """A run in the folder, by a recipe's plain values."""
    recipe = recipe_from(values)
    run = Run(str(folder / name))
    write_plan(run, recipe, survey(recipe, run))
    return run


def made_here(run: Run, nodes: Sequence[Mapping[str, float]] = ({"CPU": 4.0},)) -> None:
    """All images of a run, made by its stages one after the other in this process."""
    flow = Flow.of(run)
    for stage in flow.stages(nodes):
        work = functools.partial(stage.work, *stage.arguments)
        if isinstance(stage.work, type):
            work = work(beat=lambda items, seconds: None) if stage.pool else work()  # type: ignore[assignment]
        for unit in flow.units:
            work(unit)


def kill_after_a_receipt(run: Run, command: Sequence[str]) -> None:
    """Start a command that makes a run's images, and kill it and its group when the first shard is there."""
    driver = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not run.done(GENERATE) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    assert run.done(GENERATE)


def logged(folder: Path, pool: str) -> list[tuple[str, int]]:
    """Process, as `host:pid`, and seed of each picture that a pool's models have begun."""
    path = folder / "desk/log"
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(process, int(seed)) for name, process, seed in lines if name == pool]


def made_files(run: Run) -> dict[str, str]:
    """SHA-256 of all files of IMAGES and MASKS, by name."""
    folder = Path(run.uri.removeprefix("file://"))
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for kind in ("images", "masks")
        for path in (folder / kind).iterdir()
    }


NO_GATES = {
    "min_area": 0, "max_area": 1, "max_parts": 10**6, "max_holes": 10**6, "min_part": 0,
    "min_predicted_iou": 0, "min_stability": 0, "min_agreement": 0,
}  # fmt: skip
"""Masks of a SAM with random weights are noise; these let them pass."""


def tiny_values(folder: Path, weights: Path, **changes: object) -> dict[str, Any]:
    """A recipe for the folder of `write_folder` with the SAM and the SDXL of `tiny_weights`, as plain values."""
    painter = {"kind": "sdxl", "model": str(weights / "sdxl"), "steps": 2}
    values: dict[str, Any] = {
        "scenarios": ["original", {"kind": "generated_background", "variants": 2, "painter": painter}],
        "masks": {
            "annotations": {"kind": "png", "root": str(folder / "masks")},
            "refine": {"kind": "sam", "model": str(weights / "sam.pth")},
            "gates": NO_GATES,
        },
        "images": {"format": "png"},
        "pools": pools_on_cpus(),
    }
    return recipe_values(folder, **{**values, **changes})
