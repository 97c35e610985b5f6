"""Make the masks of all photographs: read → refine → MASKS, a unit of photographs at a time, committed by its actor."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import pyarrow as pa
import pyarrow.compute as pc

from xray.cluster.placement import PoolState, grant, told_of
from xray.core import schema
from xray.core.device import DeviceModel, Turn, Work, begun, ready
from xray.core.environment import environment
from xray.core.errors import Rejected, XrayError, extra
from xray.core.progress import Progress
from xray.masks import Refined, Refiner, Unrefined, accept
from xray.models.weights import check_pinned
from xray.pipeline.generate.photo import Row, hint_of, mask_row, photograph, seed_of, without_mask
from xray.pipeline.generate.retry import masks_to_remake
from xray.pipeline.generate.throughput import settings_of_work
from xray.runs.counts import has_failed
from xray.runs.lock import alone
from xray.runs.receipts import MASK, Receipt
from xray.runs.recipe import Recipe
from xray.runs.reuse import carried_masks
from xray.runs.run import Run
from xray.runs.versions import refuse_other_versions

Beat = Callable[[int, float], None]


@alone("images")
def mask(
    run: Run, *, bad_rows: float | None = None, watch: Callable[[Mapping[str, PoolState]], None] = lambda pools: None
) -> dict[str, int]:
    """Make the masks of all photographs that have none yet, on the Ray session at hand.

    Args:
        run: with a plan.
        bad_rows: share of the photographs, 0–1, that may end without a mask; default: the recipe's.
        watch: called every second with the state of the pool, in another thread.

    Returns:
        Photographs by "status reason".

    Raises:
        XrayError: more than that have none, or no GPU for a model that wants one; what is committed stays.
    """
    recipe, masked = run.recipe_object, run.masked() - set(masks_to_remake(run))
    units = [unit for unit in run.units() if unit not in masked]
    if units:
        with extra("ray"):
            from xray.cluster.autoscaling import await_gpus
            from xray.cluster.executor import Stage, stream
            from xray.cluster.session import connected, nodes

        total = len(run.table("source", ["image_id"]))
        with connected(), Progress("mask", total, "photographs", len(run.table("masks", ["image_id"]))) as progress:

            def watched(states: Mapping[str, PoolState]) -> None:
                progress.say(*told_of(states))
                watch(states)

            stage = Stage("refine", mask_unit, (run.uri,))
            if recipe.masks.refine.accelerated:
                await_gpus(recipe.pools.gpus, recipe.pools.stall_seconds)
                pool = grant({"refine": recipe.pools.refine}, nodes())["refine"]
                stage = Stage("refine", MaskUnit, (run.uri, pool.device, pool.batch), pool, overlap=2)
            for (said,) in stream(units, [stage], run=run.uri, stall_seconds=recipe.pools.stall_seconds, watch=watched):
                progress.advance(sum(said.get("masks", {}).values()))
    status = run.table("masks", ["status", "reason"]).to_pylist()
    counts = Counter(f"{row['status']} {row['reason']}".strip() for row in status)
    bad = sum(n for key, n in counts.items() if not key.startswith(schema.OK))
    budget = (recipe.bad_rows if bad_rows is None else bad_rows) * len(status)
    if bad > budget:
        raise XrayError(
            f"{bad:,} of {len(status):,} photographs have no mask, more than the budget of {budget:,.0f}; "
            "see the reasons in the table `masks`, mend the gates or the hints and plan a new run, or allow more by "
            "`--bad-rows`"
        )
    return dict(counts)


def mask_unit(uri: str, unit: str) -> dict[str, Any]:
    """Make the masks of one unit, where the refiner has no weights; runs on a worker."""
    return MaskUnit(uri, "cpu", 1, beat=lambda items, seconds: None)(unit)


class MaskUnit:
    """Refines and commits the masks of units; holds its model as long as it lives.

    Args:
        uri: of the run.
        device: `cpu` or `cuda`.
        batch: photographs that the network sees at once, unless memory does not suffice.
        beat: called after each batch with its size and the seconds that the device was busy.
    """

    def __init__(self, uri: str, device: str, batch: int, beat: Beat) -> None:
        self.run = Run(uri)
        self.recipe: Recipe = self.run.recipe_object
        self.device = device
        self.batch = batch
        self.beat = beat
        self.turn = threading.Lock()
        self.model = begun(self._load).result

    def _load(self) -> DeviceModel[Unrefined, Refined]:
        """The refiner; loaded beside the constructor, where Ray would hide what is wrong with it."""
        cv2.setNumThreads(1)
        refiner = self.recipe.masks.refine
        if not refiner.accelerated:
            return _WithoutWeights(refiner)
        check_pinned(self.run.pins(refiner.weights()))
        refuse_other_versions(self.run, MASK)
        model = ready(refiner.load, self.device)
        return model

    def __call__(self, unit: str) -> dict[str, Any]:
        """Make the masks of one unit, unless they are there and all its photographs could be read."""
        if self.run.has_masks(unit) and not self._failed_before(unit):
            return {}
        receipt = self._made(unit)
        return {"masks": receipt.counts["masks"], "seconds": receipt.seconds}

    def _failed_before(self, unit: str) -> bool:
        return self.run.has_receipt(MASK, unit) and has_failed(self.run.receipt(MASK, unit))

    def _made(self, unit: str) -> Receipt:
        started = time.perf_counter()
        source = self.run.unit(unit)
        names = source.column("image_id")
        by_name = carried_masks(self.run, source)
        rest = source.filter(pc.invert(pc.is_in(names, pa.array(by_name, pa.string()))))
        with Turn(self.turn) as turn:
            made, work = self.rows(rest, turn)
            return self._commit(unit, [*made, *by_name.values()], work, started)

    def _commit(self, unit: str, made: Sequence[Row], work: Work[_Asked, Row], started: float) -> Receipt:
        by_name = {row["image_id"]: row for row in made}
        rows = [by_name[name] for name in self.run.unit(unit).column("image_id").to_pylist()]
        counts = {"masks": dict(sorted(Counter(f"{row['status']} {row['reason']}".strip() for row in rows).items()))}
        facts = {
            "refiner": dict(work.model.facts),
            "settings": settings_of_work(self.recipe, "refine"),
            "device_seconds": round(work.busy, 3),
            "device_images": work.ran,
            "batch": work.batch,
            "out_of_memory": work.out_of_memory,
            "environment": environment(),
        }
        table = pa.Table.from_pylist(rows, schema=schema.MASKS)
        return self.run.commit(MASK, unit, {"masks": (table, None)}, counts, time.perf_counter() - started, facts)

    def rows(self, source: pa.Table, turn: Turn) -> tuple[list[Row], Work[_Asked, Row]]:
        """The rows of MASKS for some photographs (SOURCE), and the work that made them, in their turn on the device."""
        asked = [_Asked(row) for row in source.to_pylist()]
        work: Work[_Asked, Row] = Work(_Masking(self.model(), self.recipe), self.batch, turn, self.beat)
        rows = [
            without_mask(one.source, row) if isinstance(row, Rejected) else row
            for one, row in zip(asked, work.through(asked), strict=True)
        ]
        return rows, work


class _Asked:
    """A photograph on its way to its mask; what is read of it stays until the mask is made."""

    def __init__(self, source: Row) -> None:
        self.source = source
        self.unrefined: Unrefined | None = None
        self.notes: tuple[str, ...] = ()


class _Masking:
    """A refiner, from rows of SOURCE to rows of MASKS."""

    def __init__(self, model: DeviceModel[Unrefined, Refined], recipe: Recipe) -> None:
        self.model, self.recipe = model, recipe

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.model.facts

    def prepare(self, item: _Asked) -> Any:
        decoded = photograph(item.source, self.recipe.limits)
        hint, item.notes = hint_of(item.source, decoded, self.recipe.masks.annotations)
        item.unrefined = Unrefined(decoded, hint, seed_of(item.source))
        return self.model.prepare(item.unrefined)

    def run(self, batch: Any) -> Any:
        return self.model.run(batch)

    def finish(self, item: _Asked, raw: Any) -> Row:
        unrefined, item.unrefined = item.unrefined, None  # the pixels are not needed any longer
        assert unrefined is not None
        refined = self.model.finish(unrefined, raw)
        refined, quality = accept(refined, unrefined.hint.mask, self.recipe.masks.gates)
        return mask_row(item.source, refined, quality, item.notes)


class _WithoutWeights:
    """A refiner without weights, as if it had a device."""

    def __init__(self, refiner: Refiner) -> None:
        self.refiner = refiner
        self.facts: Mapping[str, Any] = {"kind": refiner.name}

    def prepare(self, item: Unrefined) -> None:
        return None

    def run(self, batch: Sequence[None]) -> Sequence[None]:
        return batch

    def finish(self, item: Unrefined, raw: None) -> Refined:
        return self.refiner.refine(item.decoded, item.hint, item.seed)
