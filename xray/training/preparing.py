"""Preparing the images of shards on a worker. Nothing here imports torch: a worker that decodes needs none."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import pyarrow as pa
import pyarrow.dataset as ds

from xray import schema
from xray.run import Run
from xray.store import GENERATE
from xray.training.pixels import Preparation

Wanted = tuple[str, Preparation, Sequence[str]]
"""A scenario, how its images are made square, and the shards that they lie in."""


def prepare(uri: str, wanted: Sequence[Wanted], places: pa.Table) -> pa.Table:
    """The images of one entry, decoded and square.

    Args:
        uri: of the run.
        wanted: the entries.
        places: one row; its `place` says which.
    """
    cv2.setNumThreads(1)
    scenario, preparation, shards = wanted[places.column("place")[0].as_py()]
    run = Run(uri)
    columns = ["sample_id", "image", "mask"] if preparation.masks else ["sample_id", "image"]
    where = (ds.field("scenario") == scenario) & (ds.field("status") == schema.OK)
    made = [run.made(GENERATE, "images", shard, columns, where) for shard in shards]
    return pa.concat_tables([preparation.prepared(table) for table in made])
