"""The plan in a run's folder: its record and its parts. `xray.runs.store` describes the folder."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xray.core.checksummed import check_checksum, with_checksum
from xray.core.files import delete_file, exists, read_committed, write_bytes
from xray.core.parquet import reading, to_parquet
from xray.core.uri import check_bucket, join, open_store
from xray.runs.ids import BatchId, PartId, ShardId
from xray.runs.receipts import Shard

_FOOTERS = 8
_TOP_LEVEL = ("backgrounds.parquet", "folds.parquet", "recipe.yaml")
"""Files of the plan at the top of the run."""


class PlanFiles:
    """The committed plan of a run, and the means to write a new one.

    Args:
        uri: of the run.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._footers: dict[tuple[str, str], pq.FileMetaData] = {}
        self._hashes: dict[str, str] = {}  # of files that were written and not yet committed

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
        uri = join(self.uri, "run.json")
        return check_checksum(read_committed(uri), uri)

    def commit(
        self,
        parts: Sequence[str],
        recipe: Mapping[str, Any],
        environment: Mapping[str, Any],
        notes: Sequence[str] = (),
        weights: Mapping[str, str] | None = None,
        first: int | None = None,
    ) -> None:
        """Make parts of the plan and their recipe valid, all at once.

        Args:
            parts: names of all parts of the new plan.
            recipe: its plain values.
            environment: versions and time of the planning.
            notes: caveats for readers of the run.
            weights: fingerprints of the weights that making images needs, by reference.
            first: the most photographs of a category, if the plan leaves out others.
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
        write_bytes(join(self.uri, "run.json"), with_checksum(record))

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
        parts: list[str] = self.record()["parts"] if self.exists else []
        return sorted({PartId(part).source for part in parts}) if table == "source" else parts

    def replaced(self) -> list[str]:
        """Names of the parts (`PP-SS`) of earlier plans that are no longer in use."""
        parts: list[str] = self.record()["replaced"] if self.exists else []
        return parts

    @contextlib.contextmanager
    def open_part(self, table: str, part: str) -> Iterator[pq.ParquetFile]:
        """Open a part of `source` or `plan`, to read some of its row groups.

        A footer has an entry for every column of every shard, and each shard is looked up in it: the footers used last
        are cached.
        """
        uri = self._path(table, part)
        store, path = open_store(uri)
        with (
            reading(uri),
            pq.ParquetFile(path, filesystem=store, metadata=self._footers.get((table, part))) as file,
        ):
            self._footers.pop((table, part), None)
            self._footers[table, part] = file.metadata
            for stale in list(self._footers)[:-_FOOTERS]:
                del self._footers[stale]
            yield file

    def write_part(self, table: str, part: str, data: bytes) -> None:
        """Write a part of `source` or `plan`; it counts once `commit` names it."""
        self._footers.pop((table, part), None)
        self._hashes[f"{table}/{part}.parquet"] = hashlib.sha256(data).hexdigest()
        write_bytes(self._path(table, part), data)

    def write_file(self, name: str, data: bytes) -> None:
        """Write a file of the plan at the top of the run; it counts once `commit` is called."""
        self._hashes[name] = hashlib.sha256(data).hexdigest()
        write_bytes(join(self.uri, name), data)

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a table of the plan at the top of the run, such as `backgrounds`; as `write_file`."""
        self.write_file(f"{name}.parquet", to_parquet(table))

    def drop_parts(self, parts: Sequence[str]) -> None:
        """Remove parts of a plan, and their source parts, that were not committed."""
        sources = dict.fromkeys(PartId(part).source for part in parts)
        for table, names in (("plan", parts), ("source", sources)):
            for name in names:
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


def _is_of_plan(name: str, parts: Collection[str]) -> bool:
    """Whether a file belongs to the plan that these parts make."""
    folder, _, file = name.rpartition("/")
    part = file.removesuffix(".parquet")
    if folder == "source":
        return part in {PartId(one).source for one in parts}
    return part in parts if folder == "plan" else name in _TOP_LEVEL
