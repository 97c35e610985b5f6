"""Find what must be made again: images and masks of files that could not be read, and now can."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.core.errors import Rejected
from xray.core.files import read_bytes
from xray.runs.counts import has_failed
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, MASK, Stage


def images_to_remake(run: RunFolder) -> list[str]:
    """Return the shards with failed rows whose files can be read now; their images stay until they are replaced."""
    return [shard for shard in _with_failures(run, GENERATE) if any(map(_all_read, _files_of_images(run, shard)))]


def masks_to_remake(run: RunFolder) -> list[str]:
    """Return the photo batches with failed photographs that can be read now."""
    return [batch for batch in _with_failures(run, MASK) if any(map(_all_read, _files_of_masks(run, batch)))]


def _with_failures(run: RunFolder, stage: Stage) -> list[str]:
    return [receipt.shard for receipt in run.store.receipts(stage) if has_failed(receipt)]


def _files_of_images(run: RunFolder, name: str) -> Iterator[list[str | None]]:
    failed = _failed(run.store.shard_table(GENERATE, "images", name, ["sample_id", "status"]))
    shard = run.plan.shard(name)
    source = {row["image_id"]: row for row in shard.source.to_pylist()}
    for row in shard.plan.to_pylist():
        if row["sample_id"] in failed:
            photograph = source[row["image_id"]]
            yield [photograph["uri"], photograph["mask_uri"], row["donor_uri"]]


def _files_of_masks(run: RunFolder, batch: str) -> Iterator[list[str | None]]:
    failed = _failed(run.store.shard_table(MASK, "masks", batch, ["image_id", "status"]))
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
