"""A run's folder: the only place that builds its paths, commits what was made and reads its tables.

    run.json  recipe.yaml                   recipe, versions, and the parts of the plan: written after them
    source/00.parquet  backgrounds.parquet
    plan/00-00.parquet                      a row group a shard, aligned with those of source/00.parquet
    images/SHARD.parquet  masks/UNIT.parquet  predictions/MODEL/SHARD.parquet
    receipts/STAGE/SHARD.json               written last: what has no receipt does not exist
    scores.parquet  …  report.html

A shard is called `PP-SS-NNNNN`: plan part, source part, row group; so its name alone says where its rows are. The same
photographs are in as many shards as there are plan parts; `SS-NNNNN` is the unit that they share, with its masks. Where
masks cost nothing, the first shard makes them by the way, in `masks/SHARD.parquet`.
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
from xray.core.checksummed import sealed, unsealed
from xray.core.errors import XrayError
from xray.core.files import delete_file, exists, list_files, modified, read_committed, write_bytes
from xray.core.parquet import to_parquet
from xray.core.uri import name_of, open_store, reaching
from xray.runs.lock import Sign, lease, signs
from xray.runs.plan_files import Planned
from xray.runs.receipts import GENERATE, MASK, Receipt, Stage, evaluation, sums, training, unit_of

_SCHEMAS = {
    "source": schema.SOURCE,
    "backgrounds": schema.BACKGROUNDS,
    "plan": schema.PLAN,
    "masks": schema.MASKS,
    "images": schema.IMAGES,
    "predictions": schema.PREDICTIONS,
    "scores": schema.SCORES,
    "folds": schema.FOLDS,
    "history": schema.HISTORY,
}

WORKS = ("images", "predictions", "trials")
"""What one process at a time is at work on."""


class Store(Planned):
    """A run's folder at a URI: its plan, and all that was made by it."""

    def commit(
        self,
        stage: Stage,
        shard: str,
        tables: Mapping[str, tuple[pa.Table, Sequence[int] | None]],
        counts: Mapping[str, Mapping[str, int]],
        seconds: float,
        facts: Mapping[str, Any] | None = None,
        beside: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Receipt:
        """Write a shard's files, then its receipt.

        Args:
            stage: `MASK`, `GENERATE`, `evaluation(model)`, or `training(model, scenario)`.
            shard: its name; that of a unit for `MASK`, of a fold for a training.
            tables: by name, each with the rows of its row groups.
            counts: rows by scenario, then by "status reason".
            seconds: of the worker's time.
            facts: what else to record.
            beside: files that are there already, as the receipt is to tell of them.
        """
        files = dict(beside or {})
        for name, (table, row_groups) in tables.items():
            data = to_parquet(table.cast(_SCHEMAS[name]), row_groups)
            names = (name, *stage[1:], f"{shard}.parquet")
            write_bytes(self.path(*names), data)
            files[name] = {"path": list(names), **sums(data), "rows": len(table)}
        return self._commit_receipt(stage, Receipt(shard, files, counts, round(seconds, 3), facts or {}))

    def adopt(self, stage: Stage, shard: str, earlier: Receipt, tables: Sequence[str]) -> Receipt:
        """Commit files of another shard, which has the same rows, as those of this one."""
        files = {name: earlier.files[name] for name in tables}
        return self._commit_receipt(stage, replace(earlier, shard=shard, files=files, seconds=0.0))

    def _commit_receipt(self, stage: Stage, receipt: Receipt) -> Receipt:
        write_bytes(self.path("receipts", *stage, f"{receipt.shard}.json"), sealed(asdict(receipt)))
        return receipt

    def masks(self, unit: str) -> pa.Table | None:
        """The masks of a unit's photographs (MASKS), if they were made."""
        if self.has_receipt(MASK, unit):
            return self.made(MASK, "masks", unit)
        return self.made(GENERATE, "masks", self._first_shard(unit)) if self.has_masks(unit) else None

    def has_masks(self, unit: str) -> bool:
        """Whether the masks of a unit's photographs were made."""
        if self.has_receipt(MASK, unit):
            return True
        shard = self._first_shard(unit)
        return self.has_receipt(GENERATE, shard) and "masks" in self.receipt(GENERATE, shard).files

    def masked(self) -> set[str]:
        """The units that have their masks."""
        by_the_way = (receipt.shard for receipt in self.receipts(GENERATE) if "masks" in receipt.files)
        return self.done(MASK) | {unit_of(shard) for shard in by_the_way}

    def forget(self, shard: str) -> None:
        """Take back a shard's images and what models said of them, so that it is made again."""
        for stage in (*(evaluation(model) for model in self.evaluated()), GENERATE):
            if self.has_receipt(stage, shard):
                self.take_back(stage, shard)

    def done(self, stage: Stage) -> set[str]:
        """Names of the shards of the plan that have a receipt."""
        there = self.receipted(stage)
        if stage[0] == "train" or not self.planned:
            return there
        parts = {*self.parts("plan"), *self.parts("source")}
        return {name for name in there if name.rpartition("-")[0] in parts}

    def receipted(self, stage: Stage) -> set[str]:
        """Names of all shards that have a receipt, those of earlier plans, too."""
        folder = self.path("receipts", *stage)
        if not exists(folder):
            return set()
        return {name_of(uri).removesuffix(".json") for uri in list_files(folder, recursive=False)}

    def committed(self, stage: Stage) -> dict[str, float]:
        """When each shard was committed: seconds since 1970, by the clock of the store."""
        folder = self.path("receipts", *stage)
        return {name_of(uri).removesuffix(".json"): when for uri, when in modified(folder).items()}

    def has_receipt(self, stage: Stage, shard: str) -> bool:
        """Whether a shard is done in a stage."""
        return exists(self.path("receipts", *stage, f"{shard}.json"))

    def receipt(self, stage: Stage, shard: str) -> Receipt:
        """The receipt of a shard in a stage."""
        uri = self.path("receipts", *stage, f"{shard}.json")
        return Receipt(**unsealed(read_committed(uri), uri))

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
        return sorted({name_of(uri.rpartition("/")[0]) for uri in list_files(folder)})

    def trained(self) -> dict[tuple[str, str], list[int]]:
        """Folds of the trainings that have ended, by model and scenario."""
        folder = self.path("receipts", "train")
        found: dict[tuple[str, str], list[int]] = {}
        for uri in list_files(folder) if exists(folder) else ():
            within, _, fold = uri.rpartition("/")
            model = name_of(within.rpartition("/")[0])
            found.setdefault((model, name_of(within)), []).append(int(name_of(fold).removesuffix(".json")))
        return {key: sorted(folds) for key, folds in sorted(found.items())}

    def stages(self) -> list[Stage]:
        """All stages that have receipts, in the order of the flow."""
        later = [*map(evaluation, self._models()), *(training(*key) for key in self.trained())]
        return [stage for stage in (MASK, GENERATE, *later) if self.receipted(stage)]

    def take_back(self, stage: Stage, shard: str) -> None:
        """Remove a receipt, so that the work is done again."""
        delete_file(self.path("receipts", *stage, f"{shard}.json"))

    def trial_folder(self, model: str, scenario: str, fold: int) -> str:
        """The URI of the folder that a training keeps its weights in."""
        return self.path("trials", model, scenario, str(fold))

    def lease(self, work: str) -> contextlib.AbstractContextManager[None]:
        """Be the only one at work on a run's `images`, `predictions` or `trials`; see `xray.runs.lock.lease`."""
        return lease(self.path("leases", work), f"the {work} of {self.uri}")

    def at_work(self) -> dict[str, list[Sign]]:
        """Who is at work on what of the run."""
        found = {work: signs(self.path("leases", work)) for work in WORKS}
        return {work: live for work, these in found.items() if (live := [sign for sign in these if sign.live])}

    # reading

    def made(
        self,
        stage: Stage,
        table: str,
        shard: str,
        columns: Sequence[str] | None = None,
        where: pc.Expression | None = None,
    ) -> pa.Table:
        """What was committed of one shard, as `table` reads it."""
        uri = self.path(*self.receipt(stage, shard).files[table]["path"])
        store, path = open_store(uri)
        wanted = list(columns) if columns else None
        with reaching(uri):
            return pq.read_table(path, columns=wanted, filters=where, filesystem=store, partitioning=None)

    def _uris(self, table: str, shards: Collection[str] | None) -> Iterator[str]:
        if table in ("source", "plan"):
            yield from (self.path(table, f"{part}.parquet") for part in self.parts(table))
            return
        if table not in ("masks", "images", "predictions", "history"):
            if exists(self.path(f"{table}.parquet")):
                yield self.path(f"{table}.parquet")
            return
        stages: list[Stage] = [MASK, GENERATE] if table == "masks" else [GENERATE]
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
    ) -> pa.Table:
        """A table of the run, all that is committed so far.

        Args:
            name: source, backgrounds, plan, masks, images, predictions, scores, or one written by `write_table`.
            columns: only these; default: all.
            where: only the rows for which this holds, such as `pyarrow.compute.field("scenario") == "original"`:
                row groups without such rows are not read.
            limit: at most so many rows; no more are read than it takes.
            shards: only what was made of these.
        """
        import pyarrow.dataset as ds  # imports pandas: 0.4 s and 39 MB that not every command needs

        known = _SCHEMAS.get(name)
        uris = list(self._uris(name, shards))
        if not uris:
            if known is None:
                raise XrayError(f"{self.uri} has no table {name!r}")
            return known.empty_table().select(columns or known.names)
        store = open_store(uris[0])[0]
        wanted = list(columns) if columns else None
        with reaching(self.uri):
            dataset = ds.dataset([open_store(uri)[1] for uri in uris], known, format="parquet", filesystem=store)
            if limit is not None:
                return dataset.head(limit, columns=wanted, filter=where, batch_size=16, batch_readahead=1)
            return dataset.to_table(columns=wanted, filter=where)
