"""Verification of a run: every file against its receipt, every planned row against a file; cleaning and repair."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from xray.core import yaml
from xray.core.errors import ConfigError, DamagedError, Rejected
from xray.core.files import delete_file, paths_below
from xray.core.progress import Progress
from xray.core.uri import local_path
from xray.pipeline.verify.shard import Problem, ShardFindings, fault, inspect_shard, read_file
from xray.runs.folder import RunFolder
from xray.runs.ids import PartId, ShardId
from xray.runs.lock import EXPIRE_SECONDS
from xray.runs.receipts import DERIVED, GENERATE, MASK, REMOVE, Stage
from xray.runs.store import WORKS

_READERS = 16
_FOLDERS = ("source", "plan", "masks", "removed", "images", "predictions", "features", "history", "receipts", "trials")
"""Folders in which every file is a receipt, or is named by a receipt or by the plan."""


@dataclass(frozen=True)
class VerifyReport:
    """The result of verifying a run.

    Args:
        receipts: number of receipts.
        files: number of files that they name.
        bytes: total size of these files.
        images: number of rows of IMAGES, of `planned`.
        planned: number of planned rows.
        missing: number of shards without a receipt, by stage; of models only those with any.
        problems: differences from what was committed.
        orphans: files that nothing names, as paths in the run: left by a killed process, or of an earlier plan.
        removed: number of orphans that were removed.
        revoked: number of receipts that were revoked, by stage.
    """

    receipts: int
    files: int
    bytes: int
    images: int
    planned: int
    missing: Mapping[Stage, int]
    problems: Sequence[Problem]
    orphans: Sequence[str]
    removed: int = 0
    revoked: Mapping[Stage, int] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether every planned row is there, and every byte as it was committed; repairs do not change it."""
        return not self.problems and not any(self.missing.values())


def verify(run: RunFolder, *, pictures: bool = True, clean: bool = False, repair: bool = False) -> VerifyReport:
    """Verify everything in a run.

    Files are compared with their receipts byte by byte, rows with the plan, images with their hashes, and receipts with
    what the run has of what their work was made from. While others work
    on the run, uncommitted work counts as missing, and its files may be listed as orphans.

    Args:
        run: with a plan.
        pictures: also decode every image and mask; their bytes are compared anyway.
        clean: remove the orphans. Takes all locks of the run first.
        repair: revoke the receipts of what differs, so that the same commands make it again. Takes all locks.

    Raises:
        ResourceError: `clean` or `repair` while another process works on the run.
        UnreachableError: the store does not answer, which is no damage.
    """
    if clean or repair:
        _drop_abandoned(run.uri)
    with run.locked(*(WORKS if clean or repair else ())):
        report = _inspect(run, pictures)
        if clean:
            for name in report.orphans:
                delete_file(run.store.path(*name.split("/")))
            report = replace(report, removed=len(report.orphans))
        if repair:
            report = replace(report, revoked=_revoke(run, report.problems))
        return report


def _drop_abandoned(uri: str) -> None:
    """Remove what a killed writer left half written, without a lock: on a full disk, there may be no room for one.

    Its writer has not written for as long as a lock lives; if it was suspended, its file is missed when it wakes.
    """
    folder = local_path(uri)
    for name in paths_below(uri) if folder is not None else ():
        path = Path(str(folder), name)
        with contextlib.suppress(OSError):
            if is_partial(path.name) and time.time() - path.stat().st_mtime > EXPIRE_SECONDS:
                path.unlink()


def is_partial(name: str) -> bool:
    """Whether a file was being written when its writer died, by its name."""
    return name.startswith(".") and name.endswith(".partial")


def _inspect(run: RunFolder, pictures: bool) -> VerifyReport:
    paths = paths_below(run.uri)  # before the receipts: what is committed meanwhile is no orphan
    plan_problems = list(_plan_problems(run))
    if any(problem.path.startswith(("run.json", "source/", "plan/")) for problem in plan_problems):
        return VerifyReport(0, 0, 0, 0, 0, {}, plan_problems, ())  # nothing can be compared with a damaged plan
    shards, batches = set(run.plan.shards()), set(run.plan.batches())
    replaced = {name for part in run.plan.replaced() for name in (part, PartId(part).source)}  # of shards, of batches
    receipted = {stage: run.store.receipted(stage) for stage in run.store.stages()}
    receipts = [
        (stage, shard)
        for stage, names in receipted.items()
        for shard in sorted(names)
        if stage[0] == "train" or ShardId(shard).part not in replaced
    ]
    now = run.store.dependencies()

    def inspect(receipt: tuple[Stage, str]) -> ShardFindings:
        stage, shard = receipt
        planned = stage[0] == "train" or shard in (batches if stage in (MASK, REMOVE) else shards)
        return inspect_shard(run, now, stage, shard, planned=planned, pictures=pictures)

    findings: list[ShardFindings] = []
    with ThreadPoolExecutor(_READERS) as pool, Progress("verify", len(receipts), "receipts") as progress:
        for shard_findings in pool.map(inspect, receipts):
            findings.append(shard_findings)
            progress.advance()
    of_shards = [problem for shard in findings for problem in shard.problems]
    missing = _missing(run, receipted, shards, batches)
    reusable = replaced if any(missing.values()) else set()
    return VerifyReport(
        receipts=len(receipts),
        files=sum(len(shard.files) for shard in findings),
        bytes=sum(shard.bytes for shard in findings),
        images=sum(shard.images for shard in findings),
        planned=run.plan.planned_rows(),
        missing=missing,
        problems=[*plan_problems, *of_shards, *_derived_problems(run)],
        orphans=_orphans(run, paths, receipts, findings, reusable),
    )


def _plan_problems(run: RunFolder) -> Iterator[Problem]:
    try:
        files: Mapping[str, str] = run.plan.record()["files"]
    except (DamagedError, Rejected):
        yield Problem("damaged", "run.json", "not as it was written")
        return
    for name, sha256 in files.items():
        try:
            problem = read_file(run.plan.file_uri(name, sha256), {"sha256": sha256})
        except ConfigError as error:  # a name outside of the run
            problem = ("damaged", str(error))
        if isinstance(problem, tuple):
            kind, detail = problem
            yield Problem(kind, name, detail)


def _derived_problems(run: RunFolder) -> Iterator[Problem]:
    """Compare the tables of results with their facts; those of earlier versions have none."""
    for table in run.store.derived():
        try:
            file = run.store.derived_file(table)
        except DamagedError as error:
            path = f"receipts/{DERIVED[0]}/{table}.json"
            yield Problem("damaged", path, fault(error, run.store.path(*path.split("/"))), DERIVED, table)
            continue
        if isinstance(problem := read_file(file.uri, file.facts), tuple):
            kind, detail = problem
            yield Problem(kind, f"{table}.parquet", detail, DERIVED, table)


def _missing(
    run: RunFolder, receipted: Mapping[Stage, set[str]], shards: set[str], batches: set[str]
) -> dict[Stage, int]:
    missing: dict[Stage, int] = {}
    stages = [*receipted]
    if {*stages} <= {MASK, REMOVE}:  # models may have been evaluated without storing images
        stages.append(GENERATE)
    for stage in stages:
        names = receipted.get(stage, set())
        if stage == MASK:
            missing[stage] = len(batches - names - _masked_with_images(run, receipted.get(GENERATE, set())))
        elif stage == REMOVE:
            missing[stage] = len(batches - names) if run.recipe.needs_removed else 0
        elif stage[0] not in ("features", "train"):  # the features of finished trainings may be missing
            missing[stage] = len(shards - names)
    return missing


def _masked_with_images(run: RunFolder, shards: set[str]) -> set[str]:
    """The photo batches whose masks were made beside images."""
    receipts = {shard: run.store.receipt_files.find(GENERATE, shard) for shard in shards}
    with_masks = (shard for shard, receipt in receipts.items() if receipt is not None and "masks" in receipt.files)
    return {ShardId(shard).batch for shard in with_masks}


def _orphans(
    run: RunFolder,
    paths: Sequence[str],
    receipts: Sequence[tuple[Stage, str]],
    findings: Sequence[ShardFindings],
    reusable: set[str],
) -> list[str]:
    """Return the files, of all `paths`, that nothing names.

    `reusable`: parts of earlier plans whose results may still be reused; their files are no orphans.
    """
    named = {name for shard in findings for name in shard.files} | run.plan.names()
    derived = [(DERIVED, table) for table in run.store.derived()]
    named |= {"/".join(("receipts", *stage, f"{shard}.json")) for stage, shard in [*receipts, *derived]}
    unreadable = {problem.shard for shard in findings for problem in shard.problems if problem.kind == "damaged"}
    trained = {"/".join(("trials", *stage[1:], shard)) for stage, shard in receipts if stage[0] == "train"}

    def is_orphan(name: str) -> bool:
        folder, _, file = name.rpartition("/")
        if is_partial(file):
            return True
        if name in named or name.split("/")[0] not in _FOLDERS:
            return False
        if name.startswith("trials/") and folder not in trained:  # an unfinished training may resume from it
            return False
        shard = ShardId(file.rpartition(".")[0])
        return shard not in unreadable and shard.part not in reusable

    return [name for name in paths if is_orphan(name)]


def _revoke(run: RunFolder, problems: Sequence[Problem]) -> Mapping[Stage, int]:
    """Revoke the receipts of problems and rewrite a damaged recipe.yaml; return the number of receipts by stage."""
    revoked: Counter[Stage] = Counter()
    for stage, shard in dict.fromkeys((problem.stage, problem.shard) for problem in problems):
        if stage is not None:
            run.store.drop_table(shard) if stage == DERIVED else run.store.revoke(stage, shard)
            revoked[stage] += 1
    if any(problem.path == "recipe.yaml" for problem in problems):
        run.store.write_file("recipe.yaml", yaml.dump(run.plan.record()["recipe"]).encode())
    return revoked
