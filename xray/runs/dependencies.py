"""What committed work rests on, and whether the run still has it.

A receipt names the hashes of what its work was made from:

| name | hash |
|---|---|
| `source/SS.parquet`, `plan/PP-SS.parquet`, `folds.parquet` | of the file of the plan, in `run.json` |
| `masks/BATCH`, `removed/BATCH`, `images/SHARD` | of the file in its receipt |
| `scenario/NAME`, `refused` | of all images of a scenario, and of the photographs without a mask |

Work counts only while these are what the run has. A file that was revoked, and is not made again yet, is not compared:
if it comes back with the same bytes, nothing else has to be done again. Nor does it have to be if a file only got the
rows of photographs that could not be read before: what shows these is made again anyway, see
`xray.pipeline.generate.retry`. The last row does not depend on shards: images that a new plan reuses leave trainings as
they are. Receipts of earlier versions name nothing, and count.
"""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from xray.core import schema
from xray.core.hashing import digest
from xray.runs.ids import BatchId, PartId, ShardId
from xray.runs.plan_files import PlanFiles
from xray.runs.receipt_files import ReceiptFiles
from xray.runs.receipts import GENERATE, MASK, REMOVE, Receipt, Stage

FOLDS = "folds.parquet"
REFUSED = "refused"
_READERS = 16
_TABLES = {
    "mask": (),
    "remove": ("masks",),
    "generate": ("masks", "removed"),
    "evaluate": ("masks", "removed", "images"),
    "features": ("masks", "removed", "images"),
}
"""Tables whose files the work of a stage may rest on."""


def scenario_content(scenario: str) -> str:
    """Name the content of a scenario: all its images."""
    return f"scenario/{scenario}"


def content_of(tables: Mapping[str, pa.Table]) -> dict[str, str]:
    """Hash what trainings see of a shard's images (IMAGES) and masks (MASKS), by name, as sums over their rows."""
    content: dict[str, int] = {}
    for row in _image_rows(tables["images"]) if "images" in tables else ():
        name, mask = scenario_content(row["scenario"]), row["mask"]
        mask_sha256 = "" if mask is None else hashlib.sha256(mask["bytes"]).hexdigest()
        hashed = digest(row["sample_id"], row["sha256"], mask_sha256, row["status"], bits=128)
        content[name] = content.get(name, 0) + hashed
    if "masks" in tables:
        rows = tables["masks"].select(["image_id", "status"]).to_pylist()
        content[REFUSED] = sum(digest(row["image_id"], bits=128) for row in rows if row["status"] != schema.OK)
    return {name: _hex(total) for name, total in sorted(content.items())}


def _image_rows(images: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in images.select(["sample_id", "scenario", "sha256", "mask", "status"]).to_batches(max_chunksize=64):
        yield from batch.to_pylist()


def _content_of(receipt: Receipt) -> Iterator[tuple[str, int]]:
    """The content that a receipt names; of earlier versions, which name none, that of its files."""
    if receipt.content:
        yield from ((name, int(value, 16)) for name, value in receipt.content.items())
        return
    if "images" in receipt.files:
        for scenario in receipt.counts:
            yield scenario_content(scenario), digest(scenario, receipt.files["images"]["sha256"], bits=128)
    if "masks" in receipt.files:
        yield REFUSED, digest(receipt.files["masks"]["sha256"], bits=128)


def _hex(total: int) -> str:
    return f"{total % 2**128:032x}"


@dataclass(frozen=True)
class Mismatch:
    """A difference between what work was made from and what the run has.

    Args:
        input: its name.
        waiting: whether the run lacks images: only once they are made, the work can be compared, or be done again.
    """

    input: str
    waiting: bool = False

    def __str__(self) -> str:
        if self.waiting:
            return f"not made from the present {self.input}; the run lacks images"
        return f"made from another {self.input} than the run has"


class Dependencies:
    """What the work of a run rests on, at one moment: each file and receipt is looked up once.

    Args:
        plan: of the run.
        receipts: of the run.
    """

    def __init__(self, plan: PlanFiles, receipts: ReceiptFiles) -> None:
        self.plan, self.receipts = plan, receipts
        self.compare_file = functools.cache(self._compare_file)
        self.provider = functools.cache(self._provider)

    def of_batch(self, stage: Stage, batch: str) -> dict[str, str]:
        """Return what the masks of a photo batch, or its removals, are made from now."""
        inputs = self._of_plan(f"source/{BatchId(batch).source}.parquet")
        return inputs | (self._of_files([f"masks/{batch}"]) if stage == REMOVE else {})

    def of_images(self, shard: str, removed: Collection[str] = ()) -> dict[str, str]:
        """Return what the images of a shard are made from now.

        `removed`: the photo batches whose photographs they show without their objects.
        """
        name = ShardId(shard)
        inputs = self._of_plan(f"plan/{name.part}.parquet", f"source/{name.batch.source}.parquet")
        own = self.receipts.find(GENERATE, shard)
        masks = [] if own is not None and "masks" in own.files else [f"masks/{name.batch}"]
        return inputs | self._of_files([*masks, *(f"removed/{batch}" for batch in removed)])

    def of_predictions(self, shard: str) -> dict[str, str]:
        """Return what the predictions, or the features, of a shard's stored images are made from now."""
        return self._of_plan(f"plan/{ShardId(shard).part}.parquet") | self._of_files([f"images/{shard}"])

    def of_training(self, scenarios: Iterable[str]) -> dict[str, str]:
        """Return what trainings are made from now that see these scenarios."""
        names = [REFUSED, *map(scenario_content, sorted(set(scenarios)))]
        return self._of_plan(FOLDS) | {name: self.content.get(name, _hex(0)) for name in names}

    def _of_plan(self, *names: str) -> dict[str, str]:
        return {name: self.plan_files[name] for name in names if name in self.plan_files}

    def _of_files(self, names: Iterable[str]) -> dict[str, str]:
        files = {name: self._file(name) for name in names}
        return {name: sha256 for name, sha256 in files.items() if sha256 is not None}

    def mismatch(self, stage: Stage, receipt: Receipt) -> Mismatch | None:
        """Return the first difference between what a receipt's work was made from and what the run has, if any."""
        if stage[0] == "train":
            return self._mismatch_of_training(stage, receipt)
        for name, sha256 in receipt.made_from.items():
            if name.endswith(".parquet"):
                if self.plan_files.get(name) != sha256 and name not in self._replaced:
                    return Mismatch(name)
            elif name.partition("/")[0] in _TABLES[stage[0]] and not self.compare_file(name, sha256):
                return Mismatch(name)
        return None

    def _mismatch_of_training(self, stage: Stage, receipt: Receipt) -> Mismatch | None:
        if not receipt.made_from and (changed := {stage[2], *receipt.counts} & {*self._record.get("revoked", ())}):
            return Mismatch(scenario_content(min(changed)))
        for name, value in receipt.made_from.items():
            if name == FOLDS:
                if self.plan_files.get(name) != value:
                    return Mismatch(name, waiting=self._lacks_images)
            elif self.content.get(name, _hex(0)) != value:
                to_come = self._content_to_come.get(name, _hex(0))
                if to_come != value and not (to_come is None and name == REFUSED):  # compared once all masks are made
                    return Mismatch(name, waiting=to_come is None)
        return None

    def _compare_file(self, name: str, sha256: str) -> bool:
        """Whether a file has this hash, and is itself made from what the run has; or is not made."""
        stage_and_receipt = self.provider(name)
        if stage_and_receipt is None:
            return True
        stage, receipt = stage_and_receipt
        table, _, _ = name.partition("/")
        file = receipt.files[table]
        if sha256 not in (file["sha256"], *file.get("extends", ())):
            return False
        if table == "masks" and stage == GENERATE:  # made beside images that may rest on more
            return True
        return self.mismatch(stage, receipt) is None

    def _file(self, name: str) -> str | None:
        """The hash of a file that a receipt names; None if it is not made."""
        stage_and_receipt = self.provider(name)
        return None if stage_and_receipt is None else stage_and_receipt[1].files[name.partition("/")[0]]["sha256"]

    def _provider(self, name: str) -> tuple[Stage, Receipt] | None:
        """The receipt that names a file, with its stage."""
        table, _, shard = name.partition("/")
        stages = {"masks": (MASK, GENERATE), "removed": (REMOVE,), "images": (GENERATE,)}[table]
        for stage in stages:
            first = self._first_shard(shard) if (table, stage) == ("masks", GENERATE) else shard
            receipt = None if first is None else self.receipts.find(stage, first)
            if receipt is not None and table in receipt.files:
                return stage, receipt
        return None

    def _first_shard(self, batch: str) -> str | None:
        """The shard that makes the masks of a photo batch where no stage of their own does."""
        source, _, group = batch.partition("-")
        part = self._first_parts.get(source)
        return None if part is None else f"{part}-{group}"

    @functools.cached_property
    def _record(self) -> Mapping[str, Any]:
        return self.plan.kept_record() if self.plan.exists else {"files": {}, "parts": [], "replaced": []}

    @functools.cached_property
    def _first_parts(self) -> Mapping[str, str]:
        return {PartId(part).source: part for part in sorted(self._record["parts"], reverse=True)}

    @property
    def plan_files(self) -> Mapping[str, str]:
        """Hashes of the files of the plan, by name."""
        files: Mapping[str, str] = self._record["files"]
        return files

    @functools.cached_property
    def _replaced(self) -> set[str]:
        """The files of earlier plans, whose hashes the run has no more; what was made from them may be reused."""
        parts = [PartId(part) for part in self._record["replaced"]]
        files = {f"plan/{part}.parquet" for part in parts} | {f"source/{part.source}.parquet" for part in parts}
        return files - self.plan_files.keys()

    @functools.cached_property
    def parts(self) -> set[str]:
        """Names of the parts of the plan, `PP-SS`, and of its source parts, `SS`."""
        return {name for part in self._record["parts"] for name in (part, PartId(part).source)}

    def planned(self, stage: Stage) -> list[str]:
        """Names of the shards of the plan that have a receipt in a stage, in order; of a training, of all."""
        names = sorted(self.receipts.shards(stage))
        return names if stage[0] == "train" or not self._record["parts"] else self._in_plan(names)

    def _in_plan(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if ShardId(name).part in self.parts]

    @functools.cached_property
    def content(self) -> Mapping[str, str]:
        """Hashes of the content of the run's images, by scenario, and of the photographs without a mask."""
        totals: dict[str, int] = {}
        for stage in (MASK, GENERATE):
            for name, value in (pair for receipt in self._current(stage) for pair in _content_of(receipt)):
                totals[name] = totals.get(name, 0) + value
        return {name: _hex(total) for name, total in totals.items()}

    def _current(self, stage: Stage) -> list[Receipt]:
        """The readable receipts of a stage that match."""
        with ThreadPoolExecutor(_READERS) as pool:
            receipts = list(pool.map(functools.partial(self.receipts.find, stage), self.planned(stage)))
        return [one for one in receipts if one is not None and self.mismatch(stage, one) is None]

    @functools.cached_property
    def _made(self) -> set[str]:
        """The shards that have their images."""
        return {receipt.shard for receipt in self._current(GENERATE)}

    @property
    def _lacks_images(self) -> bool:
        return not self._made.issuperset(self.plan.shards())

    @functools.cached_property
    def _content_to_come(self) -> Mapping[str, str | None]:
        """The content once the images that the run lacks are made; None where these are not just reused."""
        totals: dict[str, int | None] = {name: int(value, 16) for name, value in self.content.items()}
        for part in self._record["parts"]:
            with self.plan.open_part("plan", part) as file:
                for group in range(file.metadata.num_row_groups):
                    if ShardId.of(part, group) not in self._made:
                        self._add_reused(totals, file.read_row_group(group))
                        totals[REFUSED] = None
        return {name: None if total is None else _hex(total) for name, total in totals.items()}

    def _add_reused(self, totals: dict[str, int | None], plan: pa.Table) -> None:
        """Add the content of the images of a shard (PLAN) that are to be reused from one of an earlier plan."""
        origins: dict[str, Counter[str | None]] = {}
        for row in plan.select(["scenario", "carried_from"]).to_pylist():
            origins.setdefault(row["scenario"], Counter())[row["carried_from"]] += 1
        for scenario, counts in origins.items():
            name, earlier = scenario_content(scenario), next(iter(counts))
            receipt = None if earlier is None else self.receipts.find(GENERATE, earlier)
            whole = receipt is not None and sum(receipt.counts.get(scenario, {}).values()) == counts.total()
            if receipt is None or len(counts) > 1 or not whole or self.mismatch(GENERATE, receipt) is not None:
                totals[name] = None
            elif (total := totals.get(name, 0)) is not None:
                totals[name] = total + dict(_content_of(receipt)).get(name, 0)
