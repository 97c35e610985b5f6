"""A run's folder: its paths, commits and tables.

    run.json  recipe.yaml                   recipe, versions, and the parts of the plan: written after them
    source/00.parquet  backgrounds.parquet
    plan/00-00.parquet                      a row group a shard, aligned with those of source/00.parquet
    images/SHARD.parquet  masks/BATCH.parquet  removed/BATCH.parquet  predictions/MODEL/SHARD.parquet
    features/MODEL/SHARD.parquet            of pretrained models whose heads are trained
    receipts/STAGE/SHARD.json               written last: what has no receipt does not exist
    scores.parquet  …  report.html

A shard is called `PP-SS-NNNNN`: plan part, source part, row group; so its name alone says where its rows are. The same
photographs are in as many shards as there are plan parts; `SS-NNNNN` is the photo batch that they share, with its
masks, and its photographs without their objects. Where masks cost nothing, the first shard makes them too, in
`masks/SHARD.parquet`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.core.checksummed import check_checksum, with_checksum
from xray.core.errors import ConfigError
from xray.core.files import delete_file, exists, read_committed, write_bytes
from xray.core.parquet import to_parquet
from xray.core.uri import join, location
from xray.core.verified import Committed, image_facts
from xray.core.verified_tables import TableReader, read_row, read_schema
from xray.runs.dependencies import REFUSED, Dependencies, Mismatch, content_of
from xray.runs.ids import ShardId
from xray.runs.lock import Lease, Lock, locked, read_locks
from xray.runs.plan_files import PlanFiles
from xray.runs.receipt_files import ReceiptFiles
from xray.runs.receipts import (
    DERIVED,
    GENERATE,
    MASK,
    REMOVE,
    Receipt,
    Stage,
    evaluation,
    features,
    file_facts,
    parse_training_shard,
    training,
    training_shard,
)

SCHEMAS: Mapping[str, pa.Schema] = {
    "source": schema.SOURCE,
    "backgrounds": schema.BACKGROUNDS,
    "plan": schema.PLAN,
    "masks": schema.MASKS,
    "removed": schema.REMOVED,
    "images": schema.IMAGES,
    "predictions": schema.PREDICTIONS,
    "scores": schema.SCORES,
    "folds": schema.FOLDS,
    "features": schema.FEATURES,
    "history": schema.HISTORY,
}

_READERS = 16
WORKS = ("images", "predictions", "trials")
"""The kinds of work that only one process at a time may do."""


class Store:
    """The committed results of a run: receipts, and the tables that they vouch for.

    Args:
        uri: of the run.
        plan: its plan.
    """

    def __init__(self, uri: str, plan: PlanFiles) -> None:
        self.uri, self.plan = uri, plan
        self.receipt_files = ReceiptFiles(uri)

    def path(self, *names: str) -> str:
        """The URI of something in the run."""
        return join(self.uri, *names)

    def commit(
        self,
        stage: Stage,
        shard: str,
        tables: Mapping[str, tuple[pa.Table, Sequence[int] | None]],
        counts: Mapping[str, Mapping[str, int]],
        seconds: float,
        facts: Mapping[str, Any] | None = None,
        written: Mapping[str, Mapping[str, Any]] | None = None,
        made_from: Mapping[str, str] | None = None,
        extends: Sequence[str] = (),
    ) -> Receipt:
        """Write a shard's files, then its receipt.

        Args:
            stage: `MASK`, `REMOVE`, `GENERATE`, `evaluation(model)`, `features(model)`, or
                `training(model, scenario)`.
            shard: its name; for `MASK` and `REMOVE` a photo batch, for a training `training_shard`.
            tables: by name, each with the sizes of its row groups.
            counts: rows by scenario, then by outcome.
            seconds: worker time.
            facts: anything else to record.
            written: entries of files that exist already.
            made_from: hashes of what it was made from, taken from `dependencies` before that was read.
            extends: hashes of earlier files of the table whose rows it has, except for those of failed photographs.
        """
        files = dict(written or {})
        for name, (table, row_groups) in tables.items():
            data = to_parquet(table.cast(SCHEMAS[name]), row_groups)
            names = (name, *stage[1:], f"{shard}.parquet")
            write_bytes(self.path(*names), data)
            files[name] = {
                "path": list(names),
                **file_facts(data),
                **image_facts(data, SCHEMAS[name]),
                "rows": len(table),
                **({"extends": list(extends)} if extends else {}),
            }
        content = content_of({name: table for name, (table, _) in tables.items()})
        receipt = Receipt(shard, files, counts, round(seconds, 3), facts or {}, made_from or {}, content)
        self.receipt_files.write(stage, receipt)
        return receipt

    def adopt(
        self, stage: Stage, shard: str, earlier: Receipt, tables: Sequence[str], made_from: Mapping[str, str]
    ) -> Receipt:
        """Commit the files of another shard with the same rows as those of this one."""
        files = {name: earlier.files[name] for name in tables}
        content = {name: value for name, value in earlier.content.items() if name != REFUSED or "masks" in tables}
        receipt = replace(earlier, shard=shard, files=files, seconds=0.0, made_from=made_from, content=content)
        self.receipt_files.write(stage, receipt)
        return receipt

    def dependencies(self) -> Dependencies:
        """What work rests on, as the run is now."""
        return Dependencies(self.plan, self.receipt_files)

    def is_current(self, stage: Stage, shard: str) -> bool:
        """Whether a shard is done in a stage, from what the run still has; see `xray.runs.dependencies`."""
        receipt = self.receipt_files.find(stage, shard)
        return receipt is not None and self.dependencies().mismatch(stage, receipt) is None

    def mismatch(self, stage: Stage, shard: str) -> Mismatch | None:
        """What differs from what a shard was made from, if it has a receipt."""
        receipt = self.receipt_files.find(stage, shard)
        return None if receipt is None else self.dependencies().mismatch(stage, receipt)

    def masks(self, batch: str) -> pa.Table | None:
        """The masks of a photo batch (MASKS), or None if they are not made yet."""
        if self.is_current(MASK, batch):
            return self.shard_table(MASK, "masks", batch)
        return self.shard_table(GENERATE, "masks", self.plan.first_shard(batch)) if self.has_masks(batch) else None

    def has_masks(self, batch: str) -> bool:
        """Whether the masks of a photo batch are made."""
        if self.is_current(MASK, batch):
            return True
        shard = self.plan.first_shard(batch)
        return self.is_current(GENERATE, shard) and "masks" in self.receipt(GENERATE, shard).files

    def masked(self) -> set[str]:
        """The photo batches that have their masks."""
        with_images = (receipt.shard for receipt in self.receipts(GENERATE) if "masks" in receipt.files)
        return self.done(MASK) | {ShardId(shard).batch for shard in with_images}

    def removed(self, batch: str) -> pa.Table | None:
        """The photographs of a batch without their objects (REMOVED), or None if they are not made yet."""
        return self.shard_table(REMOVE, "removed", batch) if self.is_current(REMOVE, batch) else None

    def removed_row(self, batch: str, position: int) -> dict[str, Any]:
        """The row of REMOVED of one photograph of a batch; no other image is read. The batch must have them."""
        return read_row(self.committed_file(self.receipt(REMOVE, batch), "removed"), position)

    def revoke_images(self, shard: str) -> None:
        """Revoke a shard's images and their predictions, so that they are made again."""
        for stage in (*(evaluation(model) for model in self.receipt_files.models()), GENERATE):
            if self.has_receipt(stage, shard):
                self.revoke(stage, shard)

    def done(self, stage: Stage) -> set[str]:
        """Names of the shards of the plan that are done in a stage, from what the run still has."""
        return {receipt.shard for receipt in self.receipts(stage)}

    def receipts(self, stage: Stage, shards: Collection[str] | None = None) -> list[Receipt]:
        """The receipts of the shards (default: all) that are done in a stage, in their order."""
        compared = self._compared(stage, self.dependencies(), shards)
        return [receipt for receipt, mismatch in compared if mismatch is None]

    def stale(self) -> dict[Stage, dict[str, Mismatch]]:
        """What does not count since it was made from something else than the run has, by stage and shard."""
        now = self.dependencies()
        pairs = {stage: self._compared(stage, now) for stage in self.stages()}
        differing = {
            stage: {receipt.shard: mismatch for receipt, mismatch in compared if mismatch is not None}
            for stage, compared in pairs.items()
        }
        return {stage: shards for stage, shards in differing.items() if shards}

    def _compared(
        self, stage: Stage, now: Dependencies, shards: Collection[str] | None = None
    ) -> list[tuple[Receipt, Mismatch | None]]:
        """The receipts of the shards of the plan, and what differs from what they were made from."""

        def compare(shard: str) -> tuple[Receipt, Mismatch | None]:
            receipt = self.receipt(stage, shard)
            return receipt, now.mismatch(stage, receipt)

        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(compare, [name for name in now.planned(stage) if shards is None or name in shards]))

    def receipted(self, stage: Stage) -> set[str]:
        """Names of all shards that have a receipt, including those of earlier plans."""
        return self.receipt_files.shards(stage)

    def committed(self, stage: Stage) -> dict[str, float]:
        """Commit times of the shards: seconds since 1970, by the clock of the store."""
        return self.receipt_files.committed(stage)

    def has_receipt(self, stage: Stage, shard: str) -> bool:
        """Whether a shard has a receipt in a stage, whatever it was made from; see `is_current`."""
        return self.receipt_files.exists(stage, shard)

    def receipt(self, stage: Stage, shard: str) -> Receipt:
        """The receipt of a shard in a stage, whatever it was made from."""
        return self.receipt_files.read(stage, shard)

    def evaluated(self) -> list[str]:
        """Names of the models that have predictions."""
        now = self.dependencies()
        return [model for model in self.receipt_files.models() if self._any_done(evaluation(model), now)]

    def _any_done(self, stage: Stage, now: Dependencies) -> bool:
        return any(now.mismatch(stage, self.receipt(stage, shard)) is None for shard in now.planned(stage))

    def featured(self) -> list[str]:
        """Names of the models that have features."""
        now = self.dependencies()
        return [model for model in self.receipt_files.models("features") if self._any_done(features(model), now)]

    def trained(self) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """(Fold, repeat) of the trainings that have ended, by model and scenario."""
        shards = {key: self.done(training(*key)) for key in self.receipt_files.trainings()}
        return {key: sorted(map(parse_training_shard, names)) for key, names in shards.items() if names}

    def stages(self) -> list[Stage]:
        """All stages that have receipts, in the order of the flow."""
        models, trainings = self.receipt_files.models(), self.receipt_files.trainings()
        later = [*map(evaluation, models), *map(features, self.receipt_files.models("features"))]
        later += [training(*key) for key in trainings]
        return [stage for stage in (MASK, REMOVE, GENERATE, *later) if self.receipted(stage)]

    def revoke(self, stage: Stage, shard: str) -> None:
        """Remove a receipt, so that the work is done again."""
        self.receipt_files.revoke(stage, shard)

    def trial_folder(self, model: str, scenario: str, fold: int, repeat: int = 0) -> str:
        """The URI of the folder that holds a training's weights."""
        return self.path("trials", model, scenario, training_shard(fold, repeat))

    def locked(self, work: str) -> contextlib.AbstractContextManager[Lease]:
        """Take the lock of one kind of work (see `WORKS`); see `xray.runs.lock.locked`."""
        return locked(self.path("leases", work), f"the {work} of {location(self.uri)}")

    def locks(self) -> dict[str, list[Lock]]:
        """The live locks of the run, by kind of work."""
        locks = {work: [lock for lock in read_locks(self.path("leases", work)) if lock.live] for work in WORKS}
        return {work: live for work, live in locks.items() if live}

    def write_file(self, name: str, data: bytes) -> str:
        """Write a file at the top of the run, and return its URI."""
        write_bytes(self.path(name), data)
        return self.path(name)

    def write_table(self, name: str, table: pa.Table) -> str:
        """Write a derived table such as `scores`, then its facts, and return its URI."""
        data = to_parquet(table)
        uri = self.write_file(f"{name}.parquet", data)
        write_bytes(self._facts_uri(name), with_checksum({**file_facts(data), "rows": len(table)}))
        return uri

    def drop_table(self, name: str) -> None:
        """Remove a derived table and its facts, as far as they exist."""
        for uri in (self.path(f"{name}.parquet"), self._facts_uri(name)):
            if exists(uri):
                delete_file(uri)

    def _facts_uri(self, table: str) -> str:
        return self.path("receipts", *DERIVED, f"{table}.json")

    # reading

    def committed_file(self, receipt: Receipt, table: str) -> Committed:
        """The file of a shard that has the rows of a table."""
        entry = receipt.files[table]
        mend = f"`xray verify {location(self.uri)} --repair`, then the same commands, make it again"
        return Committed(self.path(*entry["path"]), entry, mend)

    def shard_table(
        self,
        stage: Stage,
        table: str,
        shard: str,
        columns: Sequence[str] | None = None,
        where: pc.Expression | None = None,
    ) -> pa.Table:
        """One shard's rows of a table, read as `table` does: columns that an earlier version did not write are null."""
        return self.receipt_table(self.receipt(stage, shard), table, columns, where)

    def receipt_table(
        self, receipt: Receipt, table: str, columns: Sequence[str] | None = None, where: pc.Expression | None = None
    ) -> pa.Table:
        """The rows of a table that a receipt vouches for; see `shard_table`."""
        return TableReader(SCHEMAS[table], columns, where).read([self.committed_file(receipt, table)])

    def _files(self, table: str, shards: Collection[str] | None) -> Iterator[Committed]:
        if table in ("source", "plan", "backgrounds", "folds"):
            yield from self.plan.files(table)
            return
        if table not in ("masks", "removed", "images", "predictions", "features", "history"):
            if exists(self.path(f"{table}.parquet")) or exists(self._facts_uri(table)):
                yield self.derived_file(table)
            return
        stages: list[Stage] = {"masks": [MASK, GENERATE], "removed": [REMOVE]}.get(table, [GENERATE])
        if table in ("predictions", "history"):
            stages = [training(model, scenario) for model, scenario in self.trained()]
        if table == "features":
            stages = [features(model) for model in self.featured()]
        if table == "predictions":
            stages = [*(evaluation(model) for model in self.evaluated()), *stages]
        for stage in stages:
            for receipt in self.receipts(stage, shards):
                if table in receipt.files:
                    yield self.committed_file(receipt, table)

    def derived(self) -> list[str]:
        """Names of the derived tables whose facts are recorded, in order."""
        return sorted(self.receipted(DERIVED))

    def derived_file(self, table: str) -> Committed:
        """The file of a derived table; without facts if an earlier version wrote it.

        Raises:
            DamagedError: its facts are not as they were written.
        """
        uri = self._facts_uri(table)
        mend = "`xray score` and `xray realism` write such tables again"
        facts = check_checksum(read_committed(uri), location(uri), mend) if exists(uri) else {}
        return Committed(self.path(f"{table}.parquet"), facts, mend)

    def table(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        where: pc.Expression | None = None,
        *,
        limit: int | None = None,
        shards: Collection[str] | None = None,
        dictionaries: Collection[str] = (),
    ) -> pa.Table:
        """Read a table of the run, as far as it is committed.

        Args:
            name: source, backgrounds, plan, masks, removed, images, predictions, features, scores, or one that
                `write_table` wrote.
            columns: only these; default: all.
            where: only the rows for which this holds, such as `pyarrow.compute.field("scenario") == "original"`:
                images of row groups without such rows are not read.
            limit: at most so many rows; no more files are read than it takes.
            shards: only what was made of these.
            dictionaries: text columns that are read as dictionaries, which pandas calls categories.

        Raises:
            ConfigError: there is no such table.
            DamagedError: a file is not as it was committed.
        """
        files = list(self._files(name, shards))
        known = SCHEMAS.get(name)
        if known is None:
            if not files:
                written = "`xray score` and `xray realism` write those of results"
                raise ConfigError(f"{location(self.uri)} has no table {name!r}; {written}")
            known = read_schema(files[0])
        return TableReader(known, columns, where, dictionaries).read(files, limit)
