"""The base of workers that make one row for each photograph, a photo batch at a time: of MASKS, or of REMOVED."""

from __future__ import annotations

import functools
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import pyarrow as pa

from xray.core import schema
from xray.core.batching import BatchRunner, DeviceLock
from xray.core.device import DeviceModel
from xray.core.errors import Rejected
from xray.core.files import read_committed
from xray.pipeline.generate.photo import Row, rows_by_image
from xray.pipeline.generate.throughput import rate_settings
from xray.pipeline.worker import OnBatch, ShardWorker, device_facts, ignore_batch
from xray.runs.counts import count_outcomes, has_failed
from xray.runs.folder import RunFolder
from xray.runs.receipts import Receipt, Stage
from xray.runs.reuse import reusable_photograph_rows
from xray.runs.versions import refuse_other_versions

Input = TypeVar("Input")
Output = TypeVar("Output")


@dataclass
class Job(Generic[Input]):
    """A photograph whose row is being made.

    Args:
        source: its row of SOURCE.
        mask: its row of MASKS, if they are made already.
        input: of the model; kept until the model has run, since it has the pixels.
        notes: reason codes of conversions.
    """

    source: Row
    mask: Row | None = None
    input: Input | None = None
    notes: tuple[str, ...] = ()


class PhotoBatchWorker(ShardWorker[DeviceModel[Input, Output]], Generic[Input, Output]):
    """Makes the rows of a photo batch with a model, and commits them as one table.

    No row is lost: one that cannot be made says why. A subclass names its stage, and converts between rows and what the
    model takes and returns.
    """

    stage: ClassVar[Stage]
    row_schema: ClassVar[pa.Schema]
    table: ClassVar[str]
    """Name of the table, and of its rows in results and receipts."""
    pool: ClassVar[str]
    """Name of the pool of `xray.runs.resources.Pools`."""
    plugin: ClassVar[str]
    """Name under which receipts have the facts of the model."""

    def load(self) -> DeviceModel[Input, Output]:
        """Load the model if the libraries are those that the stage of the run started with."""
        refuse_other_versions(self.run, self.stage)
        return self.load_model()

    @abstractmethod
    def load_model(self) -> DeviceModel[Input, Output]:
        """Load the model on the device."""

    @abstractmethod
    def read(self, job: Job[Input]) -> Input:
        """Return the model's input; raises `Rejected` if the photograph cannot be used."""

    @abstractmethod
    def row(self, job: Job[Input], input: Input, output: Output) -> Row:
        """Return the row for the model's output; raises `Rejected` if that cannot be used."""

    @abstractmethod
    def row_without(self, source: Row, verdict: Rejected) -> Row:
        """Return the row of a photograph that cannot be used."""

    def masks(self, batch: str) -> pa.Table | None:
        """Return the MASKS that `read` looks at."""
        return None

    def row_groups(self, count: int) -> list[int] | None:
        """Return the sizes of the row groups of a table of so many rows; None: all in one."""
        return None

    def settings(self) -> dict[str, Any]:
        """Return the settings that the rate of the model depends on."""
        return rate_settings(self.recipe, self.pool)

    def is_done(self, batch: str) -> bool:
        """Return whether the rows of a photo batch are made, and all its photographs could be read."""
        store = self.run.store
        return store.is_current(self.stage, batch) and not has_failed(store.receipt(self.stage, batch))

    def __call__(self, name: str) -> dict[str, Any]:
        """Make and commit the rows of one photo batch, unless that is done."""
        if self.is_done(name):
            return {}
        receipt = self._make(name)
        return {self.table: receipt.counts[self.table], "seconds": receipt.seconds}

    def _make(self, batch: str) -> Receipt:
        store, made_from = self.run.store, self.run.store.dependencies().of_batch(self.stage, batch)
        earlier = store.receipt(self.stage, batch).files[self.table] if store.is_current(self.stage, batch) else None
        extends = [] if earlier is None else [*earlier.get("extends", ()), earlier["sha256"]]
        started, source = time.perf_counter(), self.run.plan.batch(batch)
        with DeviceLock(self.device_lock) as lock:
            rows, runner = self.rows(source, lock, self._reusable(batch, source), self.masks(batch))
            facts = {self.plugin: dict(self.model.facts), **device_facts(runner, self.settings())}
            counts = {self.table: dict(sorted(count_outcomes(rows).items()))}
            table = pa.Table.from_pylist(rows, schema=self.row_schema)
            tables = {self.table: (table, self.row_groups(len(table)))}
            seconds = time.perf_counter() - started
            return store.commit(self.stage, batch, tables, counts, seconds, facts, made_from=made_from, extends=extends)

    def _reusable(self, batch: str, source: pa.Table) -> dict[str, Row]:
        """Rows that exist already, by image id: of this batch, or of an earlier plan."""
        if not self.run.store.is_current(self.stage, batch):
            return reusable_photograph_rows(self.run, self.stage, self.table, source)
        rows = rows_by_image(self.run.store.shard_table(self.stage, self.table, batch))
        return {image: row for image, row in rows.items() if row["status"] != schema.FAILED}

    def rows(
        self,
        source: pa.Table,
        lock: DeviceLock,
        reused: Mapping[str, Row] | None = None,
        masks: pa.Table | None = None,
    ) -> tuple[list[Row], BatchRunner[Job[Input], Row]]:
        """Make the rows of photographs (SOURCE) that are not `reused`; return all in order, and the runner."""
        rows, mask_rows = dict(reused or {}), rows_by_image(masks)
        left = (row for row in source.to_pylist() if row["image_id"] not in rows)
        jobs = [Job[Input](row, mask_rows.get(row["image_id"])) for row in left]
        runner: BatchRunner[Job[Input], Row] = BatchRunner(_RowModel(self), self.batch, lock, self.on_batch)
        for job, row in zip(jobs, runner.run(jobs), strict=True):
            made = self.row_without(job.source, row) if isinstance(row, Rejected) else row
            rows[job.source["image_id"]] = made
        return [rows[image] for image in source.column("image_id").to_pylist()], runner


@dataclass(frozen=True)
class _RowModel(Generic[Input, Output]):
    """The model of a worker as a `DeviceModel` from jobs to rows."""

    worker: PhotoBatchWorker[Input, Output]

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.worker.model.facts

    def prepare(self, item: Job[Input]) -> Any:
        item.input = self.worker.read(item)
        return self.worker.model.prepare(item.input)

    def run(self, batch: Any) -> Any:
        return self.worker.model.run(batch)

    def finish(self, item: Job[Input], raw: Any) -> Row:
        input, item.input = item.input, None  # free the pixels
        assert input is not None
        return self.worker.row(item, input, self.worker.model.finish(input, raw))


def make_in_task(
    kind: type[PhotoBatchWorker[Any, Any]], uri: str, batch: str, on_batch: OnBatch, at_once: int = 1
) -> dict[str, Any]:
    """Make the rows of one photo batch with a model without weights; runs on a worker.

    Args:
        kind: the worker's class.
        uri: of the run.
        batch: the photo batch.
        on_batch: called after every `at_once` photographs.
        at_once: photographs at the same time, in tasks of their own if there are several.
    """
    worker = _worker(kind, uri, at_once, read_committed(RunFolder(uri, trust=True).store.path("run.json")))
    worker.on_batch = on_batch
    return worker(batch)


@functools.lru_cache(maxsize=2)
def _worker(
    kind: type[PhotoBatchWorker[Any, Any]], uri: str, at_once: int, record: bytes
) -> PhotoBatchWorker[Any, Any]:
    """A worker for as long as the run's record stays the same."""
    return kind(uri, "cpu", at_once, ignore_batch)
