"""Inpaint the backgrounds of a shard: photographs and masks in, IMAGES out, committed by the actor that made them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa

from xray.backgrounds.filtering.judge import FilterInput, LoadedFilter, Verdict
from xray.backgrounds.inpainting.base import InpaintedImage, Inpainter, InpaintRequest
from xray.core import schema
from xray.core.batching import BatchRunner, DeviceLock, or_rejected
from xray.core.device import DeviceModel, load_on
from xray.core.errors import Rejected, rejecting
from xray.core.parquet import consecutive
from xray.masks.photographs import read_photo
from xray.models.weights import check_pinned
from xray.pipeline.generate.photo import MaskedPhoto, masked_photo, rows_by_image
from xray.pipeline.generate.render import Row, check_kept, encoded_image, row_without_image, status_counts
from xray.pipeline.generate.shows import inputs_of_images, removed_of, remover_facts
from xray.pipeline.generate.throughput import rate_settings
from xray.pipeline.worker import ShardWorker, device_facts
from xray.runs.counts import has_failed
from xray.runs.ids import ShardId
from xray.runs.receipts import GENERATE, Receipt, Shard
from xray.runs.recipe import Images, Recipe
from xray.runs.reuse import adopt_shard, reusable_images
from xray.runs.versions import refuse_other_versions
from xray.scenarios import Picture, Scenario
from xray.sources.categories import Category

Composite = tuple[InpaintedImage, Picture]
Judged = tuple[InpaintedImage, Picture, Verdict]


@dataclass(frozen=True)
class InpaintJob:
    """An image to be inpainted: its row of PLAN, its row of IMAGES without the image, and the masked photograph."""

    plan: Row
    row: Row
    category: Category
    photo: MaskedPhoto | Rejected
    scenario: Scenario

    def usable(self) -> MaskedPhoto:
        """The photograph; raises `Rejected` if there is none, or it lacks what the scenario needs."""
        if isinstance(self.photo, Rejected):
            raise self.photo
        if self.photo.refusal is not None:
            raise self.photo.refusal
        self.photo.check_usable(self.scenario)
        return self.photo

    def request(self) -> InpaintRequest:
        """The input of the inpainter: the object where the scenario places it; raises `Rejected` as `usable`."""
        placed = self.scenario.place(self.usable().photo, self.plan["seed"])
        return InpaintRequest(placed, self.plan["prompt"], self.plan["seed"], self.category.indices)


@dataclass(frozen=True)
class FilteredInpainter:
    """The inpainter of each scenario and a filter as one `DeviceModel`, from jobs to rows of IMAGES.

    `pins` are fingerprints of each scenario's weights, by reference.
    """

    inpainters: Mapping[str, DeviceModel[InpaintRequest, InpaintedImage]]
    pins: Mapping[str, Mapping[str, str]]
    filter: LoadedFilter
    images: Images

    @property
    def _filter_needs_device(self) -> bool:
        models = (self.filter.classifier, self.filter.clip, self.filter.safety, self.filter.refiner)
        return any(model is not None for model in models)

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts of each inpainter, and of the filter."""
        return {**{name: dict(model.facts) for name, model in self.inpainters.items()}, "filter": self.filter.facts}

    def prepare(self, item: InpaintJob) -> tuple[InpaintJob, Any]:
        """Prepare the inpainter's input."""
        return item, self.inpainters[item.plan["scenario"]].prepare(item.request())

    def run(self, batch: Sequence[tuple[InpaintJob, Any]]) -> list[Any]:
        """Inpaint; if the filter has models, also restore the objects and judge, since that needs the device too."""
        raws: list[Any] = []
        for name, group in groupby(batch, key=lambda pair: pair[0].plan["scenario"]):
            raws += self.inpainters[name].run([prepared for _, prepared in group])
        if not self._filter_needs_device:
            return raws
        jobs = [job for job, _ in batch]
        return self._judge([(job, or_rejected(self._compose, job, raw)) for job, raw in zip(jobs, raws, strict=True)])

    def finish(self, item: InpaintJob, raw: Any) -> Row:
        """The row of IMAGES; an image that the filter rejects is kept with the reason."""
        assert isinstance(item.photo, MaskedPhoto)
        if not self._filter_needs_device:
            (raw,) = self._judge([(item, or_rejected(self._compose, item, raw))])
            if isinstance(raw, Rejected):
                raise raw
        inpainted, picture, verdict = raw
        scenario = item.plan["scenario"]
        row = item.row | encoded_image(
            picture,
            item.plan,
            item.photo,
            self.images,
            inpainted.notes,
            painted=dict(inpainted.recorded),
            prompt=item.plan["prompt"],
            place=item.plan["place"],
            painter=dict(self.inpainters[scenario].facts),
            weights=dict(self.pins[scenario]),
            measures=dict(verdict.measures),
        )
        return row | {"status": schema.REJECTED, "reason": verdict.reason} if verdict.reason else row

    def _compose(self, job: InpaintJob, raw: Any) -> Composite:
        photo = job.usable().photo
        inpainted = self.inpainters[job.plan["scenario"]].finish(job.request(), raw)
        picture = job.scenario.render(photo, job.plan["seed"], inpainted.image)
        check_kept(job.scenario, photo, picture, job.plan)
        return inpainted, picture

    def _judge(self, pairs: Sequence[tuple[InpaintJob, Composite | Rejected]]) -> list[Judged | Rejected]:
        inputs = [
            FilterInput(job.request().photo, composite[1].image, job.category, job.plan["prompt"], composite[0].nsfw)
            for job, composite in pairs
            if not isinstance(composite, Rejected)
        ]
        verdicts = iter(self.filter.judge(inputs))
        return [one if isinstance(one, Rejected) else (*one, next(verdicts)) for _, one in pairs]


class InpaintWorker(ShardWorker[FilteredInpainter]):
    """Inpaints and commits shards."""

    def load(self) -> FilteredInpainter:
        """Load the inpainters and the filter."""
        refuse_other_versions(self.run, GENERATE)
        scenarios = {name: entry.scenario for name, entry in self.recipe.scenarios.items() if entry.scenario.inpaints}
        loaded: dict[Inpainter, DeviceModel[InpaintRequest, InpaintedImage]] = {}
        pins = {name: self.run.plan.pins(scenario.painter.weights()) for name, scenario in scenarios.items()}
        for name, scenario in scenarios.items():
            if scenario.painter not in loaded:
                check_pinned(pins[name])
                loaded[scenario.painter] = load_on(scenario.painter.load, self.device)
        inpainters = {name: loaded[scenario.painter] for name, scenario in scenarios.items()}
        return FilteredInpainter(inpainters, pins, self._load_filter(), self.recipe.images)

    def _load_filter(self) -> LoadedFilter:
        filter, refiner = self.recipe.filter, self.recipe.masks.refine
        check_pinned(self.run.plan.pins(filter.weights()))
        if not (filter.refine and refiner.accelerated):
            return load_on(filter.load, self.device)
        check_pinned(self.run.plan.pins(refiner.weights()))
        loaded = load_on(refiner.load, self.device)
        return load_on(lambda device: filter.load(device, loaded), self.device)

    def __call__(self, name: str) -> dict[str, Any]:
        """Inpaint and commit one shard, unless that is done; the masks of its photographs must exist."""
        receipt = self._done(name) or self._inpaint(name)
        return {"counts": receipt.counts, "bytes": receipt.bytes, "seconds": receipt.seconds}

    def _done(self, name: str) -> Receipt | None:
        store = self.run.store
        if not store.is_current(GENERATE, name):
            return adopt_shard(self.run, self.run.plan.shard(name), ["images"], inputs_of_images(self.run, name))
        receipt = store.receipt(GENERATE, name)
        return None if has_failed(receipt) else receipt

    def _inpaint(self, name: str) -> Receipt:
        started, store, made_from = time.perf_counter(), self.run.store, inputs_of_images(self.run, name)
        shard, masks = self.run.plan.shard(name), store.masks(ShardId(name).batch)
        assert masks is not None, f"no masks for {name}"
        removed = removed_of(self.run, name)
        with DeviceLock(self.device_lock) as lock:
            images, runner = self.images(shard, masks, lock, self._reusable(shard), removed)
            scenarios = dict.fromkeys(images.column("scenario").to_pylist())
            facts = {"painter": dict(runner.model.facts)}
            facts |= device_facts(runner, rate_settings(self.recipe, "paint", scenarios))
            facts |= remover_facts(self.run, name)
            tables = {"images": (images, consecutive(images.column("scenario")))}
            if store.has_receipt(GENERATE, name):
                store.revoke_images(name)
            seconds = time.perf_counter() - started
            counts = status_counts(images)
            return store.commit(GENERATE, name, tables, counts, seconds, facts, made_from=made_from)

    def _reusable(self, shard: Shard) -> dict[str, Row]:
        """Rows of IMAGES that exist already, by sample: of this shard, or of an earlier plan."""
        if not self.run.store.is_current(GENERATE, shard.name):
            return reusable_images(self.run, shard)
        rows = self.run.store.shard_table(GENERATE, "images", shard.name).to_pylist()
        return {row["sample_id"]: row for row in rows if row["status"] != schema.FAILED}

    def images(
        self,
        shard: Shard,
        masks: pa.Table,
        lock: DeviceLock,
        reused: Mapping[str, Row] | None = None,
        removed: pa.Table | None = None,
    ) -> tuple[pa.Table, BatchRunner[InpaintJob, Row]]:
        """Make the rows of IMAGES of a shard that are not `reused`, by sample; return all, and the runner."""
        rows = dict(reused or {})
        jobs = [job for job in _jobs(shard, masks, removed, self.recipe) if job.plan["sample_id"] not in rows]
        runner: BatchRunner[InpaintJob, Row] = BatchRunner(self.model, self.batch, lock, self.on_batch)
        for job, row in zip(jobs, runner.run(jobs), strict=True):
            rows[job.plan["sample_id"]] = job.row | schema.outcome_of(row) if isinstance(row, Rejected) else row
        planned = shard.plan.column("sample_id").to_pylist()
        return pa.Table.from_pylist([rows[sample] for sample in planned], schema=schema.IMAGES), runner


def _jobs(shard: Shard, masks: pa.Table, removed: pa.Table | None, recipe: Recipe) -> list[InpaintJob]:
    categories = {category.name: category for category in recipe.categories or ()}
    source = {row["image_id"]: row for row in shard.source.to_pylist()}
    mask_rows, removed_rows = rows_by_image(masks), rows_by_image(removed)
    photos = {image: _photo(row, mask_rows[image], removed_rows.get(image), recipe) for image, row in source.items()}
    jobs = []
    for plan in shard.plan.to_pylist():
        row = row_without_image(source[plan["image_id"]], plan)
        scenario = recipe.scenarios[plan["scenario"]].scenario
        jobs.append(InpaintJob(plan, row, categories[row["category"]], photos[plan["image_id"]], scenario))
    return jobs


def _photo(source: Row, mask: Row, removed: Row | None, recipe: Recipe) -> MaskedPhoto | Rejected:
    try:
        with rejecting("error"):
            return masked_photo(read_photo(source, recipe.limits), mask, removed=removed)
    except Rejected as verdict:
        return verdict
