"""What is planned: a run's folder, its record, and the parts of its plan. `xray.runs.store` says what lies where."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xray.core.checksummed import sealed, unsealed
from xray.core.files import delete_file, exists, read_committed, write_bytes
from xray.core.parquet import to_parquet
from xray.core.uri import check_bucket, join, open_store, reaching, to_uri
from xray.runs.receipts import Shard, unit_of

_FOOTERS = 8
_AT_THE_TOP = ("backgrounds.parquet", "folds.parquet", "recipe.yaml")
"""Files of the plan at the top of the run."""


class Planned:
    """A run's folder at a URI, local or in an object store, and the plan in it."""

    def __init__(self, uri: str) -> None:
        self.uri = to_uri(uri)
        self._footers: dict[tuple[str, str], pq.FileMetaData] = {}
        self._written: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri!r})"

    def path(self, *names: str) -> str:
        """The URI of something in the run."""
        return join(self.uri, *names)

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
            DamagedError: it is not as it was written.
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

        Its footer has an entry for every column of every shard, and each shard is looked up in it: those that were used
        last are kept.
        """
        uri = self.path(table, f"{part}.parquet")
        store, path = open_store(uri)
        with (
            reaching(uri),
            pq.ParquetFile(path, filesystem=store, metadata=self._footers.get((table, part))) as file,
        ):
            self._footers.pop((table, part), None)
            self._footers[table, part] = file.metadata
            for used_before in list(self._footers)[:-_FOOTERS]:
                self._footers.pop(used_before, None)
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
        return {part for part in self.parts("plan") if self.has_prompts(part)}

    def has_prompts(self, part: str) -> bool:
        """Whether a part of the plan is painted."""
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

    def _first_shard(self, unit: str) -> str:
        source_part, _, group = unit.partition("-")
        return f"{min(part for part in self.parts('plan') if part.partition('-')[2] == source_part)}-{group}"

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
    return part in parts if folder == "plan" else name in _AT_THE_TOP
