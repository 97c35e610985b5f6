"""A run's folder: its paths, commits and tables.

    run.json  recipe.yaml                   recipe, versions, and the parts of the plan: written after them
    source/00.parquet  backgrounds.parquet
    plan/00-00.parquet                      a row group a shard, aligned with those of source/00.parquet
    images/SHARD.parquet  masks/BATCH.parquet  removed/BATCH.parquet  predictions/MODEL/SHARD.parquet
    receipts/STAGE/SHARD.json               written last: what has no receipt does not exist
    scores.parquet  …  report.html

A shard is called `PP-SS-NNNNN`: plan part, source part, row group; so its name alone says where its rows are. The same
photographs are in as many shards as there are plan parts; `SS-NNNNN` is the photo batch that they share, with its
masks, and its photographs without their objects. Where masks cost nothing, the first shard makes them too, in
`masks/SHARD.parquet`.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xray.core import schema
from xray.core.checksummed import check_checksum, with_checksum
from xray.core.errors import ConfigError
from xray.core.files import delete_file, exists, list_files, modified, read_committed, write_bytes
from xray.core.parquet import reading, to_parquet
from xray.core.uri import base_name, join, location, open_store
from xray.runs.ids import ShardId
from xray.runs.lock import Lock, locked, read_locks
from xray.runs.plan_files import PlanFiles
from xray.runs.receipts import (
    GENERATE,
    MASK,
    REMOVE,
    Receipt,
    Stage,
    evaluation,
    file_facts,
    parse_training_shard,
    training,
    training_shard,
)

_SCHEMAS = {
    "source": schema.SOURCE,
    "backgrounds": schema.BACKGROUNDS,
    "plan": schema.PLAN,
    "masks": schema.MASKS,
    "removed": schema.REMOVED,
    "images": schema.IMAGES,
    "predictions": schema.PREDICTIONS,
    "scores": schema.SCORES,
    "folds": schema.FOLDS,
    "history": schema.HISTORY,
}

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
    ) -> Receipt:
        """Write a shard's files, then its receipt.

        Args:
            stage: `MASK`, `REMOVE`, `GENERATE`, `evaluation(model)`, or `training(model, scenario)`.
            shard: its name; for `MASK` and `REMOVE` a photo batch, for a training `training_shard`.
            tables: by name, each with the sizes of its row groups.
            counts: rows by scenario, then by outcome.
            seconds: worker time.
            facts: anything else to record.
            written: entries of files that exist already.
        """
        files = dict(written or {})
        for name, (table, row_groups) in tables.items():
            data = to_parquet(table.cast(_SCHEMAS[name]), row_groups)
            names = (name, *stage[1:], f"{shard}.parquet")
            write_bytes(self.path(*names), data)
            files[name] = {"path": list(names), **file_facts(data), "rows": len(table)}
        return self._commit_receipt(stage, Receipt(shard, files, counts, round(seconds, 3), facts or {}))

    def adopt(self, stage: Stage, shard: str, earlier: Receipt, tables: Sequence[str]) -> Receipt:
        """Commit the files of another shard with the same rows as those of this one."""
        files = {name: earlier.files[name] for name in tables}
        return self._commit_receipt(stage, replace(earlier, shard=shard, files=files, seconds=0.0))

    def _commit_receipt(self, stage: Stage, receipt: Receipt) -> Receipt:
        write_bytes(self.path("receipts", *stage, f"{receipt.shard}.json"), with_checksum(asdict(receipt)))
        return receipt

    def masks(self, batch: str) -> pa.Table | None:
        """The masks of a photo batch (MASKS), or None if they are not made yet."""
        if self.has_receipt(MASK, batch):
            return self.shard_table(MASK, "masks", batch)
        return self.shard_table(GENERATE, "masks", self.plan.first_shard(batch)) if self.has_masks(batch) else None

    def has_masks(self, batch: str) -> bool:
        """Whether the masks of a photo batch are made."""
        if self.has_receipt(MASK, batch):
            return True
        shard = self.plan.first_shard(batch)
        return self.has_receipt(GENERATE, shard) and "masks" in self.receipt(GENERATE, shard).files

    def masked(self) -> set[str]:
        """The photo batches that have their masks."""
        with_images = (receipt.shard for receipt in self.receipts(GENERATE) if "masks" in receipt.files)
        return self.done(MASK) | {ShardId(shard).batch for shard in with_images}

    def removed(self, batch: str) -> pa.Table | None:
        """The photographs of a batch without their objects (REMOVED), or None if they are not made yet."""
        return self.shard_table(REMOVE, "removed", batch) if self.has_receipt(REMOVE, batch) else None

    def removed_row(self, batch: str, position: int) -> dict[str, Any]:
        """The row of REMOVED of one photograph of a batch; no other is read. The batch must have them."""
        uri = self.path(*self.receipt(REMOVE, batch).files["removed"]["path"])
        store, path = open_store(uri)
        with reading(uri), pq.ParquetFile(path, filesystem=store) as file:
            row: dict[str, Any] = file.read_row_group(position).to_pylist()[0]
            return row

    def revoke_images(self, shard: str) -> None:
        """Revoke a shard's images and their predictions, so that they are made again."""
        for stage in (*(evaluation(model) for model in self.evaluated()), GENERATE):
            if self.has_receipt(stage, shard):
                self.revoke(stage, shard)

    def done(self, stage: Stage) -> set[str]:
        """Names of the shards of the plan that have a receipt."""
        names = self.receipted(stage)
        if stage[0] == "train" or not self.plan.exists:
            return names
        parts = {*self.plan.parts("plan"), *self.plan.parts("source")}
        return {name for name in names if ShardId(name).part in parts}

    def receipted(self, stage: Stage) -> set[str]:
        """Names of all shards that have a receipt, including those of earlier plans."""
        folder = self.path("receipts", *stage)
        if not exists(folder):
            return set()
        return {base_name(uri).removesuffix(".json") for uri in list_files(folder, recursive=False)}

    def committed(self, stage: Stage) -> dict[str, float]:
        """Commit times of the shards: seconds since 1970, by the clock of the store."""
        folder = self.path("receipts", *stage)
        return {base_name(uri).removesuffix(".json"): when for uri, when in modified(folder).items()}

    def has_receipt(self, stage: Stage, shard: str) -> bool:
        """Whether a shard is done in a stage."""
        return exists(self.path("receipts", *stage, f"{shard}.json"))

    def receipt(self, stage: Stage, shard: str) -> Receipt:
        """The receipt of a shard in a stage."""
        uri = self.path("receipts", *stage, f"{shard}.json")
        return _decoded(read_committed(uri), uri)

    def receipts(self, stage: Stage) -> list[Receipt]:
        """All receipts of a stage, in the order of the shards."""
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(functools.partial(self.receipt, stage), sorted(self.done(stage))))

    def evaluated(self) -> list[str]:
        """Names of the models that have predictions."""
        return [model for model in self._models() if self.done(evaluation(model))]

    def _models(self) -> list[str]:
        folder = self.path("receipts", "evaluate")
        if not exists(folder):
            return []
        return sorted({base_name(uri.rpartition("/")[0]) for uri in list_files(folder)})

    def trained(self) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """(Fold, repeat) of the trainings that have ended, by model and scenario."""
        folder = self.path("receipts", "train")
        found: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for uri in list_files(folder) if exists(folder) else ():
            within, _, file = uri.rpartition("/")
            model = base_name(within.rpartition("/")[0])
            shard = parse_training_shard(base_name(file).removesuffix(".json"))
            found.setdefault((model, base_name(within)), []).append(shard)
        return {key: sorted(shards) for key, shards in sorted(found.items())}

    def stages(self) -> list[Stage]:
        """All stages that have receipts, in the order of the flow."""
        later = [*map(evaluation, self._models()), *(training(*key) for key in self.trained())]
        return [stage for stage in (MASK, REMOVE, GENERATE, *later) if self.receipted(stage)]

    def revoke(self, stage: Stage, shard: str) -> None:
        """Remove a receipt, so that the work is done again."""
        delete_file(self.path("receipts", *stage, f"{shard}.json"))

    def trial_folder(self, model: str, scenario: str, fold: int, repeat: int = 0) -> str:
        """The URI of the folder that holds a training's weights."""
        return self.path("trials", model, scenario, training_shard(fold, repeat))

    def locked(self, work: str) -> contextlib.AbstractContextManager[None]:
        """Take the lock of one kind of work (see `WORKS`); see `xray.runs.lock.locked`."""
        return locked(self.path("leases", work), f"the {work} of {self.uri}")

    def locks(self) -> dict[str, list[Lock]]:
        """The live locks of the run, by kind of work."""
        locks = {work: [lock for lock in read_locks(self.path("leases", work)) if lock.live] for work in WORKS}
        return {work: live for work, live in locks.items() if live}

    def write_file(self, name: str, data: bytes) -> str:
        """Write a file at the top of the run, and return its URI."""
        write_bytes(self.path(name), data)
        return self.path(name)

    def write_table(self, name: str, table: pa.Table) -> str:
        """Write a derived table such as `scores`, and return its URI."""
        return self.write_file(f"{name}.parquet", to_parquet(table))

    # reading

    def shard_table(
        self,
        stage: Stage,
        table: str,
        shard: str,
        columns: Sequence[str] | None = None,
        where: pc.Expression | None = None,
    ) -> pa.Table:
        """One shard's rows of a table, read as `table` does: columns that an earlier version did not write are null."""
        uri = self.path(*self.receipt(stage, shard).files[table]["path"])
        store, path = open_store(uri)
        wanted = list(columns) if columns else None
        with reading(uri):
            known = _SCHEMAS[table]
            return pq.read_table(path, columns=wanted, filters=where, filesystem=store, partitioning=None, schema=known)

    def _uris(self, table: str, shards: Collection[str] | None) -> Iterator[str]:
        if table in ("source", "plan"):
            yield from (self.path(table, f"{part}.parquet") for part in self.plan.parts(table))
            return
        if table not in ("masks", "removed", "images", "predictions", "history"):
            if exists(self.path(f"{table}.parquet")):
                yield self.path(f"{table}.parquet")
            return
        stages: list[Stage] = {"masks": [MASK, GENERATE], "removed": [REMOVE]}.get(table, [GENERATE])
        if table in ("predictions", "history"):
            stages = [training(model, scenario) for model, scenario in self.trained()]
        if table == "predictions":
            stages = [*(evaluation(model) for model in self.evaluated()), *stages]
        for stage in stages:
            for receipt in self.receipts(stage):
                if table in receipt.files and (shards is None or receipt.shard in shards):
                    yield self.path(*receipt.files[table]["path"])

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
            name: source, backgrounds, plan, masks, removed, images, predictions, scores, or one that `write_table`
                wrote.
            columns: only these; default: all.
            where: only the rows for which this holds, such as `pyarrow.compute.field("scenario") == "original"`:
                row groups without such rows are not read.
            limit: at most so many rows; no more are read than it takes.
            shards: only what was made of these.
            dictionaries: text columns that are read as dictionaries, which pandas calls categories.
        """
        import pyarrow.dataset as ds  # imports pandas: 0.4 s and 39 MB that not every command needs

        known = _SCHEMAS.get(name)
        if known is not None:
            for at, field in enumerate(known):
                if field.name in dictionaries:
                    known = known.set(at, field.with_type(pa.dictionary(pa.int32(), pa.string())))
        uris = list(self._uris(name, shards))
        if not uris:
            if known is None:
                written = "`xray score` and `xray realism` write those of results"
                raise ConfigError(f"{location(self.uri)} has no table {name!r}; {written}")
            return known.empty_table().select(columns or known.names)
        store = open_store(uris[0])[0]
        wanted = list(columns) if columns else None
        options = ds.ParquetReadOptions(dictionary_columns=list(dictionaries))
        with reading(self.uri):
            parquet = ds.ParquetFileFormat(read_options=options)
            dataset = ds.dataset([open_store(uri)[1] for uri in uris], known, format=parquet, filesystem=store)
            if limit is not None:
                return dataset.head(limit, columns=wanted, filter=where, batch_size=16, batch_readahead=1)
            return dataset.to_table(columns=wanted, filter=where)


@functools.lru_cache(maxsize=64)
def _decoded(data: bytes, uri: str) -> Receipt:
    """Decode a receipt; kept, because those of removed objects are read for every donor."""
    return Receipt(**check_checksum(data, uri))
