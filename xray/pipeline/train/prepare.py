"""Preparing the images of shards on a worker. Nothing here imports torch, which decoding does not need."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.core.device import configure_worker
from xray.pipeline.train.transform import Preparation
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE

PREPARE_TASKS = pa.schema(
    [
        ("scenario", pa.string()),
        ("preparation", pa.int32()),
        ("shards", pa.list_(pa.string())),
        ("samples", pa.list_(pa.string())),
    ]
)
"""One task per row: images of a scenario in some shards; `preparation`: index; `samples`: sample ids, null for all."""


def prepare(uri: str, preparations: Sequence[Preparation], task: pa.Table) -> pa.Table:
    """Decode the images of a task and make them square.

    Args:
        uri: of the run.
        preparations: what `preparation` is an index of.
        task: one row of PREPARE_TASKS.

    Returns:
        See `Preparation.prepare`.
    """
    configure_worker()
    (row,) = task.to_pylist()
    preparation, run = preparations[row["preparation"]], RunFolder(uri)
    columns = ["sample_id", "image", "mask"] if preparation.masks else ["sample_id", "image"]
    where = (pc.field("scenario") == row["scenario"]) & (pc.field("status") == schema.OK)
    if row["samples"] is not None:
        where &= pc.field("sample_id").isin(row["samples"])
    tables = [run.store.shard_table(GENERATE, "images", shard, columns, where) for shard in row["shards"]]
    return pa.concat_tables([preparation.prepare(table) for table in tables])
