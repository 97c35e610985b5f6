"""The plan in a run's folder: its record and its parts. `xray.runs.store` describes the folder."""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xray.core import schema
from xray.core.checksummed import check_checksum, with_checksum
from xray.core.errors import DamagedError, ResourceError
from xray.core.files import delete_file, exists, move_file, read_committed, write_bytes
from xray.core.parquet import column_problem, to_parquet
from xray.core.uri import check_bucket, join, location, open_store
from xray.core.verified import Committed
from xray.runs.ids import BatchId, PartId, ShardId
from xray.runs.lock import Lease
from xray.runs.receipts import Shard
from xray.runs.record import check_record

_FOOTERS = 8
_TOP_LEVEL = ("backgrounds.parquet", "folds.parquet", "recipe.yaml")
"""Files of the plan at the top of the run."""
_RESTORE = "restore it from a copy, or plan into a new run; `xray verify RUN` lists all damage"


class PlanFiles:
    """The committed plan of a run, and the means to write a new one.

    Args:
        uri: of the run.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._footers: dict[tuple[str, str], pq.FileMetaData] = {}
        self._hashes: dict[str, str] = {}  # of files that were written and not yet committed
        self._leases: list[Lease] = []
        self._before: bytes | None = None  # the record when the first of the leases was taken

    @property
    def exists(self) -> bool:
        """Whether a plan is committed.

        Raises:
            XrayError: the bucket does not exist.
        """
        if exists(join(self.uri, "run.json")):
            return True
        check_bucket(self.uri)
        return False

    def record(self) -> dict[str, Any]:
        """Read the record that `commit` wrote last.

        Raises:
            DamagedError: the file is not as it was written.
        """
        return copy.deepcopy(self.kept_record())

    def kept_record(self) -> dict[str, Any]:
        """The record; not to be changed: those decoded last are kept, because each shard is looked up in it."""
        uri = join(self.uri, "run.json")
        return _decoded(read_committed(uri), uri)

    @contextlib.contextmanager
    def guarded(self, leases: Sequence[Lease]) -> Iterator[None]:
        """Write plans, during the block, only while these leases hold, and no other process commits one."""
        if not self._leases:
            self._before = self._record_bytes()
        self._leases += leases
        try:
            yield
        finally:
            del self._leases[len(self._leases) - len(leases) :]

    def check_leases(self) -> None:
        """Raise a ResourceError if another process may have planned since this one took its locks."""
        for lease in self._leases:
            lease.check()
        if self._leases and self._record_bytes() != self._before:
            raise ResourceError(f"another process planned {location(self.uri)} in the meantime; plan again")

    def _record_bytes(self) -> bytes | None:
        return read_committed(join(self.uri, "run.json")) if self.exists else None

    def commit(
        self,
        parts: Sequence[str],
        recipe: Mapping[str, Any],
        environment: Mapping[str, Any],
        notes: Sequence[str] = (),
        weights: Mapping[str, str] | None = None,
        first: int | None = None,
        revoked: Iterable[str] = (),
    ) -> None:
        """Make parts of the plan and their recipe valid, all at once.

        Args:
            parts: names of all parts of the new plan.
            recipe: its plain values.
            environment: versions and time of the planning.
            notes: caveats for readers of the run.
            weights: fingerprints of the weights that making images needs, by reference.
            first: the most photographs of a category, if the plan leaves out others.
            revoked: scenarios of which images have changed; trainings of earlier versions on them count no more.

        Raises:
            ResourceError: another process planned the run in the meantime.
        """
        hashes = (self.record()["files"] if self.exists else {}) | self._hashes
        record: dict[str, Any] = {
            "parts": sorted(parts),
            "replaced": sorted({*self.replaced(), *self.parts("plan")} - {*parts}),
            "recipe": recipe,
            "weights": weights or {},
            "environment": environment,
            "remarks": list(notes),
            "files": {name: hashes[name] for name in sorted(hashes) if _is_of_plan(name, parts)},
        }
        if self.uniform_donors:
            record["uniform_donors"] = True
        if first is not None:
            record["first"] = first
        if revoked := {*self._revoked(), *revoked}:
            record["revoked"] = sorted(revoked)
        data = with_checksum(record)
        write_bytes(join(self.uri, "run.json"), data, self.check_leases)
        self._before = data
        self.check_leases()  # or a process that was suspended just before the rename would not say so
        self.settle()

    def _revoked(self) -> list[str]:
        return list(self.kept_record().get("revoked", ())) if self.exists else []

    def settle(self) -> None:
        """Move the files of the plan that were written beside those of an earlier one to their names."""
        for name in _TOP_LEVEL:
            if (uri := self._committed(name).uri) != join(self.uri, name):
                move_file(uri, join(self.uri, name))

    @property
    def first(self) -> int | None:
        """The most photographs of a category, if the plan leaves out others (`xray plan --first`)."""
        first: int | None = self.record().get("first") if self.exists else None
        return first

    @property
    def uniform_donors(self) -> bool:
        """Whether every donor of a large pool is equally likely; so they are but in runs of an earlier version."""
        return bool(self.record().get("uniform_donors")) if self.exists else True

    def pins(self, weights: Mapping[str, str]) -> dict[str, str]:
        """Return the planned fingerprints of some weights (references by role), by reference."""
        planned: dict[str, str] = self.record().get("weights", {})
        return {reference: planned[reference] for reference in weights.values()}

    # parts

    def parts(self, table: str) -> list[str]:
        """Names of the committed parts of `source` (`SS`) or `plan` (`PP-SS`), in order."""
        parts: list[str] = self.kept_record()["parts"] if self.exists else []
        return sorted({PartId(part).source for part in parts}) if table == "source" else list(parts)

    def replaced(self) -> list[str]:
        """Names of the parts (`PP-SS`) of earlier plans that are no longer in use."""
        parts: list[str] = self.kept_record()["replaced"] if self.exists else []
        return parts

    def files(self, table: str) -> list[Committed]:
        """The committed files of `source`, `plan`, `backgrounds` or `folds`; none if the plan has no such table."""
        if table in ("source", "plan"):
            return [self._part(table, part) for part in self.parts(table)]
        committed = self._committed(f"{table}.parquet")
        return [committed] if committed.facts or exists(committed.uri) else []

    def _part(self, table: str, part: str) -> Committed:
        return replace(self._committed(f"{table}/{part}.parquet"), in_place=True)

    def _committed(self, name: str) -> Committed:
        """A file of the plan: one that was written here, or that the record vouches for."""
        sha256 = self._hashes.get(name) or (self.kept_record()["files"].get(name) if self.exists else None)
        mend = "`xray plan` with the same recipe writes it again" if name == "backgrounds.parquet" else _RESTORE
        return Committed(self.file_uri(name, sha256), {"sha256": sha256} if sha256 else {}, mend)

    def file_uri(self, name: str, sha256: str | None) -> str:
        """The URI of a file of the plan with this hash.

        The files at the top of the run are replaced once the plan is committed. A process that was killed in between
        leaves them beside: then they count.
        """
        if name in _TOP_LEVEL and sha256 is not None and exists(beside := self._beside(name, sha256)):
            return beside
        return join(self.uri, *name.split("/"))

    def names(self) -> set[str]:
        """The files of the plan, as paths in the run; those at its top also where they are before a commit."""
        files: Mapping[str, str] = self.kept_record()["files"]
        return {*files} | {f"plan/{sha256[:16]}-{name}" for name, sha256 in files.items() if name in _TOP_LEVEL}

    def _beside(self, name: str, sha256: str) -> str:
        """The URI of a file at the top of the run until its plan is committed."""
        return join(self.uri, "plan", f"{sha256[:16]}-{name}")

    @contextlib.contextmanager
    def open_part(self, table: str, part: str) -> Iterator[pq.ParquetFile]:
        """Open a part of `source` or `plan`, to read some of its row groups.

        A footer has an entry for every column of every shard, and each shard is looked up in it: the footers used last
        are cached.
        """
        committed = self._part(table, part)
        committed.check_once()
        store, path = open_store(committed.uri)
        with (
            committed.explained(),
            pq.ParquetFile(path, filesystem=store, metadata=self._footers.get((table, part))) as file,
        ):
            if self._footers.pop((table, part), None) is None and (
                problem := column_problem(file.schema_arrow, {"source": schema.SOURCE, "plan": schema.PLAN}[table])
            ):
                raise DamagedError(f"{location(committed.uri)} is damaged ({problem}); {committed.mend}")
            self._footers[table, part] = file.metadata
            for stale in list(self._footers)[:-_FOOTERS]:
                del self._footers[stale]
            yield file

    def write_part(self, table: str, part: str, data: bytes) -> None:
        """Write a part of `source` or `plan`; it counts once `commit` names it."""
        self._footers.pop((table, part), None)
        self._hashes[f"{table}/{part}.parquet"] = hashlib.sha256(data).hexdigest()
        write_bytes(self._path(table, part), data, self.check_leases)

    def write_file(self, name: str, data: bytes) -> None:
        """Write a file of the plan at the top of the run; once `commit` is called, it replaces an earlier one."""
        sha256 = self._hashes[name] = hashlib.sha256(data).hexdigest()
        is_other = self.exists and self.kept_record()["files"].get(name) != sha256
        write_bytes(self._beside(name, sha256) if is_other else join(self.uri, name), data, self.check_leases)

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a table of the plan at the top of the run, such as `backgrounds`; as `write_file`."""
        self.write_file(f"{name}.parquet", to_parquet(table))

    def drop_parts(self, parts: Sequence[str]) -> None:
        """Remove parts of a plan, and their source parts, that were not committed."""
        sources = dict.fromkeys(PartId(part).source for part in parts)
        for table, names in (("plan", parts), ("source", sources)):
            for name in names:
                self.check_leases()
                delete_file(self._path(table, name))

    def inpaints(self, part: str) -> bool:
        """Whether a part of the plan is inpainted: the plan gives such images shards of their own."""
        with self.open_part("plan", part) as file:
            return bool(file.read_row_group(0, columns=["prompt"]).column("prompt")[0].is_valid)

    def inpainted(self) -> set[str]:
        """The parts of the plan whose images are inpainted."""
        return {part for part in self.parts("plan") if self.inpaints(part)}

    def scenarios_of(self, part: str) -> tuple[str, ...]:
        """The scenarios of a part of the plan; each of its shards has them all."""
        with self.open_part("plan", part) as file:
            return tuple(dict.fromkeys(file.read_row_group(0, columns=["scenario"]).column("scenario").to_pylist()))

    # shards and photo batches

    def shards(self) -> list[str]:
        """Names of all planned shards, in order."""
        return list(self.rows_by_shard())

    def batches(self) -> list[str]:
        """Names of all photo batches, in order."""
        return list(self.rows_by_batch())

    def shard(self, name: str) -> Shard:
        """Read the rows of a shard, and no others."""
        shard = ShardId(name)
        with self.open_part("plan", shard.part) as plan:
            return Shard(name, self.batch(shard.batch), plan.read_row_group(shard.group))

    def batch(self, name: str) -> pa.Table:
        """Read the photographs of a batch (SOURCE)."""
        batch = BatchId(name)
        with self.open_part("source", batch.source) as source:
            return source.read_row_group(batch.group)

    def makes_masks(self, shard: str) -> bool:
        """Whether a shard is the first of its photo batch: masks are kept once, however many scenarios are added."""
        return shard == self.first_shard(ShardId(shard).batch)

    def first_shard(self, batch: str) -> str:
        """The shard of a photo batch in the first part of the plan."""
        source, group = BatchId(batch).source, BatchId(batch).group
        return ShardId.of(min(part for part in self.parts("plan") if PartId(part).source == source), group)

    def planned_rows(self) -> int:
        """Number of planned images."""
        return sum(self.rows_by_shard().values())

    def rows_by_shard(self) -> dict[str, int]:
        """Number of planned images of each shard."""
        return self._rows("plan")

    def rows_by_batch(self) -> dict[str, int]:
        """Number of photographs of each batch."""
        return self._rows("source")

    def _rows(self, table: str) -> dict[str, int]:
        rows: dict[str, int] = {}
        for part in self.parts(table):
            with self.open_part(table, part) as file:
                groups = range(file.metadata.num_row_groups)
                rows |= {str(ShardId.of(part, group)): file.metadata.row_group(group).num_rows for group in groups}
        return rows

    def _path(self, table: str, part: str) -> str:
        return join(self.uri, table, f"{part}.parquet")


@functools.lru_cache(maxsize=8)
def _decoded(data: bytes, uri: str) -> dict[str, Any]:
    record = check_checksum(data, location(uri), _RESTORE)
    check_record(record, location(uri))
    return record


def _is_of_plan(name: str, parts: Collection[str]) -> bool:
    """Whether a file belongs to the plan that these parts make."""
    folder, _, file = name.rpartition("/")
    part = file.removesuffix(".parquet")
    if folder == "source":
        return part in {PartId(one).source for one in parts}
    return part in parts if folder == "plan" else name in _TOP_LEVEL
