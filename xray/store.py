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
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from xray import schema
from xray.errors import XrayError
from xray.files import (
    check_bucket,
    delete_file,
    exists,
    join,
    list_files,
    modified,
    name_of,
    open_store,
    reaching,
    read_committed,
    to_uri,
    write_bytes,
)
from xray.lease import Sign, lease, signs
from xray.parquet import to_parquet
from xray.seal import sealed, unsealed
from xray.stages import GENERATE, MASK, Receipt, Shard, Stage, evaluation, sums, training, unit_of

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

_PLANNED = ("backgrounds.parquet", "folds.parquet", "recipe.yaml")
"""Files of the plan at the top of the run."""


WORKS = ("images", "predictions", "trials")
"""What one process at a time is at work on."""


class Store:
    """A run's folder at a URI, local or in an object store."""

    def __init__(self, uri: str) -> None:
        self.uri = to_uri(uri)
        self._footers: dict[tuple[str, str], pq.FileMetaData] = {}
        self._written: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri!r})"

    def path(self, *names: str) -> str:
        """The URI of something in the run."""
        return join(self.uri, *names)

    # plan

    @property
    def planned(self) -> bool:
        """Whether there is a plan.

        Raises:
            XrayError: there is not even the bucket.
        """
        if exists(self.path("run.json")):
            return True
        check_bucket(self.uri)
        return False

    def record(self) -> dict[str, Any]:
        """What `commit_plan` wrote last.

        Raises:
            XrayError: it is damaged.
        """
        return unsealed(self.read_file("run.json"), self.path("run.json"))

    def commit_plan(
        self,
        parts: Sequence[str],
        recipe: Mapping[str, Any],
        environment: Mapping[str, Any],
        remarks: Sequence[str] = (),
        weights: Mapping[str, str] | None = None,
    ) -> None:
        """Make the parts of the plan and the recipe that they follow valid, all at once.

        Args:
            parts: of the plan.
            recipe: as plain values.
            environment: what the plan was made with.
            remarks: what readers of the run must know.
            weights: fingerprints of what making images takes, by reference.
        """
        hashes = (self.record()["files"] if self.planned else {}) | self._written
        record = {
            "parts": sorted(parts),
            "replaced": sorted({*self.replaced(), *self.parts("plan")} - {*parts}),
            "recipe": recipe,
            "weights": weights or {},
            "environment": environment,
            "remarks": list(remarks),
            "files": {name: hashes[name] for name in sorted(hashes) if _of_plan(name, parts)},
        }
        self.write_file("run.json", sealed(record))

    def pins(self, weights: Mapping[str, str]) -> dict[str, str]:
        """The fingerprints that were planned for some weights (references by role), by reference."""
        planned: dict[str, str] = self.record().get("weights", {})
        return {reference: planned[reference] for reference in weights.values()}

    def parts(self, table: str) -> list[str]:
        """Names of the committed parts of `source` (`SS`) or `plan` (`PP-SS`), in order."""
        parts: list[str] = self.record()["parts"] if self.planned else []
        return sorted({part.partition("-")[2] for part in parts}) if table == "source" else parts

    def replaced(self) -> list[str]:
        """Names of the parts of earlier plans (`PP-SS`), which others have taken the place of."""
        parts: list[str] = self.record()["replaced"] if self.planned else []
        return parts

    def write_part(self, table: str, part: str, data: bytes) -> None:
        """Write a part of `source` or `plan`; it counts once `commit_plan` names it."""
        self._footers.pop((table, part), None)
        self._written[f"{table}/{part}.parquet"] = hashlib.sha256(data).hexdigest()
        write_bytes(self.path(table, f"{part}.parquet"), data)

    def drop_parts(self, parts: Sequence[str]) -> None:
        """Remove parts of a plan, and of their source, that no plan was committed with."""
        sources = dict.fromkeys(part.partition("-")[2] for part in parts)
        for folder, names in (("plan", parts), ("source", sources)):
            for name in names:
                delete_file(self.path(folder, f"{name}.parquet"))

    def shards(self) -> list[str]:
        """Names of all planned shards, in order."""
        return [f"{part}-{index:05d}" for part in self.parts("plan") for index in range(self._groups("plan", part))]

    def _groups(self, table: str, part: str) -> int:
        with self.open_part(table, part) as file:
            return int(file.num_row_groups)

    @contextlib.contextmanager
    def open_part(self, table: str, part: str) -> Iterator[pq.ParquetFile]:
        """A part of `source` or `plan`, to read some of its row groups.

        Its footer grows with the plan, and every shard is looked up in it: it is read once.
        """
        uri = self.path(table, f"{part}.parquet")
        store, path = open_store(uri)
        with (
            reaching(uri),
            pq.ParquetFile(path, filesystem=store, metadata=self._footers.get((table, part))) as file,
        ):
            self._footers[table, part] = file.metadata
            yield file

    def makes_masks(self, shard: str) -> bool:
        """Whether a shard is the first over its photographs: masks are kept once, however many scenarios are added."""
        return shard == self._first_shard(unit_of(shard))

    def planned_rows(self) -> int:
        """How many images are planned."""
        total = 0
        for part in self.parts("plan"):
            with self.open_part("plan", part) as file:
                total += file.metadata.num_rows
        return total

    def units(self) -> list[str]:
        """Names of all units of photographs, in order."""
        return [f"{part}-{index:05d}" for part in self.parts("source") for index in range(self._groups("source", part))]

    def unit(self, name: str) -> pa.Table:
        """The photographs of a unit (SOURCE)."""
        part, group = name.split("-")
        with self.open_part("source", part) as source:
            return source.read_row_group(int(group))

    def painted(self) -> set[str]:
        """The parts of the plan whose images are painted: the plan gives them shards of their own."""
        return {part for part in self.parts("plan") if self._has_prompts(part)}

    def _has_prompts(self, part: str) -> bool:
        with self.open_part("plan", part) as file:
            return bool(file.read_row_group(0, columns=["prompt"]).column("prompt")[0].is_valid)

    def scenarios_of(self, part: str) -> tuple[str, ...]:
        """The scenarios of a part of the plan: each of its shards has them all."""
        with self.open_part("plan", part) as file:
            return tuple(dict.fromkeys(file.read_row_group(0, columns=["scenario"]).column("scenario").to_pylist()))

    def rows_by_shard(self) -> dict[str, int]:
        """How many images each shard plans."""
        return self._rows("plan")

    def rows_by_unit(self) -> dict[str, int]:
        """How many photographs each unit has."""
        return self._rows("source")

    def _rows(self, table: str) -> dict[str, int]:
        rows: dict[str, int] = {}
        for part in self.parts(table):
            with self.open_part(table, part) as file:
                groups = (file.metadata.row_group(index) for index in range(file.num_row_groups))
                rows |= {f"{part}-{index:05d}": group.num_rows for index, group in enumerate(groups)}
        return rows

    def shard(self, name: str) -> Shard:
        """The rows of a shard; reads only those."""
        plan_part, source_part, group = name.split("-")
        with (
            self.open_part("source", source_part) as source,
            self.open_part("plan", f"{plan_part}-{source_part}") as plan,
        ):
            return Shard(name, source.read_row_group(int(group)), plan.read_row_group(int(group)))

    # what was made

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

    def _first_shard(self, unit: str) -> str:
        source_part, _, group = unit.partition("-")
        return f"{min(part for part in self.parts('plan') if part.partition('-')[2] == source_part)}-{group}"

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
        """Be the only one at work on a run's `images`, `predictions` or `trials`; see `xray.lease.lease`."""
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
        where: ds.Expression | None = None,
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
        where: ds.Expression | None = None,
        *,
        limit: int | None = None,
        shards: Collection[str] | None = None,
    ) -> pa.Table:
        """A table of the run, all that is committed so far.

        Args:
            name: source, backgrounds, plan, masks, images, predictions, scores, or one written by `write_table`.
            columns: only these; default: all.
            where: only the rows for which this holds, such as `pyarrow.dataset.field("scenario") == "original"`:
                row groups without such rows are not read.
            limit: at most so many rows; no more are read than it takes.
            shards: only what was made of these.
        """
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

    def write_table(self, name: str, table: pa.Table) -> str:
        """Write a table such as `scores` at once, and return its URI."""
        return self.write_file(f"{name}.parquet", to_parquet(table))

    def write_file(self, name: str, data: bytes) -> str:
        """Write a file at the top of the run, and return its URI."""
        self._written[name] = hashlib.sha256(data).hexdigest()
        write_bytes(self.path(name), data)
        return self.path(name)

    def read_file(self, name: str) -> bytes:
        """The bytes of a file at the top of the run."""
        return read_committed(self.path(name))


def _of_plan(name: str, parts: Collection[str]) -> bool:
    """Whether a file is part of the plan that these parts make."""
    folder, _, file = name.rpartition("/")
    part = file.removesuffix(".parquet")
    if folder == "source":
        return part in {one.partition("-")[2] for one in parts}
    return part in parts if folder == "plan" else name in _PLANNED
