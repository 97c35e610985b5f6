"""Find what must be made again: images, masks and removals of files that could not be read, and now can."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.core.errors import Rejected
from xray.core.files import read_bytes
from xray.runs.counts import has_failed
from xray.runs.folder import RunFolder
from xray.runs.photographs import Photographs
from xray.runs.receipts import GENERATE, MASK, REMOVE, Stage


def images_to_remake(run: RunFolder) -> list[str]:
    """Return the shards with failed rows whose files can be read now; their images stay until they are replaced."""
    photographs = Photographs(run.plan)
    failed = _with_failures(run, GENERATE)
    return [shard for shard in failed if any(map(_all_read, _files_of_images(run, photographs, shard)))]


def masks_to_remake(run: RunFolder) -> list[str]:
    """Return the photo batches with photographs that failed in `xray mask`, and can be read now."""
    return _batches_to_remake(run, MASK, "masks")


def removals_to_remake(run: RunFolder) -> list[str]:
    """Return the photo batches with photographs that failed in `xray remove`, and can be read now."""
    return _batches_to_remake(run, REMOVE, "removed")


def _batches_to_remake(run: RunFolder, stage: Stage, table: str) -> list[str]:
    failed = _with_failures(run, stage)
    return [batch for batch in failed if any(map(_all_read, _files_of_photographs(run, stage, table, batch)))]


def _with_failures(run: RunFolder, stage: Stage) -> list[str]:
    return [receipt.shard for receipt in run.store.receipts(stage) if has_failed(receipt)]


def _files_of_images(run: RunFolder, photographs: Photographs, name: str) -> Iterator[list[str | None]]:
    failed = _failed(run.store.shard_table(GENERATE, "images", name, ["sample_id", "status"]))
    shard = run.plan.shard(name)
    source = {row["image_id"]: row for row in shard.source.to_pylist()}
    for row in shard.plan.to_pylist():
        if row["sample_id"] in failed:
            photograph = source[row["image_id"]]
            yield [photograph["uri"], photograph["mask_uri"], *_files_of_donor(run, photographs, row)]


def _files_of_donor(run: RunFolder, photographs: Photographs, row: Mapping[str, Any]) -> list[str | None]:
    """The files of the donor of a row of PLAN: of the first one whose object could be removed, if that is asked."""
    rule = run.recipe.scenarios[row["scenario"]].scenario.donor_rule
    if rule is None or not rule.removed or not run.recipe.removes_donors or row["donor_id"] is None:
        return [row["donor_uri"]]
    for name in (row["donor_id"], *(spare["donor_id"] for spare in row.get("donor_spares") or ())):
        if (place := photographs.find(name)) is not None and not _unusable(run, *place):
            source = run.plan.batch(place[0]).slice(place[1], 1).to_pylist()[0]
            return [source["uri"], source["mask_uri"]]
    return []


def _unusable(run: RunFolder, batch: str, position: int) -> bool:
    """Whether the object of a photograph could not be removed, for a reason that stays."""
    made = run.store.is_current(REMOVE, batch)
    return made and run.store.removed_row(batch, position)["status"] == schema.REJECTED


def _files_of_photographs(run: RunFolder, stage: Stage, table: str, batch: str) -> Iterator[list[str | None]]:
    failed = _failed(run.store.shard_table(stage, table, batch, ["image_id", "status"]))
    for row in run.plan.batch(batch).to_pylist():
        if row["image_id"] in failed:
            yield [row["uri"], row["mask_uri"]]


def _failed(made: pa.Table) -> set[str]:
    """Values of the first column where the second, the status, is failed."""
    return set(made.filter(pc.equal(made["status"], schema.FAILED)).column(0).to_pylist())


def _all_read(uris: Iterable[str | None]) -> bool:
    try:
        for uri in uris:
            if uri is not None:
                read_bytes(uri)
    except Rejected:
        return False
    return True
