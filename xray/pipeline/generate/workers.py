"""The functions and actors of the stages: each takes the names of shards of one photo batch, and commits.

The name of the batch itself may come first: then its masks and removals are made, whatever shards follow.
"""

from __future__ import annotations

import functools
import time
from typing import Any

from xray.core.environment import environment
from xray.core.files import read_committed
from xray.pipeline.generate.donors import Donors
from xray.pipeline.generate.inpaint import InpaintWorker
from xray.pipeline.generate.masks import MaskWorker
from xray.pipeline.generate.photo_batches import make_in_task
from xray.pipeline.generate.removal import RemoveWorker
from xray.pipeline.generate.render import Renderer, status_counts
from xray.pipeline.generate.shows import inputs_of_images, removed_of, remover_facts, shows_own
from xray.pipeline.worker import OnBatch, ignore_batch
from xray.runs.counts import has_failed
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId, batch_of, is_batch
from xray.runs.receipts import GENERATE, Receipt
from xray.runs.reuse import adopt_shard, reusable_images
from xray.runs.versions import refuse_other_versions


class RefineStage(MaskWorker):
    """Makes the masks of the photographs of some shards."""

    def __call__(self, names: str) -> dict[str, Any]:
        """Make and commit the masks; masks are not images, so no shard is reported."""
        return _counted("masks", super().__call__(batch_of(names.split()[0])))


def refine_shards(uri: str, names: str, on_batch: OnBatch = ignore_batch) -> dict[str, Any]:
    """Make the masks of some shards with a refiner without weights; runs on a worker."""
    return _counted("masks", make_in_task(MaskWorker, uri, batch_of(names.split()[0]), on_batch))


class RemoveStage(RemoveWorker):
    """Removes the objects from the photographs of some shards, if one of those shows them so."""

    def __call__(self, names: str) -> dict[str, Any]:
        """Remove and commit; no shard is reported."""
        batch = _batch_to_remove(self.run, names)
        return _counted("removed", super().__call__(batch) if batch else {})


def remove_shards(uri: str, at_once: int, names: str, on_batch: OnBatch = ignore_batch) -> dict[str, Any]:
    """Remove objects as `RemoveStage`, with a remover without weights; runs on a worker.

    `at_once`: photographs at the same time, in tasks of their own if there are several.
    """
    batch = _batch_to_remove(RunFolder(uri, trust=True), names)
    return _counted("removed", make_in_task(RemoveWorker, uri, batch, on_batch, at_once) if batch else {})


def _batch_to_remove(run: RunFolder, names: str) -> str | None:
    first, *_ = units = names.split()
    wanted = is_batch(first) or any(shows_own(run, ShardId(unit).part) for unit in units)
    return batch_of(first) if wanted else None


def _counted(table: str, result: dict[str, Any]) -> dict[str, Any]:
    """Return the number of rows that were made of a table, and no shards."""
    return {"made": [], table: sum(result.get(table, {}).values())}


class InpaintStage(InpaintWorker):
    """Inpaints the inpainted ones of some shards."""

    def __call__(self, names: str) -> dict[str, Any]:
        """Inpaint and commit."""
        shards = (unit for unit in names.split() if not is_batch(unit))
        inpainted = [name for name in shards if self.run.plan.inpaints(ShardId(name).part)]
        return {"made": list(map(super().__call__, inpainted))}


def render_shards(uri: str, inpainted: frozenset[str], names: str) -> dict[str, Any]:
    """Render and commit the other ones of some shards; runs on a worker."""
    receipts = [render_shard(uri, name) for name in names.split() if ShardId(name).part not in inpainted]
    return {"made": [{"counts": one.counts, "bytes": one.bytes, "seconds": one.seconds} for one in receipts]}


def render_shard(uri: str, name: str) -> Receipt:
    """Render and commit one shard, unless that is done; runs on a worker."""
    run = RunFolder(uri, trust=True)
    run, renderer = _open(uri, read_committed(run.store.path("run.json")))
    # A task of several shards whose worker died is run again as a whole: what it committed stays.
    if run.store.has_receipt(GENERATE, name):
        receipt = run.store.receipt(GENERATE, name)
        if not has_failed(receipt) and run.store.is_current(GENERATE, name):
            return receipt
        run.store.revoke_images(name)
    return _render(run, renderer, name)


def _render(run: RunFolder, renderer: Renderer, name: str) -> Receipt:
    started, made_from = time.perf_counter(), inputs_of_images(run, name, renderer.donors)
    shard, masks = run.plan.shard(name), run.store.masks(ShardId(name).batch)
    makes_masks = masks is None and run.recipe.needs_masks and run.plan.makes_masks(name)
    if receipt := adopt_shard(run, shard, ["images", "masks"] if makes_masks else ["images"], made_from):
        return receipt
    rendered = renderer.shard(shard, masks, reusable_images(run, shard), removed_of(run, name))
    tables = {"images": (rendered.images, rendered.row_groups)}
    if makes_masks:
        tables["masks"] = (rendered.masks, [len(rendered.masks)])
    counts, facts = status_counts(rendered.images), {"environment": environment(), **remover_facts(run, name)}
    return run.store.commit(GENERATE, name, tables, counts, time.perf_counter() - started, facts, made_from=made_from)


@functools.lru_cache(maxsize=1)
def _open(uri: str, record: bytes) -> tuple[RunFolder, Renderer]:
    """The run, and a renderer that keeps donors decoded, as long as the run's record stays the same."""
    run = RunFolder(uri, trust=True)
    refuse_other_versions(run, GENERATE)
    return run, Renderer(run.recipe, Donors(run.recipe, run))
