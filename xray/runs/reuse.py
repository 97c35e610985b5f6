"""Reuse of results of an earlier plan: single rows, or the files of a whole shard.

A result that was made with other versions of the libraries that determine it is never reused, even if the plan says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from xray.core import schema
from xray.core.errors import DamagedError
from xray.runs.counts import has_failed
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, Receipt, Shard, Stage, evaluation, features
from xray.runs.versions import changed_versions

Row = dict[str, Any]


def reusable_images(run: RunFolder, shard: Shard) -> dict[str, Row]:
    """Return the reusable rows of IMAGES of a shard, by sample id."""
    rows = _reusable_rows(run, GENERATE, "images", _origins(shard.plan, "sample_id", "carried_from"))
    return {key: row for key, row in rows.items() if row["status"] != schema.FAILED}


def reusable_predictions(run: RunFolder, shard: Shard, model: str, weights: str) -> dict[str, Row]:
    """Return the reusable rows of PREDICTIONS of a model with these weights (sha256) on a shard, by sample id."""
    rows = _reusable_rows(run, evaluation(model), "predictions", _origins(shard.plan, "sample_id", "carried_from"))
    return {key: row for key, row in rows.items() if row["weights"] == weights}


def reusable_features(run: RunFolder, shard: Shard, model: str, weights: str) -> dict[str, Row]:
    """Return the reusable rows of FEATURES of a model with these weights (sha256) on a shard, by sample id."""
    rows = _reusable_rows(run, features(model), "features", _origins(shard.plan, "sample_id", "carried_from"))
    return {key: row for key, row in rows.items() if row["weights"] == weights}


def reusable_photograph_rows(run: RunFolder, stage: Stage, table: str, source: pa.Table) -> dict[str, Row]:
    """Return the reusable rows of MASKS or REMOVED, by the name of the table, for rows of SOURCE, by image id."""
    column = {"masks": "mask_from", "removed": "removed_from"}[table]
    if column not in source.column_names:  # planned by an earlier version, which had no such table
        return {}
    rows = _reusable_rows(run, stage, table, _origins(source, "image_id", column))
    return {key: row for key, row in rows.items() if row["status"] != schema.FAILED}


def adopt_shard(run: RunFolder, shard: Shard, tables: Sequence[str], made_from: Mapping[str, str]) -> Receipt | None:
    """Commit a shard with the files of an earlier one that has exactly the same images; no image is written again.

    Args:
        run: run folder.
        shard: shard to commit.
        tables: tables that the shard needs: images, masks.
        made_from: hashes of what its images are made from now.

    Returns:
        The new receipt, or None if no earlier shard can be used.
    """
    names = set(shard.plan.column("carried_from").to_pylist())
    earlier = names.pop()
    if names or earlier is None or not run.store.is_current(GENERATE, earlier):
        return None
    receipt = run.store.receipt(GENERATE, earlier)
    if has_failed(receipt) or not receipt.files.keys() >= {*tables}:
        return None
    images = _read_reusable(run, GENERATE, receipt, "images")
    if images is None or images.column("sample_id").to_pylist() != shard.plan.column("sample_id").to_pylist():
        return None
    return run.store.adopt(GENERATE, shard.name, receipt, tables, made_from)


def _origins(table: pa.Table, key: str, column: str) -> dict[str, str]:
    """Return the earlier shard or photo batch of each row that is to be reused, by key."""
    pairs = zip(table.column(key).to_pylist(), table.column(column).to_pylist(), strict=True)
    return {name: earlier for name, earlier in pairs if earlier is not None}


def _reusable_rows(run: RunFolder, stage: Stage, table: str, origins: Mapping[str, str]) -> dict[str, Row]:
    """Return reusable rows by key; missing rows, and rows of damaged files, are left out and computed again."""
    key = "image_id" if table in ("masks", "removed") else "sample_id"
    rows: dict[str, Row] = {}
    for earlier in dict.fromkeys(origins.values()):
        if run.store.is_current(stage, earlier):
            content = _read_reusable(run, stage, run.store.receipt(stage, earlier), table)
            earlier_rows = content.to_pylist() if content is not None else []
            rows |= {row[key]: row for row in earlier_rows if origins.get(row[key]) == earlier}
    return rows


def _read_reusable(run: RunFolder, stage: Stage, receipt: Receipt, table: str) -> pa.Table | None:
    """Read a committed table; return None if its file has changed, or if the libraries here are other versions."""
    if changed_versions(run, stage, receipt):
        return None
    try:
        return run.store.receipt_table(receipt, table)
    except DamagedError:
        return None
