"""What `chaos.py` fights over: photographs, recipes, an undisturbed run, and the judgement of disturbed ones."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photographs import CATEGORIES, write_photographs

from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import survey, write_plan
from xray.pipeline.verify.verify import verify
from xray.runs.receipts import GENERATE
from xray.runs.recipe import recipe_from
from xray.runs.run import Run

SHARD = 2
SCENARIOS = ("original", "blur_background", "image_r", "transparent", "segmented")
POOLS = {"refine": {"device": "cpu", "gpus": 0.1}, "paint": {"device": "cpu", "gpus": 0.4}}


@dataclass
class Outcome:
    """What became of one disturbed run.

    Args:
        seed: that decided everything.
        how: who was killed, when and where.
        kills: processes that were killed on purpose.
        golden: whether every file is that of an undisturbed run.
        lost: planned images that are not there.
        duplicated: images that are there twice.
        torn: files that are not as they were committed.
        wasted: work that was begun twice, in shards.
        died: processes that worked and died of it: with a driver or a node, all its workers.
        recovery: seconds from the last kill to the next receipt; None if all was done.
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
    """Photographs, recipes, and a golden run to compare with.

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
        """A recipe's plain values; with actors, masks are refined and worlds painted."""
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

    def planned(self, name: str, actors: int) -> Run:
        """A run with a plan and nothing else."""
        run, recipe = Run(str(self.folder / name)), recipe_from(self.values(actors))
        write_plan(run, recipe, survey(recipe))
        return run

    def undisturbed(self, actors: int) -> None:
        """Make what disturbed runs are compared with."""
        run = self.planned(f"golden-{actors}", actors)
        generate(run)
        self.golden[actors] = files(run)

    def clear(self) -> None:
        """Take away orders and notes of the run before."""
        for path in self.desk.iterdir():
            path.unlink()

    def order(self, point: str, nth: int, size: int, whom: int | None = None) -> None:
        """Have a process killed where it reaches a point."""
        text = json.dumps({"point": point, "nth": nth, "bytes": size, "whom": whom})
        (self.desk / "order-new").write_text(text)
        (self.desk / "order-new").rename(self.desk / "order")

    def noted(self) -> dict[str, Counter[str]]:
        """How often what was begun."""
        found: dict[str, Counter[str]] = {}
        log = self.desk / "log"
        for line in log.read_text().splitlines() if log.exists() else ():
            what, _, of = line.split(" ", 2)
            found.setdefault(what, Counter())[of] += 1
        return found

    def done_by(self, host: str) -> int:
        """How much a host has read and made."""
        log = self.desk / "log"
        return sum(line.split(" ")[1].startswith(f"{host}/") for line in log.read_text().splitlines())

    def judged(self, run: Run, actors: int, seed: int, how: str, killed: list[float], died: int) -> Outcome:
        """Compare a run with the golden one."""
        planned = run.table("plan", ["sample_id"]).column("sample_id").to_pylist()
        made = run.table("images", ["sample_id"]).column("sample_id").to_pylist()
        found = verify(run)
        noted = self.noted()
        once = {"refine": SHARD, "paint": 2 * SHARD} if actors else {"photo": SHARD}
        again = [sum(noted.get(what, Counter()).values()) - len(noted.get(what, ())) for what in once]
        wasted = sum(extra / size for extra, size in zip(again, once.values(), strict=True))
        later = [when for when in run.committed(GENERATE).values() if killed and when > killed[-1]]
        return Outcome(
            seed, how, len(killed), files(run) == self.golden[actors], len(set(planned) - set(made)),
            len(made) - len(set(made)), len(found.problems), round(wasted, 2), died,
            round(min(later) - killed[-1], 2) if later else None,
        )  # fmt: skip


def files(run: Run) -> dict[str, bytes]:
    """All files of images and masks, by name."""
    folder = Path(run.uri.removeprefix("file://"))
    names = [path for kind in ("images", "masks") for path in (folder / kind).glob("*.parquet")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}
