"""Render one shard: each photograph and mask is decoded once, every scenario of it rendered and encoded."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from xray.core import schema
from xray.core.errors import ConfigError, Rejected, rejecting
from xray.core.images import Decoded, encode
from xray.core.parquet import consecutive
from xray.masks import Mask, encode_mask, select_mask
from xray.masks.photographs import hint_of, mask_seed, read_photo
from xray.pipeline.generate.donors import Donor, Donors
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
    """Renders shards by a recipe, and counts decoded photographs.

    Args:
        recipe: of the run.
        donors: of the run; default: whole ones.
    """

    def __init__(self, recipe: Recipe, donors: Donors | None = None) -> None:
        self.recipe = recipe
        self.decoded = 0
        self._needs_masks = recipe.needs_masks
        self.donors = donors or Donors(recipe)

    def shard(
        self,
        shard: Shard,
        masks: pa.Table | None = None,
        reused: Mapping[str, Row] | None = None,
        removed: pa.Table | None = None,
    ) -> Rendered:
        """Render every planned image of a shard, and make the masks of its photographs.

        No row is lost: one that cannot be rendered has a status and a reason instead of an image. MASKS, and rows of
        IMAGES by sample, that are passed are not made again. `removed`: REMOVED, if a scenario looks at it.
        """
        images = dict(reused or {})
        planned: dict[str, list[Row]] = {}
        for row in shard.plan.to_pylist():
            if row["sample_id"] not in images:
                planned.setdefault(row["image_id"], []).append(row)
        mask_rows, removed_rows = rows_by_image(masks), rows_by_image(removed)
        for source in shard.source.to_pylist():
            image = source["image_id"]
            if image in planned or (self._needs_masks and image not in mask_rows):
                photo, masks_row = self._photo(source, mask_rows.get(image), removed_rows.get(image))
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

    def _photo(self, source: Row, row: Row | None, removed: Row | None) -> tuple[MaskedPhoto | Rejected, Row | None]:
        """Read a photograph with its mask, making its row of MASKS unless it is given or no masks are needed."""
        mask: Mask | None = None
        try:
            with rejecting("error"):
                decoded = read_photo(source, self.recipe.limits)
                self.decoded += 1
                if not self._needs_masks:
                    return photo_without_mask(decoded), None
                if row is None:
                    row, mask = self._mask(source, decoded)
                remove = functools.partial(self.donors.without_object, source)
                return masked_photo(decoded, row, mask, removed, remove), row
        except Rejected as verdict:
            return verdict, row or row_without_mask(source, verdict)

    def _mask(self, source: Row, decoded: Decoded) -> tuple[Row, Mask | None]:
        settings = self.recipe.masks
        try:
            with rejecting("error"):
                hint, notes = hint_of(source, decoded, settings.annotations, self.recipe.limits)
                refined = settings.refine.refine(decoded, hint, mask_seed(source))
                refined, statistics = select_mask(refined, hint.mask, settings.gates)
                return mask_row(source, refined, statistics, notes), refined.mask
        except Rejected as verdict:
            return row_without_mask(source, verdict), None

    def _image(self, source: Row, plan: Row, photo: MaskedPhoto | Rejected) -> Row:
        row = row_without_image(source, plan)
        try:
            with rejecting("error"):
                if isinstance(photo, Rejected):
                    raise photo
                scenario = self.recipe.scenarios[plan["scenario"]].scenario
                photo.check_usable(scenario)
                rule = scenario.donor_rule
                donor = self.donors.of(plan, rule) if rule is not None else None
                picture = scenario.render(photo.photo, plan["seed"], donor and donor.image)
                check_kept(scenario, photo.photo, picture, plan)
                return row | encoded_image(picture, plan, photo, self.recipe.images, donor=donor)
        except Rejected as verdict:
            return row | schema.outcome_of(verdict)


def row_without_image(source: Row, plan: Row) -> Row:
    """The row of IMAGES for a planned image, without image, status and reason."""
    row = {name: plan[name] for name in ("sample_id", "image_id", "scenario", "variant")}
    empty = {"image": None, "mask": None, "provenance": "{}", "sha256": None, "donor_category": None}
    return row | {"category": source["category"], **empty}


def encoded_image(
    picture: Picture,
    plan: Row,
    photo: MaskedPhoto,
    images: Images,
    notes: Sequence[str] = (),
    donor: Donor | None = None,
    **facts: object,
) -> Row:
    """Encode an image as the remaining columns of its row of IMAGES.

    `notes` are reason codes in addition to those of the photograph and the picture; `facts` go to its provenance, as
    plain JSON values.
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
        "donor": donor and donor.id,
        "mask_origin": photo.origin,
        **({"measured": dict(picture.measured)} if picture.measured else {}),
        **facts,
    }
    return {
        "image": {"bytes": data, "path": f"{plan['sample_id']}.{'png' if format == 'png' else 'jpg'}"},
        "mask": None if mask is None else {"bytes": mask, "path": f"{plan['sample_id']}.mask.png"},
        "provenance": json.dumps(provenance, sort_keys=True),
        "sha256": hashlib.sha256(data).hexdigest(),
        "donor_category": donor and donor.category,
        "status": schema.OK,
        "reason": " ".join((*photo.notes, *notes, *picture.notes)),
    }


def check_kept(scenario: Scenario, photo: Photo, picture: Picture, plan: Row) -> None:
    """Check, pixel for pixel, that a scenario preserved the region that it promises to keep.

    Raises:
        ConfigError: it did not; a bug of the scenario.
    """
    if scenario.keeps is None:
        return
    photo = picture.placed or photo
    rgba = picture.image.shape[2] == 4
    image = cv2.cvtColor(picture.image, cv2.COLOR_RGBA2RGB) if rgba else picture.image
    moved = image.shape != photo.image.shape
    if moved or cv2.norm(image, photo.image, cv2.NORM_INF, photo.region(scenario.keeps)) > 0:
        raise ConfigError(
            f"scenario {plan['scenario']!r} changed pixels of the {scenario.keeps} of {plan['image_id']!r}, "
            f"which it promises to keep (sample {plan['sample_id']})"
        )
