"""xray.pipeline.generate.retry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from xray.core import schema
from xray.core.errors import Rejected
from xray.core.files import read_bytes
from xray.runs.counts import has_failed
from xray.runs.receipts import GENERATE, MASK
from xray.runs.run import Run


def images_to_remake(run: Run) -> list[str]:
    """The shards with rows whose files could not be read, and can be now; what was made stays until it is replaced."""
    return [
        receipt.shard
        for receipt in run.receipts(GENERATE)
        if has_failed(receipt) and any(_all_read(files) for files in _files_of_failed(run, receipt.shard))
    ]


def masks_to_remake(run: Run) -> list[str]:
    """The units with photographs that could not be read, and can be now."""
    units = []
    for receipt in run.receipts(MASK):
        if has_failed(receipt):
            failed = _failed(run.made(MASK, "masks", receipt.shard, ["image_id", "status"]), "image_id")
            source = [row for row in run.unit(receipt.shard).to_pylist() if row["image_id"] in failed]
            if any(_all_read([row["uri"], row["mask_uri"]]) for row in source):
                units.append(receipt.shard)
    return units


def _files_of_failed(run: Run, name: str) -> Iterator[list[str | None]]:
    shard = run.shard(name)
    failed = _failed(run.made(GENERATE, "images", name, ["sample_id", "status"]), "sample_id")
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
