"""One shard in, its tables out: each photograph and mask decoded once, every scenario of it rendered and encoded."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from xray import schema
from xray.codec import Decoded, decode, encode
from xray.errors import Rejected, XrayError
from xray.files import name_of, read_bytes
from xray.masks import Mask, Refined, encode_mask
from xray.masks.quality import Quality, check
from xray.recipe import Recipe
from xray.scenarios import Photo, Picture, Scenario
from xray.store import Shard, consecutive

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Row = dict[str, Any]
_DONOR_BYTES = 64_000_000


@dataclass(frozen=True)
class Rendered:
    """What became of a shard.

    Args:
        images: IMAGES, in the order of the plan: those of a scenario together.
        masks: MASKS, one row a photograph.
    """

    images: pa.Table
    masks: pa.Table

    @property
    def row_groups(self) -> list[int]:
        """Lengths of the scenarios' blocks in `images`."""
        return consecutive(self.images.column("scenario"))


def status_counts(images: pa.Table) -> dict[str, dict[str, int]]:
    """Rows of IMAGES by scenario, then by "status reason"."""
    counts: dict[str, Counter[str]] = {}
    columns = (images.column(name).to_pylist() for name in ("scenario", "status", "reason"))
    for scenario, status, reason in zip(*columns, strict=True):
        counts.setdefault(scenario, Counter())[f"{status} {reason}".strip()] += 1
    return {scenario: dict(sorted(counter.items())) for scenario, counter in counts.items()}


@dataclass(frozen=True)
class Subject:
    """A photograph ready to be rendered.

    Args:
        photo: its pixels and final mask.
        encoded_mask: the mask as PNG.
        origin: of the mask.
        notes: reason codes of conversions that were made.
    """

    photo: Photo
    encoded_mask: bytes
    origin: str
    notes: tuple[str, ...]


class Renderer:
    """Renders shards by a recipe; cheap to make, keeps the latest donors decoded.

    Args:
        recipe: what is wanted.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.refiner = recipe.masks.refine.load("cpu")
        self.decoded = 0
        """Photographs decoded so far."""
        self._donors: dict[str, Pixels] = {}

    def shard(self, shard: Shard) -> Rendered:
        """Every planned image of a shard, and the masks of its photographs.

        No row is lost: one that cannot be made has a status and a reason instead of an image.
        """
        plan: dict[str, list[tuple[int, Row]]] = {}
        for position, row in enumerate(shard.plan.to_pylist()):
            plan.setdefault(row["image_id"], []).append((position, row))
        images: list[Row] = [{}] * len(shard.plan)
        masks = []
        for source in shard.source.to_pylist():
            subject, mask_row = self._subject(source)
            masks.append(mask_row)
            for position, row in plan.get(source["image_id"], ()):
                images[position] = self._image(source, row, subject)
        return Rendered(
            pa.Table.from_pylist(images, schema=schema.IMAGES), pa.Table.from_pylist(masks, schema=schema.MASKS)
        )

    def _subject(self, source: Row) -> tuple[Subject | Rejected, Row]:
        row: Row = dict.fromkeys(schema.MASKS.names)
        row |= {"image_id": source["image_id"], "origin": "", "status": schema.OK, "reason": ""}
        try:
            decoded = self._photograph(source)
            refined, notes = self._mask(source, decoded)
            row |= {"origin": refined.origin, "predicted_iou": refined.predicted_iou, "stability": refined.stability}
            row["mask"] = _cell(encode_mask(refined.mask), f"{source['image_id']}.png")
            row |= _measures(check(refined.mask, self.recipe.masks.gates))
        except Rejected as verdict:
            row |= {"status": schema.status_of(verdict.reason), "reason": verdict.reason}
            return verdict, row
        row["reason"] = " ".join(notes)
        photo = Photo(decoded.image, refined.mask)
        return Subject(photo, row["mask"]["bytes"], refined.origin, (*decoded.notes, *notes)), row

    def _photograph(self, source: Row) -> Decoded:
        if source["status"] == schema.REJECTED:
            raise Rejected(source["reason"])
        data = read_bytes(source["uri"])
        if source["sha256"] and hashlib.sha256(data).hexdigest() != source["sha256"]:
            raise Rejected("source_changed", source["uri"])
        self.decoded += 1
        return decode(data, self.recipe.limits, name=name_of(source["uri"]))

    def _mask(self, source: Row, decoded: Decoded) -> tuple[Refined, tuple[str, ...]]:
        given: Mask | None = None
        notes: tuple[str, ...] = ()
        settings = self.recipe.masks
        if source["mask_uri"] is not None or (source["box"] is None and decoded.alpha is not None):
            given, notes = settings.annotations.read(_mask_bytes(source["mask_uri"]), decoded)
        seed = int(source["sha256"][:15] or "0", 16)
        return self.refiner.refine(decoded, given, source["box"] and tuple(source["box"]), seed), notes

    def _image(self, source: Row, plan: Row, subject: Subject | Rejected) -> Row:
        row = {name: plan[name] for name in ("sample_id", "image_id", "scenario", "variant")}
        row |= {"category": source["category"], "image": None, "mask": None, "provenance": "{}", "sha256": None}
        try:
            if isinstance(subject, Rejected):
                raise subject
            scenario = self.recipe.scenarios[plan["scenario"]].scenario
            donor = self._donor_of(plan) if scenario.needs_donor else None
            picture = scenario.render(subject.photo, plan["seed"], donor)
            _assert_kept(scenario, subject.photo, picture, plan)
        except Rejected as verdict:
            return row | {"status": schema.status_of(verdict.reason), "reason": verdict.reason}
        return row | self._encoded(picture, plan, subject)

    def _encoded(self, picture: Picture, plan: Row, subject: Subject) -> Row:
        format = "png" if picture.image.shape[2] == 4 else self.recipe.images.format
        data = encode(picture.image, format, self.recipe.images.quality)
        mask = subject.encoded_mask if picture.mask is subject.photo.mask else encode_mask(picture.mask)
        provenance = {
            "settings": json.loads(plan["settings"]),
            "seed": plan["seed"],
            "drawn": dict(picture.drawn),
            "donor": plan["donor_id"],
            "mask_origin": subject.origin,
        }
        return {
            "image": _cell(data, f"{plan['sample_id']}.{'png' if format == 'png' else 'jpg'}"),
            "mask": _cell(mask, f"{plan['sample_id']}.mask.png"),
            "provenance": json.dumps(provenance, sort_keys=True),
            "sha256": hashlib.sha256(data).hexdigest(),
            "status": schema.OK,
            "reason": " ".join(subject.notes),
        }

    def _donor_of(self, plan: Row) -> Pixels:
        if plan["donor_uri"] is None:
            raise Rejected("no_donor")
        uri = plan["donor_uri"]
        if uri not in self._donors:
            donor = self._read_donor(uri, plan["donor_sha256"])
            if sum(kept.nbytes for kept in self._donors.values()) + donor.nbytes > _DONOR_BYTES:
                self._donors.clear()
            self._donors[uri] = donor
        return self._donors[uri]

    def _read_donor(self, uri: str, sha256: str) -> Pixels:
        try:
            data = read_bytes(uri)
            if hashlib.sha256(data).hexdigest() != sha256:
                raise Rejected("source_changed", uri)
            return decode(data, self.recipe.limits).image
        except Rejected as verdict:
            if schema.status_of(verdict.reason) == schema.FAILED:
                raise
            raise Rejected("donor_unusable", str(verdict)) from verdict


def _mask_bytes(uri: str | None) -> bytes | None:
    if uri is None:
        return None
    try:
        return read_bytes(uri)
    except Rejected as verdict:
        if verdict.reason == "missing_file":
            raise Rejected("missing_mask", str(verdict)) from verdict
        raise


def _cell(data: bytes, path: str) -> Mapping[str, Any]:
    return {"bytes": data, "path": path}


def _measures(quality: Quality) -> Row:
    return {"area": quality.area, "parts": quality.parts}


def _assert_kept(scenario: Scenario, photo: Photo, picture: Picture, plan: Row) -> None:
    """What a scenario promises to keep is equal, pixel for pixel; anything else is a bug of the scenario."""
    if scenario.keeps is None:
        return
    rgba = picture.image.shape[2] == 4
    image = cv2.cvtColor(picture.image, cv2.COLOR_RGBA2RGB) if rgba else picture.image
    moved = image.shape != photo.image.shape
    if moved or cv2.norm(image, photo.image, cv2.NORM_INF, photo.region(scenario.keeps)) > 0:
        raise XrayError(
            f"scenario {plan['scenario']!r} changed pixels of the {scenario.keeps} of {plan['image_id']!r}, "
            f"which it promises to keep (sample {plan['sample_id']})"
        )
