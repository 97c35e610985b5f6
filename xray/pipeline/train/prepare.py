"""Preparing the images of shards on a worker. Nothing here imports torch: a worker that decodes needs none."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.pipeline.train.transform import Preparation
from xray.runs.receipts import GENERATE
from xray.runs.run import Run

UNITS = pa.schema(
    [
        ("scenario", pa.string()),
        ("preparation", pa.int32()),
        ("shards", pa.list_(pa.string())),
        ("samples", pa.list_(pa.string())),
    ]
)
"""What is prepared together: images of one scenario in some shards; null samples: all of them."""


def prepare(uri: str, preparations: Sequence[Preparation], unit: pa.Table) -> pa.Table:
    """The images of a unit, decoded and square.

    Args:
        uri: of the run.
        preparations: how images are made square.
        unit: one row of UNITS; its `preparation` says which.
    """
    cv2.setNumThreads(1)
    (row,) = unit.to_pylist()
    preparation, run = preparations[row["preparation"]], Run(uri)
    columns = ["sample_id", "image", "mask"] if preparation.masks else ["sample_id", "image"]
    where = (pc.field("scenario") == row["scenario"]) & (pc.field("status") == schema.OK)
    if row["samples"] is not None:
        where &= pc.field("sample_id").isin(row["samples"])
    made = [run.made(GENERATE, "images", shard, columns, where) for shard in row["shards"]]
    return pa.concat_tables([preparation.prepared(table) for table in made])
