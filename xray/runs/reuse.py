"""Carrying over what an earlier plan has made: rows, or the files of a whole shard.

What was made with other libraries than are here is made anew, whatever the plan says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xray.core import schema
from xray.core.errors import Rejected
from xray.core.files import read_committed
from xray.runs.counts import has_failed
from xray.runs.receipts import GENERATE, MASK, Receipt, Shard, Stage, evaluation, sums
from xray.runs.run import Run
from xray.runs.versions import differing

Row = dict[str, Any]


def carried_images(run: Run, shard: Shard) -> dict[str, Row]:
    """Rows of IMAGES that need not be made, by sample."""
    rows = _carried(run, GENERATE, "images", _from(shard.plan, "sample_id", "carried_from"))
    return {name: row for name, row in rows.items() if row["status"] != schema.FAILED}


def carried_predictions(run: Run, shard: Shard, model: str, weights: str) -> dict[str, Row]:
    """Rows of PREDICTIONS of a model with these weights that need not be asked for, by sample."""
    rows = _carried(run, evaluation(model), "predictions", _from(shard.plan, "sample_id", "carried_from"))
    return {name: row for name, row in rows.items() if row["weights"] == weights}


def carried_masks(run: Run, source: pa.Table) -> dict[str, Row]:
    """Rows of MASKS that need not be made, by photograph."""
    rows = _carried(run, MASK, "masks", _from(source, "image_id", "mask_from"))
    return {name: row for name, row in rows.items() if row["status"] != schema.FAILED}


def adopted(run: Run, shard: Shard, tables: Sequence[str]) -> Receipt | None:
    """Commit a shard by the files of an earlier one, if that has just the same images: nothing is written twice.

    Args:
        run: it is of.
        shard: to be made.
        tables: that it is to have: images, masks.
    """
    names = set(shard.plan.column("carried_from").to_pylist())
    earlier = names.pop()
    if names or earlier is None or not run.has_receipt(GENERATE, earlier):
        return None
    receipt = run.receipt(GENERATE, earlier)
    if has_failed(receipt) or not receipt.files.keys() >= {*tables}:
        return None
    images = _sound(run, GENERATE, receipt, "images")
    if images is None or images.column("sample_id").to_pylist() != shard.plan.column("sample_id").to_pylist():
        return None
    return run.adopt(GENERATE, shard.name, receipt, tables)


def _from(table: pa.Table, key: str, column: str) -> dict[str, str]:
    """The shard or unit that has a row, by key; of those that are to be carried over."""
    pairs = zip(table.column(key).to_pylist(), table.column(column).to_pylist(), strict=True)
    return {name: earlier for name, earlier in pairs if earlier is not None}


def _carried(run: Run, stage: Stage, table: str, wanted: Mapping[str, str]) -> dict[str, Row]:
    """Rows by key; those that are not there, or whose file is damaged, are left out, and so made anew."""
    key = "image_id" if table == "masks" else "sample_id"
    rows: dict[str, Row] = {}
    for earlier in dict.fromkeys(wanted.values()):
        if run.has_receipt(stage, earlier):
            found = _sound(run, stage, run.receipt(stage, earlier), table)
            there = found.to_pylist() if found is not None else []
            rows |= {row[key]: row for row in there if wanted.get(row[key]) == earlier}
    return rows


def _sound(run: Run, stage: Stage, receipt: Receipt, table: str) -> pa.Table | None:
    """A table as it was committed; None if its file is another by now, or would come out otherwise here."""
    if differing(run, stage, receipt):
        return None
    file = receipt.files[table]
    try:
        data = read_committed(run.path(*file["path"]))
    except Rejected:
        return None
    return pq.read_table(pa.BufferReader(data)) if sums(data)["sha256"] == file["sha256"] else None
