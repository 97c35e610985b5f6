"""Paint the worlds of one shard: photographs and masks in, IMAGES out, committed by the actor that painted them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import cv2
import pyarrow as pa

from xray.backgrounds.filtering.settings import Filter, Judged, LoadedFilter, Verdict
from xray.backgrounds.inpainting.base import Painted, Painter, Scene
from xray.core import schema
from xray.core.device import DeviceModel, Turn, Work, begun, ready
from xray.core.environment import environment
from xray.core.errors import Rejected
from xray.core.parquet import consecutive
from xray.models.weights import check_pinned
from xray.pipeline.generate.photo import Subject, by_image, photograph, subject
from xray.pipeline.generate.render import Row, assert_kept, encoded, status_counts, without_image
from xray.pipeline.generate.throughput import settings_of_work
from xray.runs.counts import has_failed
from xray.runs.receipts import GENERATE, Receipt, Shard, unit_of
from xray.runs.recipe import Images, Recipe
from xray.runs.reuse import adopted, carried_images
from xray.runs.run import Run
from xray.runs.versions import refuse_other_versions
from xray.scenarios import Picture, Scenario
from xray.sources.categories import Category

Beat = Callable[[int, float], None]
Composed = tuple[Painted, Picture]
Judgement = tuple[Painted, Picture, Verdict]


class PaintShard:
    """Paints and commits shards; holds its models as long as it lives.

    Args:
        uri: of the run.
        device: `cpu` or `cuda`.
        batch: pictures that a network makes at once, unless memory does not suffice.
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

    def _load(self) -> Painting:
        """The painters and the filter; loaded beside the constructor, where Ray would hide what is wrong with them."""
        cv2.setNumThreads(1)
        refuse_other_versions(self.run, GENERATE)
        scenarios = {name: entry.scenario for name, entry in self.recipe.scenarios.items() if entry.scenario.paints}
        painters: dict[Painter, DeviceModel[Scene, Painted]] = {}
        for scenario in scenarios.values():
            if scenario.painter not in painters:
                check_pinned(self.run.pins(scenario.painter.weights()))
                painters[scenario.painter] = ready(scenario.painter.load, self.device)
        by_name = {name: painters[scenario.painter] for name, scenario in scenarios.items()}
        pins = {name: self.run.pins(scenario.painter.weights()) for name, scenario in scenarios.items()}
        model = Painting(scenarios, by_name, pins, self._load_filter(self.recipe.filter), self.recipe.images)
        return model

    def _load_filter(self, filter: Filter) -> LoadedFilter:
        check_pinned(self.run.pins(filter.weights()))
        refiner = self.recipe.masks.refine
        if not (filter.refine and refiner.accelerated):
            return ready(filter.load, self.device)
        check_pinned(self.run.pins(refiner.weights()))
        loaded = ready(refiner.load, self.device)
        return ready(lambda device: filter.load(device, loaded), self.device)

    def __call__(self, shard: str) -> Receipt:
        """Paint one shard, unless it is there.

        The masks of its photographs must have been made.
        """
        planned, before = self.run.shard(shard), None
        if self.run.has_receipt(GENERATE, shard):
            receipt = self.run.receipt(GENERATE, shard)
            if not has_failed(receipt):
                return receipt
            before = self.run.made(GENERATE, "images", shard)
        elif receipt_before := adopted(self.run, planned, ["images"]):
            return receipt_before
        elif carried := carried_images(self.run, planned):
            before = pa.Table.from_pylist(list(carried.values()), schema=schema.IMAGES)
        started = time.perf_counter()
        masks = self.run.masks(unit_of(shard))
        assert masks is not None, f"no masks for {shard}"
        with Turn(self.turn) as turn:
            images, work = self.images(planned, masks, turn, before)
            return self._commit(shard, images, work, started)

    def _commit(self, shard: str, images: pa.Table, work: Work[Commission, Row], started: float) -> Receipt:
        facts = {
            "painter": dict(work.model.facts),
            "settings": settings_of_work(self.recipe, "paint", dict.fromkeys(images.column("scenario").to_pylist())),
            "device_seconds": round(work.busy, 3),
            "device_images": work.ran,
            "batch": work.batch,
            "out_of_memory": work.out_of_memory,
            "environment": environment(),
        }
        tables = {"images": (images, consecutive(images.column("scenario")))}
        if self.run.has_receipt(GENERATE, shard):
            self.run.forget(shard)
        return self.run.commit(GENERATE, shard, tables, status_counts(images), time.perf_counter() - started, facts)

    def images(
        self, shard: Shard, masks: pa.Table, turn: Turn, before: pa.Table | None = None
    ) -> tuple[pa.Table, Work[Commission, Row]]:
        """The rows of IMAGES that a shard plans, in the plan's order, and the work that made them.

        Args:
            shard: photographs and plan.
            masks: of the photographs (MASKS).
            turn: on the device.
            before: rows that were made already; only those of photographs that could not be read, and the rest, are
                painted.
        """
        rows = {row["sample_id"]: row for row in _not_failed(before)}
        commissions = [one for one in self._commissions(shard, masks) if one.plan["sample_id"] not in rows]
        work: Work[Commission, Row] = Work(self.model(), self.batch, turn, self.beat)
        for one, row in zip(commissions, work.through(commissions), strict=True):
            rows[one.plan["sample_id"]] = one.refused(row) if isinstance(row, Rejected) else row
        planned = shard.plan.column("sample_id").to_pylist()
        return pa.Table.from_pylist([rows[name] for name in planned], schema=schema.IMAGES), work

    def _commissions(self, shard: Shard, masks: pa.Table) -> list[Commission]:
        categories = {category.name: category for category in self.recipe.categories or ()}
        source = {row["image_id"]: row for row in shard.source.to_pylist()}
        rows = by_image(masks)
        subjects = {image: _subject(row, rows[image], self.recipe) for image, row in source.items()}
        return [
            Commission(
                plan=plan,
                row=without_image(source[plan["image_id"]], plan),
                category=categories[source[plan["image_id"]]["category"]],
                subject=subjects[plan["image_id"]],
            )
            for plan in shard.plan.to_pylist()
        ]


def _not_failed(images: pa.Table | None) -> list[Row]:
    return [] if images is None else [row for row in images.to_pylist() if row["status"] != schema.FAILED]


def _subject(source: Row, mask: Row, recipe: Recipe) -> Subject | Rejected:
    try:
        return subject(photograph(source, recipe.limits), mask)
    except Rejected as verdict:
        return verdict


@dataclass(frozen=True)
class Commission:
    """A picture that is to be painted.

    Args:
        plan: its row of PLAN.
        row: its row of IMAGES as far as it is known before.
        category: of the object.
        subject: the photograph and its object, or why there is none.
    """

    plan: Row
    row: Row
    category: Category
    subject: Subject | Rejected

    def refused(self, verdict: Rejected) -> Row:
        """Its row of IMAGES where nothing was made."""
        return self.row | {"status": schema.status_of(verdict.reason), "reason": verdict.reason}

    def scene(self) -> Scene:
        """What the painter is to know.

        Raises:
            Rejected: there is no photograph, or no mask.
        """
        if isinstance(self.subject, Rejected):
            raise self.subject
        return Scene(self.subject.photo, self.plan["prompt"], self.plan["seed"])


class Painting:
    """Painters and a filter, from commissions to rows of IMAGES; a `xray.core.device.DeviceModel`.

    Args:
        scenarios: that paint, by the recipe's name.
        painters: of each of them.
        pins: fingerprints of each one's weights, by reference.
        filter: which pictures are refused.
        images: how pictures are stored.
    """

    def __init__(
        self,
        scenarios: Mapping[str, Scenario],
        painters: Mapping[str, DeviceModel[Scene, Painted]],
        pins: Mapping[str, Mapping[str, str]],
        filter: LoadedFilter,
        images: Images,
    ) -> None:
        self.scenarios, self.painters, self.pins = scenarios, painters, pins
        self.filter, self.images = filter, images
        models = (filter.classifier, filter.clip, filter.safety, filter.refiner)
        self._filter_has_models = any(model is not None for model in models)

    @property
    def facts(self) -> Mapping[str, Any]:
        """Those of each painter, and of the filter."""
        return {**{name: dict(painter.facts) for name, painter in self.painters.items()}, "filter": self.filter.facts}

    def prepare(self, item: Commission) -> tuple[Commission, Any]:
        """What the painter makes of the scene."""
        return item, self.painters[item.plan["scenario"]].prepare(item.scene())

    def run(self, batch: Sequence[tuple[Commission, Any]]) -> list[Any]:
        """Paint; and, where the filter has models, put the objects back and judge, since that takes the device, too."""
        raws: list[Any] = []
        for name, ours in _by_scenario(batch):
            raws += self.painters[name].run([prepared for _, prepared in ours])
        if not self._filter_has_models:
            return raws
        items = [item for item, _ in batch]
        return self._judged([(item, self._composed(item, raw)) for item, raw in zip(items, raws, strict=True)])

    def _judged(self, pairs: Sequence[tuple[Commission, Composed | Rejected]]) -> list[Judgement | Rejected]:
        good = [(item, *one) for item, one in pairs if not isinstance(one, Rejected)]
        verdicts = iter(self.filter.judge([_to_judge(item, painted, picture) for item, painted, picture in good]))
        return [one if isinstance(one, Rejected) else (*one, next(verdicts)) for _, one in pairs]

    def _composed(self, item: Commission, raw: Any) -> Composed | Rejected:
        scenario, scene = self.scenarios[item.plan["scenario"]], item.scene()
        try:
            painted = self.painters[item.plan["scenario"]].finish(scene, raw)
        except Rejected as verdict:
            return verdict
        picture = scenario.render(scene.photo, scene.seed, painted.image)
        assert_kept(scenario, scene.photo, picture, item.plan)
        return painted, picture

    def finish(self, item: Commission, raw: Any) -> Row:
        """The row of IMAGES; a picture that the filter refuses is kept with the reason."""
        assert isinstance(item.subject, Subject)
        if not self._filter_has_models:
            (raw,) = self._judged([(item, self._composed(item, raw))])
            if isinstance(raw, Rejected):
                raise raw
        painted, picture, verdict = raw
        row = item.row | encoded(
            picture,
            item.plan,
            item.subject,
            self.images,
            painted.notes,
            painted=dict(painted.drawn),
            prompt=item.plan["prompt"],
            place=item.plan["place"],
            painter=dict(self.painters[item.plan["scenario"]].facts),
            weights=dict(self.pins[item.plan["scenario"]]),
            measures=dict(verdict.measures),
        )
        return row | {"status": schema.REJECTED, "reason": verdict.reason} if verdict.reason else row


def _by_scenario(batch: Sequence[tuple[Commission, Any]]) -> list[tuple[str, list[tuple[Commission, Any]]]]:
    """The neighbours of one scenario together, in their order."""
    return [(name, list(ours)) for name, ours in groupby(batch, key=lambda pair: pair[0].plan["scenario"])]


def _to_judge(item: Commission, painted: Painted, picture: Picture) -> Judged:
    photo = item.scene().photo
    return Judged(photo, picture.image, item.category, item.plan["prompt"], painted.nsfw)
