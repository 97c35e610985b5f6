"""Photographs and recipes for `kills.py`, an undisturbed run, and the comparison of disturbed runs with it."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.photographs import CATEGORIES, write_photographs
from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.pipeline.verify.verify import verify
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE
from xray.runs.recipe import recipe_from

SHARD = 2
SCENARIOS = ("original", "blur_background", "image_r", "transparent", "segmented")
POOLS = {"refine": {"device": "cpu", "gpus": 0.1}, "paint": {"device": "cpu", "gpus": 0.4}}


@dataclass
class Outcome:
    """The outcome of one disturbed run.

    Args:
        seed: decided everything.
        how: the victim, the time and the point.
        kills: processes that were killed on purpose.
        golden: whether every file equals that of an undisturbed run.
        lost: planned images that are missing.
        duplicated: images that exist twice.
        torn: files that differ from what was committed.
        wasted: repeated work, in shards.
        died: working processes that ended; with a driver or a node, all its workers.
        recovery: seconds from the last kill to the next receipt; None if nothing was left to do.
    """

    seed: int
    how: str
    kills: int
    golden: bool
    lost: int
    duplicated: int
    torn: int
    wasted: float
    died: int
    recovery: float | None


class Field:
    """Photographs, recipes, and golden runs to compare with.

    Args:
        folder: to work in.
        images: photographs.
        cut: seconds for which a link is cut.
    """

    def __init__(self, folder: Path, images: int, cut: float = 60) -> None:
        self.folder, self.images, self.cut = folder, images, cut
        self.desk = folder / "desk"
        self.desk.mkdir(parents=True)
        os.environ["CHAOS_DESK"] = str(self.desk)  # workers inherit it
        write_photographs(folder, images)
        self.golden: dict[int, dict[str, bytes]] = {}

    def values(self, actors: int) -> dict[str, Any]:
        """Return a recipe; with actors, it refines masks and inpaints backgrounds."""
        painted: list[Any] = [{"kind": "generated_background", "variants": 2, "painter": {"kind": "noisy:Noise"}}]
        masks: dict[str, Any] = {"annotations": {"kind": "png", "root": str(self.folder / "masks")}}
        return {
            "categories": CATEGORIES,
            "source": {"kind": "imagefolder", "root": str(self.folder / "photos")},
            "masks": {**masks, "refine": {"kind": "noisy:Rim"}} if actors else masks,
            "scenarios": ["original", *painted] if actors else list(SCENARIOS),
            "shard_size": SHARD,
            "pools": {name: {**pool, "actors": actors} for name, pool in POOLS.items()} if actors else {},
        }

    def planned(self, name: str, actors: int) -> RunFolder:
        """Plan a run."""
        run, recipe = RunFolder(str(self.folder / name)), recipe_from(self.values(actors))
        write_plan(run, recipe, survey(recipe))
        return run

    def undisturbed(self, actors: int) -> None:
        """Make the run that disturbed runs are compared with."""
        run = self.planned(f"golden-{actors}", actors)
        generate(run)
        self.golden[actors] = files(run)

    def clear(self) -> None:
        """Remove orders and log of the run before."""
        for path in self.desk.iterdir():
            path.unlink()

    def order(self, point: str, nth: int, size: int, whom: int | None = None) -> None:
        """Order that a process be killed when it reaches a point."""
        text = json.dumps({"point": point, "nth": nth, "bytes": size, "whom": whom})
        (self.desk / "order-new").write_text(text)
        (self.desk / "order-new").rename(self.desk / "order")

    def noted(self) -> dict[str, Counter[str]]:
        """Count how often each item was started, by kind of work."""
        found: dict[str, Counter[str]] = {}
        log = self.desk / "log"
        for line in log.read_text().splitlines() if log.exists() else ():
            what, _, of = line.split(" ", 2)
            found.setdefault(what, Counter())[of] += 1
        return found

    def done_by(self, host: str) -> int:
        """Count the items that a host has read or made."""
        log = self.desk / "log"
        return sum(line.split(" ")[1].startswith(f"{host}/") for line in log.read_text().splitlines())

    def judged(self, run: RunFolder, actors: int, seed: int, how: str, killed: list[float], died: int) -> Outcome:
        """Compare a run with the golden one."""
        planned = run.store.table("plan", ["sample_id"]).column("sample_id").to_pylist()
        made = run.store.table("images", ["sample_id"]).column("sample_id").to_pylist()
        found = verify(run)
        noted = self.noted()
        once = {"refine": SHARD, "paint": 2 * SHARD} if actors else {"photo": SHARD}
        again = [sum(noted.get(what, Counter()).values()) - len(noted.get(what, ())) for what in once]
        wasted = sum(extra / size for extra, size in zip(again, once.values(), strict=True))
        later = [when for when in run.store.committed(GENERATE).values() if killed and when > killed[-1]]
        return Outcome(
            seed, how, len(killed), files(run) == self.golden[actors], len(set(planned) - set(made)),
            len(made) - len(set(made)), len(found.problems), round(wasted, 2), died,
            round(min(later) - killed[-1], 2) if later else None,
        )  # fmt: skip


def files(run: RunFolder) -> dict[str, bytes]:
    """Return all files of images and masks, by name."""
    folder = Path(run.uri.removeprefix("file://"))
    names = [path for kind in ("images", "masks") for path in (folder / kind).glob("*.parquet")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}
