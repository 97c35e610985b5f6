"""The worker that removes the objects of photo batches: SOURCE and MASKS in, REMOVED out."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from xray.backgrounds.removal.base import RemovalInput, Remover
from xray.backgrounds.removal.without_weights import Result, WithoutWeights
from xray.core import schema
from xray.core.batching import BatchRunner, DeviceLock
from xray.core.device import DeviceModel, load_on
from xray.core.errors import ConfigError, Rejected
from xray.core.files import read_committed
from xray.core.types import Pixels
from xray.masks.photographs import mask_seed, read_photo
from xray.models.weights import check_pinned
from xray.pipeline.generate.photo import Row, masked_photo, removed_row, row_without_removed, rows_by_image
from xray.pipeline.generate.throughput import rate_settings
from xray.pipeline.worker import ShardWorker, device_facts
from xray.runs.counts import count_outcomes, has_failed
from xray.runs.folder import RunFolder
from xray.runs.receipts import REMOVE, Receipt
from xray.runs.recipe import Recipe
from xray.runs.reuse import reusable_removed
from xray.runs.versions import refuse_other_versions

Model = DeviceModel[RemovalInput, Pixels]


def remover_of(recipe: Recipe) -> Remover:
    """Return the remover of a planned recipe.

    Raises:
        ConfigError: the run was planned without one.
    """
    if recipe.remover is None:
        raise ConfigError("the run was planned without a remover; plan it again with `xray plan RECIPE RUN`")
    return recipe.remover


class RemoveWorker(ShardWorker[Model]):
    """Removes the objects from photo batches and commits the result; the masks must exist."""

    def load(self) -> Model:
        """Load the remover."""
        remover = remover_of(self.recipe)
        refuse_other_versions(self.run, REMOVE)
        if not remover.accelerated:
            return WithoutWeights(remover, _spread) if self.batch > 1 else WithoutWeights(remover)
        check_pinned(self.run.plan.pins(remover.weights()))
        return load_on(remover.load, self.device)

    def __call__(self, name: str) -> dict[str, Any]:
        """Remove the objects from one photo batch, unless that is done and all its photographs could be read."""
        store = self.run.store
        if store.has_receipt(REMOVE, name) and not has_failed(store.receipt(REMOVE, name)):
            return {}
        receipt = self._make(name)
        return {"removed": receipt.counts["removed"], "seconds": receipt.seconds}

    def _make(self, batch: str) -> Receipt:
        started, store = time.perf_counter(), self.run.store
        source, masks = self.run.plan.batch(batch), store.masks(batch)
        assert masks is not None, f"no masks for {batch}"
        with DeviceLock(self.device_lock) as lock:
            rows, runner = self.rows(source, masks, lock, self._reusable(batch, source))
            settings = rate_settings(self.recipe, "remove")
            if isinstance(self.model, WithoutWeights) and self.batch > 1:
                settings["at_once"] = self.batch  # its seconds are no seconds of one core
            facts = {"remover": dict(self.model.facts), **device_facts(runner, settings)}
            counts = {"removed": dict(sorted(count_outcomes(rows).items()))}
            table = pa.Table.from_pylist(rows, schema=schema.REMOVED)
            # One photograph a row group: a donor is read without its neighbours.
            tables = {"removed": (table, [1] * len(table))}
            return store.commit(REMOVE, batch, tables, counts, time.perf_counter() - started, facts)

    def _reusable(self, batch: str, source: pa.Table) -> dict[str, Row]:
        """Rows of REMOVED that exist already, by photograph: of this batch, or of an earlier plan."""
        if not self.run.store.has_receipt(REMOVE, batch):
            return reusable_removed(self.run, source)
        rows = rows_by_image(self.run.store.removed(batch))
        return {image: row for image, row in rows.items() if row["status"] != schema.FAILED}

    def rows(
        self, source: pa.Table, masks: pa.Table, lock: DeviceLock, reused: Mapping[str, Row] | None = None
    ) -> tuple[list[Row], BatchRunner[_Job, Row]]:
        """Make the rows of REMOVED for photographs (SOURCE) that are not `reused`; return all, and the runner."""
        rows, mask_rows = dict(reused or {}), rows_by_image(masks)
        remover = remover_of(self.recipe).name
        jobs = [_Job(row, mask_rows[row["image_id"]]) for row in source.to_pylist() if row["image_id"] not in rows]
        model = _Removing(self.model, self.recipe)
        runner: BatchRunner[_Job, Row] = BatchRunner(model, self.batch, lock, self.on_batch)
        for job, row in zip(jobs, runner.run(jobs), strict=True):
            made = row_without_removed(job.source, remover, row) if isinstance(row, Rejected) else row
            rows[job.source["image_id"]] = made
        return [rows[image] for image in source.column("image_id").to_pylist()], runner


def remove_batch(uri: str, batch: str, at_once: int = 1) -> dict[str, Any]:
    """Remove the objects from one photo batch with a remover without weights; runs on a worker.

    `at_once`: photographs at the same time, in tasks of their own if there are several.
    """
    return _worker(uri, at_once, read_committed(RunFolder(uri).store.path("run.json")))(batch)


@functools.lru_cache(maxsize=1)
def _worker(uri: str, at_once: int, record: bytes) -> RemoveWorker:
    """A worker for as long as the run's record stays the same."""
    return RemoveWorker(uri, "cpu", at_once, lambda items, seconds: None)


def _spread(function: Callable[[RemovalInput], Result], items: Sequence[RemovalInput]) -> list[Result]:
    from xray.cluster.spread import spread  # imports Ray

    return spread(function, items)


@dataclass
class _Job:
    """A photograph whose object is being removed; its pixels are kept until then."""

    source: Row
    mask: Row
    input: RemovalInput | None = None


@dataclass(frozen=True)
class _Removing:
    """A remover as a `DeviceModel` from rows of SOURCE and MASKS to rows of REMOVED."""

    model: Model
    recipe: Recipe

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.model.facts

    def prepare(self, item: _Job) -> Any:
        masked = masked_photo(read_photo(item.source, self.recipe.limits), item.mask)
        if masked.refusal is not None:
            raise masked.refusal
        item.input = RemovalInput(masked.photo, mask_seed(item.source))
        return self.model.prepare(item.input)

    def run(self, batch: Any) -> Any:
        return self.model.run(batch)

    def finish(self, item: _Job, raw: Any) -> Row:
        input, item.input = item.input, None  # free the pixels
        assert input is not None
        image, removed = input.photo.image, self.model.finish(input, raw)
        name = remover_of(self.recipe).name
        if removed.shape != image.shape or removed.dtype != np.uint8:
            raise ConfigError(
                f"remover {name!r} returned {removed.dtype} of shape {removed.shape} for a photograph of shape "
                f"{image.shape}: a bug of the remover"
            )
        return removed_row(item.source, image, removed, name)
