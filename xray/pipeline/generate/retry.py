"""Find what must be made again: images and masks of files that could not be read, and now can."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from xray.core import schema
from xray.core.errors import Rejected
from xray.core.files import read_bytes
from xray.runs.counts import has_failed
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, MASK


def images_to_remake(run: RunFolder) -> list[str]:
    """Return the shards with failed rows whose files can be read now; their images stay until they are replaced."""
    return [
        receipt.shard
        for receipt in run.store.receipts(GENERATE)
        if has_failed(receipt) and any(_all_read(files) for files in _files_of_failed(run, receipt.shard))
    ]


def masks_to_remake(run: RunFolder) -> list[str]:
    """Return the photo batches with failed photographs that can be read now."""
    batches = []
    for receipt in run.store.receipts(MASK):
        if has_failed(receipt):
            failed = _failed(run.store.shard_table(MASK, "masks", receipt.shard, ["image_id", "status"]), "image_id")
            source = [row for row in run.plan.batch(receipt.shard).to_pylist() if row["image_id"] in failed]
            if any(_all_read([row["uri"], row["mask_uri"]]) for row in source):
                batches.append(receipt.shard)
    return batches


def _files_of_failed(run: RunFolder, name: str) -> Iterator[list[str | None]]:
    shard = run.plan.shard(name)
    failed = _failed(run.store.shard_table(GENERATE, "images", name, ["sample_id", "status"]), "sample_id")
    source = {row["image_id"]: row for row in shard.source.to_pylist()}
    for row in shard.plan.to_pylist():
        if row["sample_id"] in failed:
            photograph = source[row["image_id"]]
            yield [photograph["uri"], photograph["mask_uri"], row["donor_uri"]]


def _failed(made: pa.Table, key: str) -> set[str]:
    return {row[key] for row in made.to_pylist() if row["status"] == schema.FAILED}


def _all_read(uris: Iterable[str | None]) -> bool:
    try:
        for uri in uris:
            if uri is not None:
                read_bytes(uri)
    except Rejected:
        return False
    return True
