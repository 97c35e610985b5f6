"""Time of the eleven edits of `jobs/recipes/imagenet_e.yaml` beside eleven classical scenarios, in turns.

    python benchmarks/edits.py [--photos FOLDER] [--rounds 3]

FOLDER has `images/GROUP/NAME.*` and `masks/GROUP/NAME.png`; without one, 66 photographs of 375×500 pixels are drawn.
Both make the same number of images of the same photographs in this process. Masks, and the photographs without their
objects, are made before: `removals` counts how often an object was removed for the edits, once per photograph for all
of them and all donors. The times are CPU times; the ratio is that of both, per image made, in the same round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

# As in workers: one thread, and an allocator that keeps its buffers.
os.environ |= {"OMP_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": "100000000", "MALLOC_MMAP_THRESHOLD_": "100000000"}

import cv2
from support.photographs import write_photographs

from xray.backgrounds.removal.telea import Telea
from xray.core import yaml
from xray.core.types import Photo, Pixels
from xray.pipeline.generate.donors import Donors
from xray.pipeline.generate.render import Renderer
from xray.pipeline.generate.shows import removed_of
from xray.pipeline.generate.workers import refine_shards, remove_shards
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.ids import batch_of
from xray.runs.recipe import recipe_from

RECIPES = Path(__file__).parents[1] / "jobs/recipes"
NO_EDITS = ("original", "pasted", "resampled", "background")
CLASSICAL = ("blur_background", "blur_object", "bright_background", "image_r", "image_g", "image_b", "image_rainbow",
             "image_grey", "segmented", "transparent", "random_background")  # fmt: skip
"""Those of XIMAGENET-12."""
MAX_RATIO = 1.3


def edits() -> dict[str, Any]:
    """Return the edits of the recipe, without its controls."""
    values, _ = yaml.load((RECIPES / "imagenet_e.yaml").read_text(encoding="utf-8"), "imagenet_e.yaml")
    return {name: entry for name, entry in values["scenarios"].items() if name not in NO_EDITS}


class Rendering:
    """A planned run whose masks and removals are made."""

    def __init__(self, folder: Path, photos: Path, images: str, scenarios: dict[str, Any]) -> None:
        groups = sorted(path.name for path in (photos / images).iterdir() if path.is_dir())
        recipe = recipe_from(
            {
                "categories": {group: [index] for index, group in enumerate(groups)},
                "source": {"kind": "imagefolder", "root": str(photos / images)},
                "masks": {"annotations": {"kind": "png", "root": str(photos / "masks")}},
                "remover": "telea",
                "scenarios": scenarios,
            }
        )
        self.run = RunFolder(str(folder))
        write_plan(self.run, recipe, survey(recipe))
        self.recipe = self.run.recipe
        for shard in self.run.plan.shards():
            refine_shards(self.run.uri, shard)
        for batch in self.run.plan.batches() if self.recipe.needs_removed else ():
            remove_shards(self.run.uri, 1, batch)

    def render(self) -> tuple[float, int, int]:
        """Render every image; return CPU seconds, and the numbers of all images and of those refused."""
        renderer, started, outcomes = (
            Renderer(self.recipe, Donors(self.recipe, self.run)),
            time.process_time(),
            Counter(),
        )
        for shard in self.run.plan.shards():
            masks = self.run.store.masks(batch_of(shard))
            rendered = renderer.shard(self.run.plan.shard(shard), masks, None, removed_of(self.run, shard))
            outcomes.update(rendered.images.column("status").to_pylist())
        return time.process_time() - started, outcomes.total(), outcomes.total() - outcomes["ok"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--photos", type=Path, help="a folder of photographs and masks; default: drawn ones")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    cv2.setNumThreads(1)
    removals = 0
    remove = Telea.remove

    def counted(remover: Telea, photo: Photo, seed: int) -> Pixels:
        nonlocal removals
        removals += 1
        return remove(remover, photo, seed)

    Telea.remove = counted  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as name:
        photos, images = chosen.photos or Path(name) / "drawn", "images" if chosen.photos else "photos"
        if not chosen.photos:
            write_photographs(photos, 6 if chosen.tiny else 66)
        edited = Rendering(Path(name) / "edits", photos, images, edits())
        removed_for_edits = removals
        plain = Rendering(Path(name) / "classical", photos, images, dict(zip(CLASSICAL, CLASSICAL, strict=True)))
        photographs = edited.run.store.table("source", ["image_id"]).num_rows
        ratios = []
        for number in range(1 if chosen.tiny else chosen.rounds):
            first, second = (edited, plain) if number % 2 else (plain, edited)
            spent = {first: first.render(), second: second.render()}
            (seconds, made, refused), (beside, others, _) = spent[edited], spent[plain]
            # Refused images cost less: compared is the time per image that was made.
            ratios.append(seconds / (made - refused) / (beside / others))
            print(f"round {number + 1}: edits {seconds:.2f} CPU-s, {made} images ({refused} refused), "
                  f"classical scenarios {beside:.2f} CPU-s, {others} images", flush=True)  # fmt: skip
    ratio = statistics.median(ratios)
    print(json.dumps({"photographs": photographs, "ratio": round(ratio, 3), "ratio_reached": ratio <= MAX_RATIO,
                      "removals": removed_for_edits, "removed_once": removed_for_edits == photographs}))  # fmt: skip


if __name__ == "__main__":
    main()
