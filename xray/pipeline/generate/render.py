"""One shard in, its tables out: each photograph and mask decoded once, every scenario of it rendered and encoded."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from xray.core import schema
from xray.core.errors import Rejected, XrayError
from xray.core.files import read_bytes
from xray.core.images import Decoded, decode, encode
from xray.core.parquet import consecutive
from xray.masks import Mask, accept, encode_mask
from xray.pipeline.generate.photo import (
    Subject,
    by_image,
    hint_of,
    mask_row,
    photograph,
    seed_of,
    subject,
    without_mask,
)
from xray.runs.receipts import Shard
from xray.runs.recipe import Images, Recipe
from xray.scenarios import Photo, Picture, Scenario

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


class Renderer:
    """Renders shards by a recipe; cheap to make, keeps the latest donors decoded.

    Args:
        recipe: what is wanted.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.decoded = 0
        """Photographs decoded so far."""
        self._donors: dict[str, Pixels] = {}

    def shard(self, shard: Shard, masks: pa.Table | None = None, carried: Mapping[str, Row] | None = None) -> Rendered:
        """Every planned image of a shard, and the masks of its photographs.

        No row is lost: one that cannot be made has a status and a reason instead of an image.

        Args:
            shard: photographs and plan.
            masks: of the photographs (MASKS), if they were made before; default: they are made now.
            carried: rows of IMAGES that were made before, by sample.
        """
        made, carried = by_image(masks), carried or {}
        plan: dict[str, list[tuple[int, Row]]] = {}
        for position, row in enumerate(shard.plan.to_pylist()):
            plan.setdefault(row["image_id"], []).append((position, row))
        images: list[Row] = [{}] * len(shard.plan)
        rows: list[Row] = []
        for source in shard.source.to_pylist():
            mask, planned = made.get(source["image_id"]), plan.get(source["image_id"], [])
            left = [(position, row) for position, row in planned if row["sample_id"] not in carried]
            if left or mask is None:
                subject, mask = self._subject(source, mask)
                for position, row in left:
                    images[position] = self._image(source, row, subject)
            rows.append(mask)
        for position, name in enumerate(shard.plan.column("sample_id").to_pylist()):
            if name in carried:
                images[position] = carried[name]
        return Rendered(
            pa.Table.from_pylist(images, schema=schema.IMAGES), pa.Table.from_pylist(rows, schema=schema.MASKS)
        )

    def _subject(self, source: Row, row: Row | None) -> tuple[Subject | Rejected, Row]:
        try:
            decoded = photograph(source, self.recipe.limits)
            self.decoded += 1
        except Rejected as verdict:
            return verdict, row or without_mask(source, verdict)
        try:
            row, mask = (row, None) if row else self._mask(source, decoded)
            return subject(decoded, row, mask), row
        except Rejected as verdict:
            return verdict, row or without_mask(source, verdict)

    def _mask(self, source: Row, decoded: Decoded) -> tuple[Row, Mask]:
        settings = self.recipe.masks
        hint, notes = hint_of(source, decoded, settings.annotations)
        refined, quality = accept(settings.refine.refine(decoded, hint, seed_of(source)), hint.mask, settings.gates)
        return mask_row(source, refined, quality, notes), refined.mask

    def _image(self, source: Row, plan: Row, subject: Subject | Rejected) -> Row:
        row = without_image(source, plan)
        try:
            if isinstance(subject, Rejected):
                raise subject
            scenario = self.recipe.scenarios[plan["scenario"]].scenario
            donor = self._donor_of(plan) if scenario.needs_donor else None
            picture = scenario.render(subject.photo, plan["seed"], donor)
            assert_kept(scenario, subject.photo, picture, plan)
        except Rejected as verdict:
            return row | {"status": schema.status_of(verdict.reason), "reason": verdict.reason}
        return row | encoded(picture, plan, subject, self.recipe.images)

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


def without_image(source: Row, plan: Row) -> Row:
    """The row of IMAGES for a planned image that is not made yet, all but its status."""
    row = {name: plan[name] for name in ("sample_id", "image_id", "scenario", "variant")}
    return row | {"category": source["category"], "image": None, "mask": None, "provenance": "{}", "sha256": None}


def encoded(
    picture: Picture, plan: Row, subject: Subject, images: Images, notes: Sequence[str] = (), **told: object
) -> Row:
    """The made half of a row of IMAGES.

    Args:
        picture: what was made.
        plan: its row.
        subject: whose photograph it is of.
        images: how to store it.
        notes: reason codes beside the subject's.
        told: more for its provenance, as plain JSON values.
    """
    format = "png" if picture.image.shape[2] == 4 else images.format
    data = encode(picture.image, format, images.quality)
    mask = subject.encoded_mask if picture.mask is subject.photo.mask else encode_mask(picture.mask)
    provenance = {
        "settings": json.loads(plan["settings"]),
        "seed": plan["seed"],
        "drawn": dict(picture.drawn),
        "donor": plan["donor_id"],
        "mask_origin": subject.origin,
        **told,
    }
    return {
        "image": {"bytes": data, "path": f"{plan['sample_id']}.{'png' if format == 'png' else 'jpg'}"},
        "mask": {"bytes": mask, "path": f"{plan['sample_id']}.mask.png"},
        "provenance": json.dumps(provenance, sort_keys=True),
        "sha256": hashlib.sha256(data).hexdigest(),
        "status": schema.OK,
        "reason": " ".join((*subject.notes, *notes)),
    }


def assert_kept(scenario: Scenario, photo: Photo, picture: Picture, plan: Row) -> None:
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
