"""Is everything there, and as it was committed? Every file against its receipt, every planned row against a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from xray.core import yaml
from xray.core.errors import DamagedError, Rejected
from xray.core.files import delete_file, paths_below, read_committed
from xray.core.progress import Progress
from xray.pipeline.verify.shard import Looked, Problem, look_at
from xray.runs.receipts import GENERATE, MASK, Stage
from xray.runs.run import Run

_READERS = 16
_WORK = ("source", "plan", "masks", "images", "predictions", "history", "receipts", "trials")
"""Folders in which every file is named by a receipt or by the plan, or is one."""


@dataclass(frozen=True)
class Verified:
    """What was found in a run.

    Args:
        receipts: that were looked at.
        files: that they name.
        bytes: of those files.
        images: rows that are there, of those `planned`.
        planned: rows.
        missing: shards without a receipt, by stage; of models only those that were begun.
        problems: what is not as it was committed.
        orphans: files that nothing names, as paths in the run: left over when something was killed.
    """

    receipts: int
    files: int
    bytes: int
    images: int
    planned: int
    missing: Mapping[Stage, int]
    problems: Sequence[Problem]
    orphans: Sequence[str]

    @property
    def sound(self) -> bool:
        """Whether every planned row is there, and every byte as it was committed."""
        return not self.problems and not any(self.missing.values())


def verify(run: Run, *, pictures: bool = True) -> Verified:
    """Look at everything in a run.

    What was committed is compared with its receipt byte by byte, its rows with the plan, its pictures with their
    hashes; files that nothing names are listed. Nothing is changed. While others work on the run, what they have not
    committed yet is missing, and may be listed as an orphan.

    Args:
        run: with a plan.
        pictures: decode every image and mask, too; their bytes are compared anyway.

    Raises:
        UnreachableError: the store is away, which is no damage.
    """
    there = paths_below(run.uri)  # before the receipts: what is committed meanwhile is no orphan
    damaged = list(_damage_of_plan(run))
    if any(problem.place.startswith(("run.json", "source/", "plan/")) for problem in damaged):
        # What else is right cannot be known.
        return Verified(0, 0, 0, 0, 0, {}, damaged, ())
    shards, units = set(run.shards()), set(run.units())
    replaced = {*run.replaced()}
    there_are = [(stage, shard) for stage in run.stages() for shard in sorted(run.receipted(stage))]
    work = [item for item in there_are if not _is_of(replaced, *item)]

    def look(item: tuple[Stage, str]) -> Looked:
        stage, shard = item
        planned = stage[0] == "train" or shard in (units if stage == MASK else shards)
        return look_at(run, stage, shard, planned=planned, pictures=pictures)

    with ThreadPoolExecutor(_READERS) as pool, Progress("verify", len(work), "receipts") as progress:
        looked = []
        for found in pool.map(look, work):
            looked.append(found)
            progress.advance()
    missing = _missing(run, shards, units)
    complete = not any(missing.values())
    return Verified(
        receipts=len(work),
        files=sum(len(found.files) for found in looked),
        bytes=sum(found.bytes for found in looked),
        images=sum(found.images for found in looked),
        planned=run.planned_rows(),
        missing=missing,
        problems=[*damaged, *(problem for found in looked for problem in found.problems)],
        orphans=_orphans(run, there, work, looked, set() if complete else replaced),
    )


def _is_of(parts: set[str], stage: Stage, shard: str) -> bool:
    """Whether a receipt is of one of these parts of plans (`PP-SS`); units of photographs are of `SS`."""
    part = shard.rpartition("-")[0]
    if stage == MASK:
        return part in {name.partition("-")[2] for name in parts}
    return stage[0] != "train" and part in parts


def _damage_of_plan(run: Run) -> Iterator[Problem]:
    try:
        files: Mapping[str, str] = run.record()["files"]
    except (DamagedError, Rejected):
        yield Problem("damaged", "run.json", "not as it was written")
        return
    for name, sha256 in files.items():
        try:
            found = hashlib.sha256(read_committed(run.path(*name.split("/")))).hexdigest()
        except Rejected as verdict:
            yield Problem("missing", name, str(verdict))
            continue
        if found != sha256:
            yield Problem("changed", name, f"sha256 {found[:12]} instead of {sha256[:12]}")


def _missing(run: Run, shards: set[str], units: set[str]) -> dict[Stage, int]:
    missing: dict[Stage, int] = {}
    for stage in run.stages() or [GENERATE]:
        if stage == MASK:
            missing[stage] = len(units - run.masked())
        elif stage[0] != "train":
            missing[stage] = len(shards - run.done(stage))
    return missing


def _orphans(
    run: Run,
    there: Sequence[str],
    work: Sequence[tuple[Stage, str]],
    looked: Sequence[Looked],
    needed: set[str],
) -> list[str]:
    """What nothing names; but for parts of earlier plans that something may still be carried over from."""
    needed = needed | {part.partition("-")[2] for part in needed}
    named = {name for found in looked for name in found.files} | set(run.record()["files"])
    named |= {"/".join(("receipts", *stage, f"{shard}.json")) for stage, shard in work}
    unread = {problem.shard for found in looked for problem in found.problems if problem.kind == "damaged"}
    trained = {"/".join(("trials", *stage[1:], shard)) for stage, shard in work if stage[0] == "train"}
    orphans = []
    for name in there:
        folder, _, file = name.rpartition("/")
        partial = file.startswith(".") and file.endswith(".partial")
        begun = name.startswith("trials/") and folder not in trained  # a training may go on from it
        shard = file.rpartition(".")[0]
        ours = name.split("/")[0] in _WORK and not begun and shard not in unread
        ours = ours and shard.rpartition("-")[0] not in needed
        if partial or (ours and name not in named):
            orphans.append(name)
    return orphans


def clean(run: Run, found: Verified) -> int:
    """Remove the orphans; how many there were."""
    for name in found.orphans:
        delete_file(run.path(*name.split("/")))
    return len(found.orphans)


def repair(run: Run, found: Verified) -> dict[Stage, int]:
    """Take back the receipts of what is not as it was committed: the same commands make it again, and nothing else.

    Returns:
        How many were taken back, by stage.
    """
    taken: dict[Stage, int] = {}
    for stage, shard in dict.fromkeys((problem.stage, problem.shard) for problem in found.problems):
        if stage is not None:
            run.take_back(stage, shard)
            taken[stage] = taken.get(stage, 0) + 1
    if any(problem.place == "recipe.yaml" for problem in found.problems):
        run.write_file("recipe.yaml", yaml.dump(run.recipe).encode())
    return taken
