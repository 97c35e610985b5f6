"""Render one shard: each photograph and mask is decoded once, every scenario of it rendered and encoded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from xray.core import schema
from xray.core.errors import ConfigError, Rejected
from xray.core.images import Decoded, decode, encode
from xray.core.parquet import consecutive
from xray.masks import Mask, encode_mask, select_mask
from xray.masks.photographs import hint_of, mask_seed, read_photo, read_unchanged
from xray.pipeline.generate.photo import (
    MaskedPhoto,
    mask_row,
    masked_photo,
    photo_without_mask,
    row_without_mask,
    rows_by_image,
)
from xray.runs.counts import count_outcomes
from xray.runs.receipts import Shard
from xray.runs.recipe import Images, Recipe
from xray.scenarios import Photo, Picture, Scenario

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Row = dict[str, Any]
_DONOR_BYTES = 64_000_000


@dataclass(frozen=True)
class Rendered:
    """A rendered shard: IMAGES in the order of the plan, the rows of a scenario together, and MASKS."""

    images: pa.Table
    masks: pa.Table

    @property
    def row_groups(self) -> list[int]:
        """Number of rows of each scenario in `images`."""
        return consecutive(self.images.column("scenario"))


def status_counts(images: pa.Table) -> dict[str, dict[str, int]]:
    """Count rows of IMAGES by scenario, then by outcome."""
    rows = images.select(["scenario", "status", "reason"]).to_pylist()
    counts = {}
    for scenario in dict.fromkeys(row["scenario"] for row in rows):
        ours = count_outcomes(row for row in rows if row["scenario"] == scenario)
        counts[scenario] = dict(sorted(ours.items()))
    return counts


class Renderer:
    """Renders shards by a recipe; keeps recently used donors decoded, and counts decoded photographs."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.decoded = 0
        self._needs_masks = recipe.needs_masks
        self._donors: dict[str, Pixels] = {}

    def shard(self, shard: Shard, masks: pa.Table | None = None, reused: Mapping[str, Row] | None = None) -> Rendered:
        """Render every planned image of a shard, and make the masks of its photographs.

        No row is lost: one that cannot be rendered has a status and a reason instead of an image. MASKS, and rows of
        IMAGES by sample, that are passed are not made again.
        """
        images = dict(reused or {})
        planned: dict[str, list[Row]] = {}
        for row in shard.plan.to_pylist():
            if row["sample_id"] not in images:
                planned.setdefault(row["image_id"], []).append(row)
        mask_rows = rows_by_image(masks)
        for source in shard.source.to_pylist():
            image = source["image_id"]
            if image in planned or (self._needs_masks and image not in mask_rows):
                photo, masks_row = self._photo(source, mask_rows.get(image))
                if masks_row is not None:
                    mask_rows[image] = masks_row
                for row in planned.get(image, ()):
                    images[row["sample_id"]] = self._image(source, row, photo)
        samples = shard.plan.column("sample_id").to_pylist()
        photographs = shard.source.column("image_id").to_pylist() if self._needs_masks else ()
        return Rendered(
            pa.Table.from_pylist([images[sample] for sample in samples], schema=schema.IMAGES),
            pa.Table.from_pylist([mask_rows[image] for image in photographs], schema=schema.MASKS),
        )

    def _photo(self, source: Row, row: Row | None) -> tuple[MaskedPhoto | Rejected, Row | None]:
        """Read a photograph with its mask, making its row of MASKS unless it is given or no masks are needed."""
        mask: Mask | None = None
        try:
            decoded = read_photo(source, self.recipe.limits)
            self.decoded += 1
            if not self._needs_masks:
                return photo_without_mask(decoded), None
            if row is None:
                row, mask = self._mask(source, decoded)
            return masked_photo(decoded, row, mask), row
        except Rejected as verdict:
            return verdict, row or row_without_mask(source, verdict)

    def _mask(self, source: Row, decoded: Decoded) -> tuple[Row, Mask | None]:
        settings = self.recipe.masks
        try:
            hint, notes = hint_of(source, decoded, settings.annotations)
            refined = settings.refine.refine(decoded, hint, mask_seed(source))
            refined, statistics = select_mask(refined, hint.mask, settings.gates)
        except Rejected as verdict:
            return row_without_mask(source, verdict), None
        return mask_row(source, refined, statistics, notes), refined.mask

    def _image(self, source: Row, plan: Row, photo: MaskedPhoto | Rejected) -> Row:
        row = row_without_image(source, plan)
        try:
            if isinstance(photo, Rejected):
                raise photo
            scenario = self.recipe.scenarios[plan["scenario"]].scenario
            photo.check_usable(scenario)
            donor = self._donor_of(plan) if scenario.needs_donor else None
            picture = scenario.render(photo.photo, plan["seed"], donor)
            check_kept(scenario, photo.photo, picture, plan)
        except Rejected as verdict:
            return row | schema.outcome_of(verdict)
        return row | encoded_image(picture, plan, photo, self.recipe.images)

    def _donor_of(self, plan: Row) -> Pixels:
        uri = plan["donor_uri"]
        if uri is None:
            raise Rejected("no_donor")
        if uri not in self._donors:
            donor = self._read_donor(uri, plan["donor_sha256"])
            if sum(kept.nbytes for kept in self._donors.values()) + donor.nbytes > _DONOR_BYTES:
                self._donors.clear()
            self._donors[uri] = donor
        return self._donors[uri]

    def _read_donor(self, uri: str, sha256: str) -> Pixels:
        try:
            return decode(read_unchanged(uri, sha256, "source_changed"), self.recipe.limits).image
        except Rejected as verdict:
            if schema.status_of(verdict.reason) == schema.FAILED:
                raise
            raise Rejected("donor_unusable", str(verdict)) from verdict


def row_without_image(source: Row, plan: Row) -> Row:
    """The row of IMAGES for a planned image, without image, status and reason."""
    row = {name: plan[name] for name in ("sample_id", "image_id", "scenario", "variant")}
    return row | {"category": source["category"], "image": None, "mask": None, "provenance": "{}", "sha256": None}


def encoded_image(
    picture: Picture, plan: Row, photo: MaskedPhoto, images: Images, notes: Sequence[str] = (), **facts: object
) -> Row:
    """Encode an image as the remaining columns of its row of IMAGES.

    `notes` are reason codes in addition to the photograph's; `facts` go to its provenance, as plain JSON values.
    """
    format = "png" if picture.image.shape[2] == 4 else images.format
    data = encode(picture.image, format, images.quality)
    mask = photo.encoded_mask
    if mask is not None and picture.mask is not photo.photo.mask:
        mask = encode_mask(picture.mask)
    provenance = {
        "settings": json.loads(plan["settings"]),
        "seed": plan["seed"],
        "drawn": dict(picture.sampled),
        "donor": plan["donor_id"],
        "mask_origin": photo.origin,
        **facts,
    }
    return {
        "image": {"bytes": data, "path": f"{plan['sample_id']}.{'png' if format == 'png' else 'jpg'}"},
        "mask": None if mask is None else {"bytes": mask, "path": f"{plan['sample_id']}.mask.png"},
        "provenance": json.dumps(provenance, sort_keys=True),
        "sha256": hashlib.sha256(data).hexdigest(),
        "status": schema.OK,
        "reason": " ".join((*photo.notes, *notes)),
    }


def check_kept(scenario: Scenario, photo: Photo, picture: Picture, plan: Row) -> None:
    """Check, pixel for pixel, that a scenario preserved the region that it promises to keep.

    Raises:
        ConfigError: it did not; a bug of the scenario.
    """
    if scenario.keeps is None:
        return
    rgba = picture.image.shape[2] == 4
    image = cv2.cvtColor(picture.image, cv2.COLOR_RGBA2RGB) if rgba else picture.image
    moved = image.shape != photo.image.shape
    if moved or cv2.norm(image, photo.image, cv2.NORM_INF, photo.region(scenario.keeps)) > 0:
        raise ConfigError(
            f"scenario {plan['scenario']!r} changed pixels of the {scenario.keeps} of {plan['image_id']!r}, "
            f"which it promises to keep (sample {plan['sample_id']})"
        )
